/** Exit statuses of the CLI; one meaning each, stable (see docs/operate.md). */
export const ExitStatus = {
  ok: 0,
  error: 1,
  usage: 2,
  drift: 3,
  objectiveMissed: 4,
  aborted: 5,
  inconclusive: 6,
} as const;
export type ExitStatus = (typeof ExitStatus)[keyof typeof ExitStatus];

/**
 * An error that an operator can act on: what was found, where, and how to fix it.
 * Anything else that reaches main is a bug in Holdfast and is printed with its stack.
 */
export class HoldfastError extends Error {
  readonly fix: string | undefined;
  readonly exitStatus: ExitStatus;
  constructor(found: string, options: { fix?: string; exitStatus?: ExitStatus; cause?: unknown } = {}) {
    super(found, options.cause === undefined ? {} : { cause: options.cause });
    this.name = "HoldfastError";
    this.fix = options.fix;
    this.exitStatus = options.exitStatus ?? ExitStatus.error;
  }
}

/** The host did not answer, or the transport to it broke: nothing is known of what it did. */
export class HostUnreachable extends HoldfastError {
  readonly host: string;
  constructor(host: string, why: string, fix?: string) {
    super(`host ${host} cannot be reached: ${why}`, fix === undefined ? {} : { fix });
    this.name = "HostUnreachable";
    this.host = host;
  }
}
