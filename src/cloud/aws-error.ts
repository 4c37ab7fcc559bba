import { HoldfastError } from "../lib/errors.ts";
import { meaningOf, type AwsErrorKind } from "../core/aws/errors.ts";

/** What may have happened to a call that failed: nothing was sent, it was refused, or nobody knows. */
export type CallEffect = "not-sent" | "none" | "unknown";

/** A call to AWS that did not do what it was to do. */
export class AwsError extends HoldfastError {
  /** AWS's error code, or the system's (`ECONNREFUSED`) when no answer came. */
  readonly code: string;
  readonly kind: AwsErrorKind;
  readonly effect: CallEffect;
  constructor(options: {
    readonly code: string;
    readonly message: string;
    readonly kind: AwsErrorKind;
    readonly effect: CallEffect;
    readonly fix?: string;
    readonly cause?: unknown;
  }) {
    super(options.message, {
      ...(options.fix === undefined ? {} : { fix: options.fix }),
      ...(options.cause === undefined ? {} : { cause: options.cause }),
    });
    this.name = "AwsError";
    this.code = options.code;
    this.kind = options.kind;
    this.effect = options.effect;
  }
}

/** The error that AWS's answer is. */
export function refused(action: string, status: number, code: string, message: string): AwsError {
  const { kind, effect, fix } = meaningOf(code, status, action);
  return new AwsError({ code, kind, effect, fix, message: `${action}: ${code}: ${message}` });
}

/** No connection was made, so nothing was sent: the only network errors that say so. */
const notConnected = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "UND_ERR_CONNECT_TIMEOUT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "CERT_HAS_EXPIRED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/** The error of a call that no answer came to. */
export function unanswered(action: string, where: string, cause: unknown): AwsError {
  const error = cause as NodeJS.ErrnoException;
  const code = error.name === "TimeoutError" ? "timeout" : (error.code ?? error.name);
  const unsent = notConnected.has(code) || error.syscall === "connect";
  return new AwsError({
    code,
    kind: "unavailable",
    effect: unsent ? "not-sent" : "unknown",
    message: `${action}: no answer from ${where} (${code === "timeout" ? "deadline passed" : error.message})`,
    fix: `nothing when it passes; else check that this host reaches ${where} (route, security group, DNS)`,
    cause,
  });
}
