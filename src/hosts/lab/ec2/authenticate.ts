import type { Ec2Config } from "./config.ts";
import { type Credentials, findCredentials } from "./credentials.ts";
import { Ec2Error } from "./errors.ts";
import { isSignedWith, parseAmzDate, parseAuthorization, type SignedRequest } from "./sigv4.ts";

/** How far a request's date may be from ours: "within five minutes", as AWS documents it for SigV4. */
const maxSkewMs = 300_000;

/**
 * Who sent the request.
 * @param now milliseconds
 * @throws Ec2Error with AWS's code: which key, signature or token is wrong is not told
 */
export function authenticate(
  config: Ec2Config,
  seed: string,
  request: SignedRequest,
  now: number,
): Credentials {
  const header = request.headers["authorization"];
  if (header === undefined) {
    throw new Ec2Error("MissingParameter", "The request must contain the parameter AWSAccessKeyId");
  }
  const authorization = parseAuthorization(header);
  const date = parseAmzDate(request.headers["x-amz-date"] ?? "");
  if (authorization === undefined || date === undefined) {
    throw new Ec2Error(
      "IncompleteSignature",
      "The Authorization header or the x-amz-date header is not whole",
    );
  }
  const { region, service, signedHeaders } = authorization;
  const scoped =
    region === config.region &&
    service === "ec2" &&
    request.headers["x-amz-date"]?.startsWith(authorization.date) === true;
  const covered = ["host", "x-amz-date", ...tokenHeader(request)].every((name) =>
    signedHeaders.includes(name),
  );
  const credentials = findCredentials(config, seed, authorization.accessKeyId, now);
  if (credentials === undefined || !scoped || !covered) throw refused();
  if (!isSignedWith(credentials.secret, request, authorization)) throw refused();
  if (request.headers["x-amz-security-token"] !== credentials.token) throw refused();
  const expired = credentials.expiresAt !== undefined && now >= credentials.expiresAt;
  if (expired || Math.abs(now - date) > maxSkewMs)
    throw new Ec2Error("RequestExpired", "Request has expired.");
  return credentials;
}

/** Whether a policy of patterns such as "ec2:Describe*" allows the action. */
export function isAllowed({ actions }: Credentials, action: string): boolean {
  return actions.some((pattern) =>
    pattern.endsWith("*") ? `ec2:${action}`.startsWith(pattern.slice(0, -1)) : pattern === `ec2:${action}`,
  );
}

const tokenHeader = ({ headers }: SignedRequest): string[] =>
  headers["x-amz-security-token"] === undefined ? [] : ["x-amz-security-token"];

const refused = () =>
  new Ec2Error("AuthFailure", "AWS was not able to validate the provided access credentials");
