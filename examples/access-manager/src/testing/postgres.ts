/** A throw-away PostgreSQL on the loopback with TLS, for tests that crash it. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { Database, type DatabaseOptions } from "../database.ts";
import { sleep } from "../deadline.ts";
import { createLog } from "../log.ts";

const binaries = "/usr/lib/postgresql/15/bin";

/** Why the tests with a real server cannot run here; undefined when they can. */
export const cannotRun = [join(binaries, "postgres"), "/usr/bin/openssl"].find((file) => !existsSync(file));

/** PostgreSQL refuses to run as root: then it runs as the packages' user. */
function serverUser(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const [uid, gid] = ["-u", "-g"].map((flag) => Number(execFileSync("id", [flag, "postgres"]).toString()));
  return uid === undefined || gid === undefined ? {} : { uid, gid };
}

export class TestPostgres {
  #directory = "";
  readonly #user = serverUser();
  #port = 0;
  #server: ChildProcess | undefined;

  /** Makes the data directory and starts. Nothing is made before, so that a skipped test leaves nothing. */
  async create(): Promise<void> {
    this.#directory = mkdtempSync(join(tmpdir(), "access-manager-pg-"));
    const { uid, gid } = this.#user;
    if (uid !== undefined && gid !== undefined) chownSync(this.#directory, uid, gid);
    const options = { ...this.#user, cwd: this.#directory, stdio: "ignore" } as const;
    execFileSync("openssl", certificateArguments, options);
    execFileSync(
      join(binaries, "initdb"),
      ["-D", "data", "-U", "app", "-A", "trust", "-E", "UTF8", "-N"],
      options,
    );
    this.#port = await freePort();
    await this.start();
  }

  get ca(): string {
    return readFileSync(join(this.#directory, "cert.pem"), "utf8");
  }

  get key(): string {
    return readFileSync(join(this.#directory, "key.pem"), "utf8");
  }

  get port(): number {
    return this.#port;
  }

  /** Returns once it takes connections. */
  async start(): Promise<void> {
    const settings = {
      port: String(this.#port),
      listen_addresses: "127.0.0.1",
      unix_socket_directories: this.#directory,
      ssl: "on",
      ssl_cert_file: join(this.#directory, "cert.pem"),
      ssl_key_file: join(this.#directory, "key.pem"),
      restart_after_crash: "off",
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    this.#server = spawn(join(binaries, "postgres"), ["-D", "data", ...flags], {
      ...this.#user,
      cwd: this.#directory,
      stdio: "ignore",
    });
    await eventually(() => this.admin((client) => client.query("SELECT 1")), 30_000);
  }

  /** kill -9 of the postmaster and all its processes, as a power cut does. */
  async crash(): Promise<void> {
    const server = this.#server;
    if (server?.pid === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const gone = new Promise((resolve) => server.once("exit", resolve));
    const pids = this.#processes();
    for (const pid of pids) signal(pid, "SIGKILL");
    await gone;
    // A new server would refuse to start next to a backend of the old one.
    await eventually(() => {
      if (pids.some((pid) => existsSync(`/proc/${pid}/status`) && !isZombie(pid)))
        throw new Error("still there");
    }, 10_000);
  }

  /** Stops (SIGSTOP) or continues (SIGCONT) every process: a server that hangs. */
  signalAll(name: "SIGSTOP" | "SIGCONT"): void {
    for (const pid of this.#processes()) signal(pid, name);
  }

  async admin<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const client = new Client({ host: this.#directory, port: this.#port, user: "app", database: "postgres" });
    client.on("error", () => undefined);
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }

  database(options: Partial<DatabaseOptions> = {}): Database {
    return new Database({
      host: "127.0.0.1",
      port: this.#port,
      database: "postgres",
      user: "app",
      password: "",
      ca: this.ca,
      poolSize: 8,
      maxRequests: 1_000,
      log: createLog("test", "test", () => undefined),
      ...options,
    });
  }

  async remove(): Promise<void> {
    await this.crash();
    if (this.#directory !== "") rmSync(this.#directory, { recursive: true, force: true });
  }

  #processes(): readonly number[] {
    const pid = this.#server?.pid;
    if (pid === undefined) return [];
    const children = readdirSync("/proc").filter(
      (name) => /^\d+$/.test(name) && parentOf(Number(name)) === pid,
    );
    return [pid, ...children.map(Number)];
  }
}

const certificateArguments =
  "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout key.pem -out cert.pem -subj /CN=test -addext subjectAltName=IP:127.0.0.1,DNS:localhost".split(
    " ",
  );

function stat(pid: number): readonly string[] {
  try {
    // "pid (name) state ppid …": the name may hold spaces.
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
  } catch {
    return [];
  }
}
const parentOf = (pid: number): number => Number(stat(pid)[1]);
const isZombie = (pid: number): boolean => stat(pid)[0] === "Z";

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended by itself.
  }
}

/** A port of the loopback that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}

/** Tries until it does not throw. @throws the last error when `limitMs` has passed. */
export async function eventually<T>(attempt: () => T | Promise<T>, limitMs = 15_000): Promise<T> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await sleep(25);
  }
}
