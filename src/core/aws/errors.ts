import { policyFor } from "./policy.ts";

/**
 * What an error code of EC2 (or STS) means to who called:
 * - `throttled`: too many calls; the same call later.
 * - `unavailable`: AWS's own trouble, or no answer; the same call later.
 * - `credentials`: not (or no longer) accepted; the same call with fresh ones.
 * - `denied`: the role lacks a permission; only the operator can help.
 * - `conflict`: somebody else was faster (the association is another one by now); look again.
 * - `not-found`: what was named is not there. Also said of what was made a moment ago.
 * - `state`: it is there and cannot now (an instance that starts or stops); look again.
 * - `invalid`: the call or what it meets is wrong; only another configuration can help.
 */
export type AwsErrorKind =
  | "throttled"
  | "unavailable"
  | "credentials"
  | "denied"
  | "conflict"
  | "not-found"
  | "state"
  | "invalid";

export interface AwsErrorMeaning {
  readonly kind: AwsErrorKind;
  /** Whether the call may have changed something although it failed. */
  readonly effect: "none" | "unknown";
  /** What the operator can do. */
  readonly fix: string;
}

type Fix = (action: string) => string;

const wait: Fix = () =>
  "nothing: it is tried again by itself; see https://health.aws.amazon.com/ when it lasts";
const fewer: Fix = () =>
  "nothing: the calls are made more slowly by themselves; when it lasts, find out who else in this AWS account calls EC2 so often (limits are per account and region)";
const keys: Fix = () =>
  "check the credentials: `aws sts get-caller-identity` with the same keys, or that the instance has its IAM role (IMDSv2: /latest/meta-data/iam/security-credentials/)";
const clock: Fix = () =>
  "set this host's clock (chrony or systemd-timesyncd): AWS refuses a difference above 5 minutes";
const permit: Fix = (action) =>
  `allow ec2:${action} in the policy of the instance's role (or of the user whose keys are set). The whole policy:\n${policyFor()}`;
const allocation: Fix = () =>
  "check the allocation id and the region: `aws ec2 describe-addresses --allocation-ids ID --region REGION`";
const instance: Fix = () =>
  "check the instance and the region: `aws ec2 describe-instances --instance-ids ID`";
const eni: Fix = () =>
  "check the network interface and that the private address is assigned to it: `aws ec2 describe-network-interfaces --network-interface-ids ID`";
const none: Fix = () => "nothing: it is looked at again and decided afresh";
const report: Fix = (action) => `check the configuration; if it is right, report ${action} with this message`;

type Row = readonly [kind: AwsErrorKind, fix: Fix];

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html, for the actions we call. */
const table: Readonly<Record<string, Row>> = {
  RequestLimitExceeded: ["throttled", fewer],
  Throttling: ["throttled", fewer],
  ThrottlingException: ["throttled", fewer],
  ThrottledException: ["throttled", fewer],
  RequestThrottled: ["throttled", fewer],
  RequestThrottledException: ["throttled", fewer],
  EC2ThrottledException: ["throttled", fewer],
  TooManyRequestsException: ["throttled", fewer],
  SlowDown: ["throttled", fewer],

  InternalError: ["unavailable", wait],
  InternalFailure: ["unavailable", wait],
  ServerInternal: ["unavailable", wait],
  Unavailable: ["unavailable", wait],
  ServiceUnavailable: ["unavailable", wait],
  RequestTimeout: ["unavailable", wait],

  AuthFailure: ["credentials", keys],
  Blocked: ["credentials", keys],
  ExpiredToken: ["credentials", keys],
  ExpiredTokenException: ["credentials", keys],
  IncompleteSignature: ["credentials", keys],
  InvalidAccessKeyId: ["credentials", keys],
  InvalidClientTokenId: ["credentials", keys],
  InvalidIdentityToken: ["credentials", keys],
  IDPCommunicationError: ["credentials", keys],
  IDPRejectedClaim: ["credentials", keys],
  MissingAuthenticationToken: ["credentials", keys],
  OptInRequired: ["credentials", keys],
  PendingVerification: ["credentials", keys],
  UnrecognizedClientException: ["credentials", keys],
  SignatureDoesNotMatch: ["credentials", keys],
  RequestExpired: ["credentials", clock],
  RequestTimeTooSkewed: ["credentials", clock],

  UnauthorizedOperation: ["denied", permit],
  AccessDenied: ["denied", permit],
  AccessDeniedException: ["denied", permit],
  OperationNotPermitted: ["denied", permit],

  "Resource.AlreadyAssociated": ["conflict", none],
  "InvalidAssociationID.NotFound": ["conflict", none],
  "InvalidIPAddress.InUse": ["conflict", none],
  "InvalidNetworkInterface.InUse": ["conflict", none],

  "InvalidAllocationID.NotFound": ["not-found", allocation],
  "InvalidAddress.NotFound": ["not-found", allocation],
  "InvalidAddressID.NotFound": ["not-found", allocation],
  "InvalidInstanceID.NotFound": ["not-found", instance],
  "InvalidNetworkInterfaceID.NotFound": ["not-found", eni],
  "InvalidNetworkInterfaceId.NotFound": ["not-found", eni],
  "InvalidPrivateIpAddress.NotFound": ["not-found", eni],

  IncorrectInstanceState: ["state", instance],
  IncorrectState: ["state", instance],
  InvalidInstanceID: ["state", instance],

  "InvalidAddress.Locked": ["invalid", () => "ask AWS Support: the address is locked by them"],
  PrivateIpAddressLimitExceeded: ["invalid", eni],
  "Gateway.NotAttached": [
    "invalid",
    () => "attach an internet gateway to the VPC: without one an Elastic IP cannot be associated",
  ],

  "InvalidAllocationID.Malformed": ["invalid", allocation],
  "InvalidInstanceID.Malformed": ["invalid", instance],
  "InvalidNetworkInterfaceID.Malformed": ["invalid", eni],
  InvalidAction: ["invalid", report],
  InvalidParameter: ["invalid", report],
  InvalidParameterCombination: ["invalid", report],
  InvalidParameterValue: ["invalid", report],
  MalformedQueryString: ["invalid", report],
  MissingAction: ["invalid", report],
  MissingParameter: ["invalid", report],
  OperationNotSupported: ["invalid", report],
  UnknownParameter: ["invalid", report],
  UnsupportedOperation: ["invalid", report],
  ValidationError: ["invalid", report],
};

/**
 * What an answer with this code means. An unknown code is judged by its HTTP status: 5xx may come after
 * the effect, 429 is throttling, the rest was refused.
 * @param action of EC2, as `AssociateAddress`: named in the fix
 */
export function meaningOf(code: string, status: number, action: string): AwsErrorMeaning {
  const [kind, fix] = table[code] ?? byStatus(status);
  return { kind, effect: kind === "unavailable" ? "unknown" : "none", fix: fix(action) };
}

function byStatus(status: number): Row {
  if (status === 429) return ["throttled", fewer];
  if (status === 401) return ["credentials", keys];
  if (status === 403) return ["denied", permit];
  return status >= 500 ? ["unavailable", wait] : ["invalid", report];
}

/** Every code that has a row, for tests and the operator's page. */
export const knownCodes: readonly string[] = Object.keys(table);
