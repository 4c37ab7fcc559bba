/**
 * Progress for people on stderr. On a terminal, running tasks are redrawn in place with their elapsed
 * time; elsewhere (a log, a pipe) each start and end is one line. With `events`, NDJSON goes there too.
 */
import type { Reporter, TaskReport } from "../ports.ts";

export interface TerminalOptions {
  readonly write: (text: string) => void;
  readonly tty: boolean;
  readonly columns: () => number;
  readonly now: () => number; // ms
  readonly events?: (line: string) => void;
}

interface Running {
  readonly title: string;
  readonly since: number;
  message: string;
}

const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const color = { green: 32, red: 31, yellow: 33, dim: 2 } as const;

export interface Terminal extends Reporter {
  /** Stops redrawing; what still runs is left as a plain line. */
  close(): void;
}

export function openTerminal(options: TerminalOptions): Terminal {
  const running = new Set<Running>();
  let drawn = 0;
  let frame = 0;
  let timer: NodeJS.Timeout | undefined;

  const paint = (text: string, kind: keyof typeof color): string =>
    options.tty ? `\u001b[${color[kind]}m${text}\u001b[0m` : text;
  const erase = (): string => (drawn === 0 ? "" : `\u001b[${drawn}A\u001b[0J`);
  const lineOf = (task: Running): string => {
    const seconds = Math.floor((options.now() - task.since) / 1000);
    const text = `${frames[frame % frames.length]} ${task.title}${task.message === "" ? "" : `: ${task.message}`} ${seconds}s`;
    return text.slice(0, Math.max(20, options.columns() - 1));
  };
  const draw = (): void => {
    if (!options.tty) return;
    const before = erase();
    drawn = running.size;
    options.write(before + [...running].map((task) => `${lineOf(task)}\n`).join(""));
  };
  const print = (line: string): void => {
    options.write(`${options.tty ? erase() : ""}${line}\n`);
    drawn = 0;
    draw();
  };
  const tick = (): void => {
    if (!options.tty || running.size === 0 || timer !== undefined) return;
    timer = setInterval(() => {
      frame += 1;
      draw();
    }, 120);
    timer.unref();
  };
  const stopIfIdle = (): void => {
    if (running.size > 0 || timer === undefined) return;
    clearInterval(timer);
    timer = undefined;
  };
  const emit = (event: Record<string, unknown>): void => options.events?.(JSON.stringify(event));

  return {
    info: (message) => print(message),
    warn: (message) => print(`${paint("warning:", "yellow")} ${message}`),
    event: emit,
    task(title): TaskReport {
      const task: Running = { title, since: options.now(), message: "" };
      running.add(task);
      emit({ type: "task", title, state: "started" });
      if (options.tty) draw();
      else print(`… ${title}`);
      tick();
      const end = (mark: string, state: string, message: string | undefined): void => {
        if (!running.delete(task)) return;
        const seconds = ((options.now() - task.since) / 1000).toFixed(1);
        const more = message === undefined || message === "" ? "" : `: ${message}`;
        print(`${mark} ${title}${more} ${paint(`${seconds}s`, "dim")}`);
        emit({ type: "task", title, state, ...(message === undefined ? {} : { message }) });
        stopIfIdle();
      };
      return {
        update(message) {
          task.message = message;
          if (options.tty) draw();
        },
        done: (message) => end(paint("✔", "green"), "done", message),
        fail: (message) => end(paint("✘", "red"), "failed", message),
      };
    },
    close() {
      if (timer !== undefined) clearInterval(timer);
      for (const task of running)
        options.write(`${options.tty ? erase() : ""}${paint("✘", "red")} ${task.title}: not finished\n`);
      drawn = 0;
      running.clear();
    },
  };
}
