import { sign } from "aws4";
import { child, childText, items, type XmlElement } from "../core/aws/xml.ts";
import { documentOf } from "./answer.ts";
import { AwsError, unanswered } from "./aws-error.ts";
import type { Credentials, WarmCredentials } from "./credentials.ts";
import { HttpOrigin, type HttpAnswer } from "./http.ts";

export interface AddressDescription {
  readonly publicIp: string | undefined;
  /** Absent: associated with nothing. */
  readonly associationId: string | undefined;
  readonly instanceId: string | undefined;
  readonly networkInterfaceId: string | undefined;
  readonly privateAddress: string | undefined;
}

export interface InstanceDescription {
  readonly instanceId: string;
  /** pending, running, stopping, stopped, shutting-down, terminated */
  readonly state: string;
  readonly privateAddress: string | undefined;
  readonly privateDnsName: string | undefined;
}

export interface AssociateRequest {
  readonly allocationId: string;
  readonly target: {
    readonly instanceId: string;
    readonly networkInterfaceId: string | null;
    readonly privateAddress: string | null;
  };
  readonly allowReassociation: boolean;
}

export interface CallOptions {
  /** Milliseconds from now until the answer must be there. */
  readonly deadlineMs: number;
  /** Ask EC2 whether it would be allowed, and do nothing. */
  readonly dryRun?: boolean;
}

type Parameters = Readonly<Record<string, string>>;

const codesOfClock = new Set([
  "RequestExpired",
  "RequestTimeTooSkewed",
  "SignatureDoesNotMatch",
  "AuthFailure",
]);

/**
 * The EC2 actions that keeping an address takes, over the Query protocol with SigV4, on connections and
 * with credentials that are kept warm. A call is made once: retries are the controller's to decide.
 * Every method throws AwsError, which says whether the call may have had an effect.
 */
export class Ec2 {
  readonly #http: HttpOrigin;
  readonly #host: string;
  readonly #region: string;
  readonly #credentials: WarmCredentials;
  /** AWS's clock minus ours, learned from an answer that refused our time. */
  #clockOffsetMs = 0;

  constructor(options: {
    readonly region: string;
    /** Default: AWS's own endpoint of the region. */
    readonly endpoint?: string | undefined;
    readonly credentials: WarmCredentials;
  }) {
    const url = new URL(options.endpoint ?? defaultEndpoint(options.region));
    this.#http = new HttpOrigin(url.origin);
    this.#host = url.host;
    this.#region = options.region;
    this.#credentials = options.credentials;
  }

  /** Where EC2 is asked, as `https://ec2.eu-west-1.amazonaws.com`. */
  get origin(): string {
    return this.#http.origin;
  }

