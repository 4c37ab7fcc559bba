/** From a request's parameters to the new state and the answer: the whole of EC2's logic, pure. */
import type { Action, Call, Outcome } from "./account.ts";
import { associateAddress, disassociateAddress } from "./addresses.ts";
import { isAllowed } from "./authenticate.ts";
import type { Credentials } from "./credentials.ts";
import { describeAddresses } from "./describe-addresses.ts";
import { describeInstances, describeInstanceStatus } from "./describe-instances.ts";
import { describeNetworkInterfaces } from "./describe-interfaces.ts";
import { Ec2Error } from "./errors.ts";
import {
  assignIpv6Addresses,
  assignPrivateIpAddresses,
  unassignIpv6Addresses,
  unassignPrivateIpAddresses,
} from "./interfaces.ts";
import { apiVersion, type Params } from "./query.ts";

const actions: ReadonlyMap<string, Action> = new Map([
  ["AssociateAddress", associateAddress],
  ["DisassociateAddress", disassociateAddress],
  ["DescribeAddresses", describeAddresses],
  ["DescribeInstances", describeInstances],
  ["DescribeInstanceStatus", describeInstanceStatus],
  ["DescribeNetworkInterfaces", describeNetworkInterfaces],
  ["AssignPrivateIpAddresses", assignPrivateIpAddresses],
  ["UnassignPrivateIpAddresses", unassignPrivateIpAddresses],
  ["AssignIpv6Addresses", assignIpv6Addresses],
  ["UnassignIpv6Addresses", unassignIpv6Addresses],
]);

/** The action that a request asks for. @throws Ec2Error when it is none of ours */
export function actionOf(params: Params): string {
  const name = params.required("Action");
  const version = params.required("Version");
  if (actions.has(name) && version === apiVersion) return name;
  throw new Ec2Error("InvalidAction", `The action ${name} is not valid for this web service (${version}).`);
}

/** Order of refusals as on EC2: not allowed, then what is wrong with the request, then a dry run. */
export function perform(action: string, call: Call, caller: Credentials): Outcome {
  if (!isAllowed(caller, action)) throw unauthorized(action, caller);
  const dryRun = call.params.flag("DryRun") ?? false;
  const run = actions.get(action);
  if (run === undefined) throw new Error(`no action ${action}`);
  const outcome = run(call);
  call.params.requireAllKnown();
  if (!dryRun) return outcome;
  throw new Ec2Error("DryRunOperation", "Request would have succeeded, but DryRun flag is set.");
}

function unauthorized(action: string, { arn }: Credentials): Ec2Error {
  // Encoded, as AWS does it; there only sts:DecodeAuthorizationMessage can read it.
  const encoded = Buffer.from(
    JSON.stringify({ allowed: false, context: { principal: arn, action: `ec2:${action}` } }),
  ).toString("base64url");
  return new Ec2Error(
    "UnauthorizedOperation",
    `You are not authorized to perform this operation. User: ${arn} is not authorized to perform: ec2:${action} because no identity-based policy allows the ec2:${action} action. Encoded authorization failure message: ${encoded}`,
  );
}
