import { AwsError } from "../cloud/aws-error.ts";
import type { AwsErrorKind } from "../core/aws/errors.ts";
import type { AddressDescription } from "../cloud/ec2.ts";
import type { FailureReason, Holder } from "../core/decide/address/types.ts";

/** Where the address is; null: associated with nothing. */
export function holderOf(found: AddressDescription): Holder | null {
  if (found.associationId === undefined) return null;
  return {
    instanceId: found.instanceId ?? null,
    networkInterfaceId: found.networkInterfaceId ?? null,
    privateAddress: found.privateAddress ?? null,
  };
}

/** What a failed call means to the controller. */
export function failureOf(error: unknown): { readonly reason: FailureReason; readonly message: string } {
  const { message, fix } = error as Error & { fix?: string };
  const text = fix === undefined ? message : `${message}. ${fix}`;
  return { reason: error instanceof AwsError ? reasonOf(error) : "unknown", message: text };
}

const reasonOf = ({ kind, effect }: AwsError): FailureReason =>
  effect === "unknown" ? "unknown" : reasons[kind];

const reasons: Readonly<Record<AwsErrorKind, FailureReason>> = {
  throttled: "throttled",
  conflict: "conflict",
  credentials: "credentials",
  // Nothing happened and it may work soon: no connection, or an instance that starts or stops just now.
  unavailable: "not-sent",
  state: "not-sent",
  denied: "denied",
  invalid: "denied",
  "not-found": "denied",
};
