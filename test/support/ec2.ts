/** A small account of the lab's EC2 endpoint, and callers of it. */
import type { Ec2State } from "../../src/hosts/lab/ec2/account.ts";
import { initialState } from "../../src/hosts/lab/ec2/account.ts";
import type { Behaviour } from "../../src/hosts/lab/ec2/behaviour.ts";
import { type Ec2Config, type Ec2ConfigInput, ec2ConfigSchema } from "../../src/hosts/lab/ec2/config.ts";
import type { Credentials } from "../../src/hosts/lab/ec2/credentials.ts";
import { perform } from "../../src/hosts/lab/ec2/dispatch.ts";
import { Ec2Error } from "../../src/hosts/lab/ec2/errors.ts";
import { labCloud } from "../../src/hosts/lab/ec2/identifiers.ts";
import { Params } from "../../src/hosts/lab/ec2/query.ts";
import { type SignedRequest, signatureOf } from "../../src/hosts/lab/ec2/sigv4.ts";
import type { Xml } from "../../src/hosts/lab/ec2/xml.ts";

export const region = "eu-west-1";
export const subnet = "10.9.1.0/24";

/** Two machines, two Elastic IPs, a role that may do everything, one access key. */
export function accountInput(lab = "t", network = "10.9.1"): Ec2ConfigInput {
  const machines = ["m1", "m2"].map((name, index) => ({
    name,
    address: `${network}.${11 + index}`,
    zone: name,
  }));
  const cloud = labCloud({
    lab,
    region,
    subnet: `${network}.0/24`,
    machines,
    elasticIps: { entry: "198.51.100.10", other: "198.51.100.11" },
    actions: ["ec2:*"],
  });
  return { ...cloud, accessKeys: [{ id: "AKIATEST", secret: "secret", actions: ["*"] }] };
}

export const account: Ec2Config = ec2ConfigSchema.parse(accountInput());

/** Ids of the account: instances and interfaces in the order of the machines. */
export const [i1 = "", i2 = ""] = account.instances.map(({ id }) => id);
export const [eni1 = "", eni2 = ""] = account.instances.map(({ interfaces }) => interfaces[0]?.id ?? "");
export const [entry = "", other = ""] = account.allocations.map(({ id }) => id);

export const anybody: Credentials = {
  accessKeyId: "AKIATEST",
  secret: "secret",
  actions: ["*"],
  arn: "arn:aws:iam::123456789012:user/t",
};

export interface CallOptions {
  readonly state?: Ec2State;
  readonly seen?: Ec2State;
  readonly caller?: Credentials;
  readonly config?: Ec2Config;
  readonly behaviour?: Partial<Behaviour>;
}

/** One call, as `call("AssociateAddress", {AllocationId: …}, {state})`. */
export function call(action: string, parameters: Record<string, string> = {}, options: CallOptions = {}) {
  const { config = account, caller = anybody } = options;
  const state = options.state ?? initialState(config);
  const behaviour = { ...config.behaviour, ...options.behaviour };
  const query = new URLSearchParams({ Action: action, Version: "2016-11-15", ...parameters });
  const params = new Params(query);
  params.required("Action");
  params.required("Version");
  return perform(action, { config, behaviour, state, seen: options.seen ?? state, params }, caller);
}

/** The code that a call fails with, or "ok". */
export function codeOf(work: () => unknown): string {
  try {
    work();
    return "ok";
  } catch (error) {
    if (error instanceof Ec2Error) return error.code;
    throw error;
  }
}

/** What an answer holds at a path such as "addressesSet.0.instanceId". */
export function at(answer: Xml, path: string): Xml | undefined {
  return path
    .split(".")
    .reduce<Xml | undefined>(
      (value, name) => (value as Record<string, Xml | undefined> | undefined)?.[name],
      answer,
    );
}

export interface SigningKey {
  readonly id: string;
  readonly secret: string;
  readonly token?: string | undefined;
}

/** A request as an AWS SDK sends it. @param now milliseconds */
export function signed(
  parameters: Record<string, string>,
  key: SigningKey,
  now: number,
  method: "GET" | "POST" = "POST",
): SignedRequest {
  const date = new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const headers: Record<string, string> = {
    host: "203.0.113.3",
    "content-type": "application/x-www-form-urlencoded; charset=utf-8",
    "x-amz-date": date,
    ...(key.token === undefined ? {} : { "x-amz-security-token": key.token }),
  };
  const query = new URLSearchParams({ Version: "2016-11-15", ...parameters }).toString();
  const [target, body] = method === "GET" ? [`/?${query}`, ""] : ["/", query];
  const signedHeaders = Object.keys(headers).toSorted();
  const scope = { accessKeyId: key.id, date: date.slice(0, 8), region, service: "ec2", signedHeaders };
  const request: SignedRequest = { method, target, headers, body: Buffer.from(body) };
  const signature = signatureOf(key.secret, request, scope);
  const credential = `${key.id}/${scope.date}/${region}/ec2/aws4_request`;
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${signedHeaders.join(";")}, Signature=${signature}`;
  return { ...request, headers: { ...headers, authorization } };
}
