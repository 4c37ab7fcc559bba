/**
 * A long-lived `nft --interactive`: a transaction costs 0.2 ms of CPU in it, against 3 ms for a process
 * of its own. It inherits the agent's priority.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { HoldfastError } from "../../lib/errors.ts";

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Nft {
  readonly #argv: readonly string[];
  #child: ChildProcessWithoutNullStreams | null = null;
  /** Transactions that nft was given and has not answered, oldest first. */
  #waiting: Waiting[] = [];
  #output = "";
  #given = 0;

  /** @param argv another way to start it, for tests */
  constructor(argv: readonly string[] = ["nft"]) {
    this.#argv = argv;
  }

  /**
   * One transaction: all or nothing, in the order of the calls. One that never ends is the caller's to
   * bound: `restart` gives it up.
   * @param commands as in an nft file, each on one line; none that prints
   * @throws HoldfastError with nft's own words; nothing was changed then
   */
  apply(commands: readonly string[]): Promise<void> {
    if (this.#given >= RECYCLE_AFTER && this.#waiting.length === 0) this.restart();
    const child = (this.#child ??= this.#start());
    this.#given++;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      // nft answers success with silence: a word that it cannot know is how it says "this far".
      child.stdin.write(`${commands.join("; ")}\n${MARK}\n`);
    });
  }

  /** Kills it; what waits fails, and the next call starts another. */
  restart(): void {
    this.#child?.kill("SIGKILL");
    this.#ended(this.#child, "nft was given up");
  }

  #start(): ChildProcessWithoutNullStreams {
    const [command = "", ...args] = this.#argv;
    this.#given = 0;
    const child = spawn(command, [...args, "--interactive"], { stdio: "pipe" });
    child.on("error", (error) => this.#ended(child, `nft cannot be started: ${error.message}`));
    child.on("close", (code) => this.#ended(child, `nft ended (exit ${code})`));
    child.stdin.on("error", () => undefined); // its end says it
    child.stdout.resume(); // a prompt, and the echo of what was typed
    child.stderr.on("data", (chunk: Buffer) => {
      if (child === this.#child) this.#heard(chunk.toString());
    });
    return child;
  }

  #heard(text: string): void {
    this.#output += text;
    for (;;) {
      const at = this.#output.search(MARK_ERROR);
      if (at < 0) return;
      const said = this.#output.slice(0, at).trim();
      this.#output = this.#output.slice(at).replace(MARK_ERROR, "");
      const waiting = this.#waiting.shift();
      if (said === "") waiting?.resolve();
      else waiting?.reject(new HoldfastError(`nft refused: ${said.split("\n").slice(0, 3).join(" ")}`));
    }
  }

  #ended(child: ChildProcessWithoutNullStreams | null, why: string): void {
    if (child !== this.#child) return;
    this.#child = null;
    this.#output = "";
    for (const { reject } of this.#waiting.splice(0)) reject(new HoldfastError(why));
  }
}

/** It keeps every line that it was ever given: 1,600 of them make the next one half as dear again. */
const RECYCLE_AFTER = 500;
const MARK = "holdfast";
/** Error: syntax error, unexpected newline, expecting string / holdfast / ^^^ */
const MARK_ERROR = /Error: syntax error[^\n]*\nholdfast\s*\n[ ^]*\n/;
