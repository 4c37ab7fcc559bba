/** The instance metadata service, version 2 only: what one instance is told. Pure. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { associationOn, type Ec2State, interfacesOf } from "./account.ts";
import type { Ec2Config, InstanceConfig } from "./config.ts";
import { roleCredentials } from "./credentials.ts";

export interface MetadataRequest {
  readonly method: string;
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface MetadataAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface MetadataContext {
  readonly config: Ec2Config;
  readonly state: Ec2State;
  readonly instance: InstanceConfig;
  /** Secret of the endpoint: tokens and credentials follow from it. */
  readonly seed: string;
  /** Milliseconds. */
  readonly now: number;
}

const maxTtlSeconds = 21_600;
const tokenHeader = "x-aws-ec2-metadata-token";
const ttlHeader = `${tokenHeader}-ttl-seconds`;

export function answerMetadata(context: MetadataContext, request: MetadataRequest): MetadataAnswer {
  const { method, headers } = request;
  // A PUT that came through a proxy is refused: what AWS does against open ones.
  if (method === "PUT") {
    if (headers["x-forwarded-for"] !== undefined) return failure(403, "Forbidden");
    return request.path === "/latest/api/token"
      ? newToken(context, headers[ttlHeader])
      : failure(404, "Not Found");
  }
  if (method !== "GET" && method !== "HEAD") return failure(405, "Method Not Allowed");
  const left = secondsLeft(context, headers[tokenHeader]);
  if (left === undefined) return failure(401, "Unauthorized");
  const body = lookup(tree(context), request.path);
  if (body === undefined) return failure(404, "Not Found");
  return { status: 200, headers: { [ttlHeader]: String(left) }, body };
}

function newToken(context: MetadataContext, ttl: string | undefined): MetadataAnswer {
  const seconds = ttl !== undefined && /^\d{1,5}$/.test(ttl) ? Number(ttl) : 0;
  if (seconds < 1 || seconds > maxTtlSeconds) return failure(400, "Bad Request");
  const expires = String(context.now + seconds * 1000);
  const body = Buffer.from(`${expires}.${signToken(context, expires)}`).toString("base64url");
  return { status: 200, headers: { [ttlHeader]: String(seconds) }, body };
}

/** Of a token that this instance was given, and that is still good. */
function secondsLeft(context: MetadataContext, token: string | undefined): number | undefined {
  const [expires = "", signature = ""] = Buffer.from(token ?? "", "base64url")
    .toString("latin1")
    .split(".");
  const [given, expected] = [Buffer.from(signature), Buffer.from(signToken(context, expires))];
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  const left = Number(expires) - context.now;
  return left > 0 ? Math.ceil(left / 1000) : undefined;
}

function signToken({ seed, instance }: MetadataContext, expires: string): string {
  return createHmac("sha256", seed).update(`metadata/${instance.id}/${expires}`).digest("hex");
}

/** A directory lists its names, with a slash after those of directories; a leaf is its text. */
type Tree = string | { readonly [name: string]: Tree | undefined };

function lookup(root: Tree, path: string): string | undefined {
  let node: Tree | undefined = root;
  for (const name of path.split("/").filter((part) => part !== "")) {
    if (typeof node !== "object") return undefined;
    node = Object.hasOwn(node, name) ? node[name] : undefined;
  }
  if (node === undefined || typeof node === "string") return node;
  return Object.entries(node)
    .filter(([, child]) => child !== undefined)
    .map(([name, child]) => (typeof child === "string" ? name : `${name}/`))
    .join("\n");
}

function tree(context: MetadataContext): Tree {
  const { config, state, instance } = context;
  const primary = instance.interfaces[0]?.addresses[0] ?? "";
  const publicIp = associationOn(config, state, primary)?.publicIp ?? instance.publicIp;
  return {
    latest: {
      dynamic: { "instance-identity": { document: identityDocument(context) } },
      "meta-data": {
        "ami-id": "ami-00000000000000000",
        hostname: instance.privateDnsName,
        iam: instance.role === undefined ? undefined : iam(context),
        "instance-id": instance.id,
        "instance-type": "m5.large",
        "local-hostname": instance.privateDnsName,
        "local-ipv4": primary,
        mac: instance.interfaces[0]?.mac,
        network: { interfaces: { macs: macs(context) } },
        placement: { "availability-zone": instance.availabilityZone, region: config.region },
        "public-ipv4": publicIp,
      },
    },
  };
}

function macs({ config, state, instance }: MetadataContext): Tree {
  const owned = interfacesOf(config, state).filter((candidate) => candidate.instance.id === instance.id);
  return Object.fromEntries(
    owned.map(({ id, mac, deviceIndex, addresses, ipv6 }): [string, Tree] => {
      const elastic = addresses.flatMap((address) => {
        const found = associationOn(config, state, address);
        return found === undefined ? [] : [{ publicIp: found.publicIp, address }];
      });
      return [
        mac,
        {
          "device-number": String(deviceIndex),
          "interface-id": id,
          "ipv4-associations": Object.fromEntries(
            elastic.map(({ publicIp, address }) => [publicIp, address]),
          ),
          ipv6s: ipv6.length === 0 ? undefined : ipv6.join("\n"),
          "local-ipv4s": addresses.join("\n"),
          mac,
          "owner-id": config.accountId,
          "public-ipv4s":
            elastic.length === 0 ? undefined : elastic.map(({ publicIp }) => publicIp).join("\n"),
          "subnet-id": config.subnetId,
          "subnet-ipv4-cidr-block": config.subnet,
          "vpc-id": config.vpcId,
        },
      ];
    }),
  );
}

function iam(context: MetadataContext): Tree {
  const { config, instance, seed, now } = context;
  const credentials = roleCredentials(config, seed, instance, now);
  if (credentials === undefined) return {};
  const { accessKeyId, secret, token, issuedAt = 0, expiresAt = 0 } = credentials;
  const document = {
    Code: "Success",
    LastUpdated: timestamp(issuedAt),
    Type: "AWS-HMAC",
    AccessKeyId: accessKeyId,
    SecretAccessKey: secret,
    Token: token,
    Expiration: timestamp(expiresAt),
  };
  return { "security-credentials": { [instance.role ?? ""]: JSON.stringify(document, null, 2) } };
}

function identityDocument({ config, instance }: MetadataContext): string {
  const document = {
    accountId: config.accountId,
    architecture: "x86_64",
    availabilityZone: instance.availabilityZone,
    instanceId: instance.id,
    instanceType: "m5.large",
    privateIp: instance.interfaces[0]?.addresses[0],
    region: config.region,
    version: "2017-09-30",
  };
  return JSON.stringify(document, null, 2);
}

/** Whole seconds, as the service writes them. */
const timestamp = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

const failure = (status: number, body: string): MetadataAnswer => ({ status, body });
