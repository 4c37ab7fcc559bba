import { HoldfastError } from "../lib/errors.ts";
import type { Credentials } from "./credentials.ts";
import { HttpOrigin } from "./http.ts";

const defaultEndpoint = "http://169.254.169.254";
/** The longest that AWS allows: a session is renewed when it is refused, or a minute before its end. */
const sessionSeconds = 21_600;
const renewBeforeMs = 60_000;

export interface InstanceIdentity {
  readonly instanceId: string;
  readonly region: string;
  readonly privateAddress: string;
  /** The private DNS name, as the guides' HA_NODE_1 and HA_NODE_2 name a node. */
  readonly hostname: string;
}

/**
 * EC2's instance metadata service, version 2 only: without a session token nothing is asked, so an
 * instance with version 1 turned off works, and one with it turned on is not used that way.
 */
export class Imds {
  readonly #http: HttpOrigin;
  #session: { readonly token: string; readonly until: number } | null = null;
  constructor(endpoint = process.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] ?? defaultEndpoint) {
    this.#http = new HttpOrigin(new URL(endpoint).origin);
  }

  /** The text at a path under /latest/meta-data/. @throws HoldfastError when it cannot be had in time */
  async get(path: string, deadlineMs = 2000): Promise<string> {
    const until = performance.now() + deadlineMs;
    for (const last of [false, true]) {
      const token = await this.#token(until);
      const answer = await this.#call(path, until, {
        method: "GET",
        headers: { "x-aws-ec2-metadata-token": token },
      });
      if (answer.status === 200) return answer.body.trim();
      if (answer.status === 401 && !last) this.#session = null;
      else throw cannotRead(path, `HTTP ${answer.status}`);
    }
    throw cannotRead(path, "refused twice");
  }

  /** Who this instance is. */
  async identity(): Promise<InstanceIdentity> {
    // Alone first, so that one session is made and not four.
    const instanceId = await this.get("instance-id");
    const paths = ["placement/region", "local-ipv4", "local-hostname"];
    const [region, privateAddress, hostname] = await Promise.all(paths.map(async (path) => this.get(path)));
    if (!instanceId || !region || !privateAddress || !hostname) throw cannotRead("", "empty answers");
    return { instanceId, region, privateAddress, hostname };
  }

  /** The role's credentials of this moment. @throws HoldfastError when the instance has no role */
  async credentials(): Promise<Credentials> {
    const base = "iam/security-credentials/";
    const role = (await this.get(base)).split("\n")[0] ?? "";
    if (role === "") throw noRole();
    const text = await this.get(base + role);
    const answer = JSON.parse(text) as Record<string, string | undefined>;
    const { AccessKeyId, SecretAccessKey, Token, Expiration } = answer;
    if (!AccessKeyId || !SecretAccessKey || !Token || !Expiration)
      throw cannotRead(base + role, answer["Code"] ?? "incomplete");
    return {
      accessKeyId: AccessKeyId,
      secretAccessKey: SecretAccessKey,
      sessionToken: Token,
      expiresAt: Date.parse(Expiration),
    };
  }

  async close(): Promise<void> {
    await this.#http.close();
  }

  async #token(until: number): Promise<string> {
    const session = this.#session;
    if (session !== null && session.until > performance.now()) return session.token;
    const asked = performance.now();
    const { status, body } = await this.#call("", until, {
      method: "PUT",
      headers: { "x-aws-ec2-metadata-token-ttl-seconds": String(sessionSeconds) },
    });
    if (status !== 200) throw cannotRead("api/token", `HTTP ${status}`);
    this.#session = { token: body.trim(), until: asked + sessionSeconds * 1000 - renewBeforeMs };
    return this.#session.token;
  }

  async #call(path: string, until: number, call: { method: "GET" | "PUT"; headers: Record<string, string> }) {
    const full = call.method === "PUT" ? "/latest/api/token" : `/latest/meta-data/${path}`;
    try {
      return await this.#http.call({ ...call, path: full, deadlineMs: until - performance.now() });
    } catch (error) {
      throw cannotRead(path, (error as Error).message, error);
    }
  }
}

const cannotRead = (path: string, why: string, cause?: unknown): HoldfastError =>
  new HoldfastError(`the instance metadata service does not give ${path}: ${why}`, {
    fix: "is this an EC2 instance, is its metadata service on (IMDSv2), and does 169.254.169.254 reach it? In a container its hop limit must be 2",
    cause,
  });

const noRole = (): HoldfastError =>
  new HoldfastError("this instance has no IAM role", {
    fix: "attach a role with the policy of `holdfast address policy` to it, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
  });
