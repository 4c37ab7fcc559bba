/** Structured logs: one JSON line per event on stdout, which the journal keeps. Never pass secrets. */
export type Fields = Readonly<Record<string, unknown>>;

export interface Log {
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
}

/** A log whose every line carries the service and the node. */
export function createLog(service: string, node: string, write = writeStdout): Log {
  const line = (level: string, message: string, fields: Fields = {}): void => {
    write(JSON.stringify({ time: new Date().toISOString(), level, service, node, message, ...fields }));
  };
  return {
    info: (message, fields) => line("info", message, fields),
    warn: (message, fields) => line("warn", message, fields),
    error: (message, fields) => line("error", message, fields),
  };
}

function writeStdout(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** What may be said of an error in a log or an answer: its code and message, not its properties. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined ? error.message : `${code}: ${error.message}`;
}