  /** Puts the address on the target in one call. @returns the association id */
  async associateAddress(request: AssociateRequest, options: CallOptions): Promise<string> {
    const { allocationId, target, allowReassociation } = request;
    const { instanceId, networkInterfaceId, privateAddress } = target;
    const answer = await this.#call("AssociateAddress", options, {
      AllocationId: allocationId,
      // EC2 takes an instance (with one interface) or an interface, not both.
      ...(networkInterfaceId === null
        ? { InstanceId: instanceId }
        : { NetworkInterfaceId: networkInterfaceId }),
      ...(privateAddress === null ? {} : { PrivateIpAddress: privateAddress }),
      // Always explicit: its default has been different for accounts, APIs and test doubles.
      AllowReassociation: String(allowReassociation),
    });
    return required(answer, "AssociateAddress", "associationId");
  }

  async disassociateAddress(associationId: string, options: CallOptions): Promise<void> {
    await this.#call("DisassociateAddress", options, { AssociationId: associationId });
  }

  /** @throws AwsError InvalidAllocationID.NotFound */
  async describeAddress(allocationId: string, options: CallOptions): Promise<AddressDescription> {
    const answer = await this.#call("DescribeAddresses", options, { "AllocationId.1": allocationId });
    const [found] = items(answer, "addressesSet");
    if (found === undefined) throw badAnswer("DescribeAddresses", `no address ${allocationId}`);
    return {
      publicIp: childText(found, "publicIp"),
      associationId: childText(found, "associationId"),
      instanceId: childText(found, "instanceId"),
      networkInterfaceId: childText(found, "networkInterfaceId"),
      privateAddress: childText(found, "privateIpAddress"),
    };
  }

  /** Instances by id, or by a filter such as `private-dns-name`. Those that do not exist are left out. */
  async describeInstances(
    which:
      | { readonly ids: readonly string[] }
      | { readonly filter: string; readonly values: readonly string[] },
    options: CallOptions,
  ): Promise<InstanceDescription[]> {
    const parameters: Record<string, string> = {};
    if ("ids" in which) for (const [n, id] of which.ids.entries()) parameters[`InstanceId.${n + 1}`] = id;
    else {
      parameters["Filter.1.Name"] = which.filter;
      for (const [n, value] of which.values.entries()) parameters[`Filter.1.Value.${n + 1}`] = value;
    }
    const answer = await this.#call("DescribeInstances", options, parameters);
    const instances = items(answer, "reservationSet").flatMap((one) => items(one, "instancesSet"));
    return instances.map((one) => ({
      instanceId: required(one, "DescribeInstances", "instanceId"),
      state: childText(child(one, "instanceState"), "name") ?? "unknown",
      privateAddress: childText(one, "privateIpAddress"),
      privateDnsName: childText(one, "privateDnsName"),
    }));
  }

  async close(): Promise<void> {
    await this.#http.close();
  }

  async #call(action: string, options: CallOptions, parameters: Parameters): Promise<XmlElement> {
    const until = performance.now() + options.deadlineMs;
    const dryRun: Parameters = options.dryRun === true ? { DryRun: "true" } : {};
    const credentials = await this.#freshCredentials(action, options.deadlineMs);
    const body = new URLSearchParams({ Action: action, Version: "2016-11-15", ...parameters, ...dryRun });
    let answer: HttpAnswer;
    try {
      answer = await this.#http.call({
        method: "POST",
        path: "/",
        body: body.toString(),
        headers: this.#signed(body.toString(), credentials),
        deadlineMs: until - performance.now(),
      });
    } catch (error) {
      throw unanswered(action, this.#http.origin, error);
    }
    try {
      return documentOf(action, answer);
    } catch (error) {
      if (error instanceof AwsError && error.kind === "credentials")
        this.#learn(error.code, credentials, answer);
      throw error;
    }
  }

  /** Not to be had in time is an error of the credentials: nothing was sent. */
  async #freshCredentials(action: string, deadlineMs: number): Promise<Credentials> {
    const late = AbortSignal.timeout(Math.max(1, Math.ceil(deadlineMs)));
    const tooLate = new Promise<never>((_, reject) => {
      late.addEventListener("abort", () => reject(new Error("they did not come in time")));
    });
    try {
      return await Promise.race([this.#credentials.get(), tooLate]);
    } catch (error) {
      const message = `${action}: no credentials: ${(error as Error).message}`;
      const fix = (error as { fix?: string }).fix;
      throw new AwsError({
        code: "no-credentials",
        kind: "credentials",
        effect: "not-sent",
        message,
        ...(fix === undefined ? {} : { fix }),
        cause: error,
      });
    }
  }

  #signed(body: string, credentials: Credentials): Record<string, string> {
    const time = new Date(Date.now() + this.#clockOffsetMs).toISOString().replaceAll(/[:-]|\.\d{3}/g, "");
    const { headers } = sign(
      {
        service: "ec2",
        region: this.#region,
        method: "POST",
        path: "/",
        body,
        headers: {
          Host: this.#host,
          "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
          "X-Amz-Date": time,
        },
      },
      credentials,
    );
    const text: Record<string, string> = {};
    for (const [name, value] of Object.entries(headers ?? {})) text[name] = String(value);
    return text;
  }

  /** From a refusal: credentials to be fetched anew, and the time when it was the clock. */
  #learn(code: string, credentials: Credentials, answer: HttpAnswer): void {
    this.#credentials.invalidate(credentials);
    const date = answer.headers["date"];
    const theirs = typeof date === "string" ? Date.parse(date) : Number.NaN;
    if (!codesOfClock.has(code) || Number.isNaN(theirs)) return;
    const offset = theirs - Date.now();
    // Less is how exact the header is, and no reason to be refused.
    if (Math.abs(offset) > 5000) this.#clockOffsetMs = offset;
  }
}

function defaultEndpoint(region: string): string {
  const partition = region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  return `https://ec2.${region}.${partition}`;
}

function required(element: XmlElement, action: string, name: string): string {
  const text = childText(element, name);
  if (text === undefined) throw badAnswer(action, `no ${name}`);
  return text;
}

const badAnswer = (action: string, what: string): AwsError =>
  new AwsError({
    code: "bad-answer",
    kind: "unavailable",
    effect: "unknown",
    message: `${action}: the answer has ${what}`,
  });
