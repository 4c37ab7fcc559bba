/** Verifying AWS Signature Version 4 (the header form), as AWS documents it. */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";

export interface SignedRequest {
  readonly method: string;
  /** Path and query as they came. */
  readonly target: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** What the Authorization header says. */
export interface Authorization {
  readonly accessKeyId: string;
  /** "20250830" */
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

const sha256 = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");
const hmac = (key: string | Uint8Array, data: string): Buffer =>
  createHmac("sha256", key).update(data).digest();

/** @returns undefined when it is not a whole SigV4 header */
export function parseAuthorization(header: string): Authorization | undefined {
  const [algorithm, ...rest] = header.trim().split(/\s+/);
  if (algorithm !== "AWS4-HMAC-SHA256") return undefined;
  const fields = new Map(
    rest
      .join("")
      .split(",")
      .map((field): [string, string] => {
        const at = field.indexOf("=");
        return [field.slice(0, at), field.slice(at + 1)];
      }),
  );
  const scope = fields.get("Credential")?.split("/") ?? [];
  const [accessKeyId, date, region, service, terminator] = scope;
  const signedHeaders = fields.get("SignedHeaders")?.split(";");
  const signature = fields.get("Signature");
  if (accessKeyId === undefined || date === undefined || region === undefined || service === undefined)
    return undefined;
  if (terminator !== "aws4_request" || scope.length !== 5) return undefined;
  if (signedHeaders === undefined || signature === undefined) return undefined;
  return { accessKeyId, date, region, service, signedHeaders, signature };
}

/** "20250830T123600Z" in milliseconds; undefined when it is none. */
export function parseAmzDate(text: string): number | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)?.slice(1);
  if (parts === undefined) return undefined;
  const [year, month, day, hour, minute, second] = parts;
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(time) ? undefined : time;
}

/** Whether the signature is the one that this secret gives for this request. */
export function isSignedWith(secret: string, request: SignedRequest, authorization: Authorization): boolean {
  const expected = Buffer.from(signatureOf(secret, request, authorization));
  const given = Buffer.from(authorization.signature);
  return expected.length === given.length && timingSafeEqual(expected, given);
}

export function signatureOf(
  secret: string,
  request: SignedRequest,
  { date, region, service, signedHeaders }: Omit<Authorization, "signature">,
): string {
  const scope = `${date}/${region}/${service}/aws4_request`;
  const canonical = canonicalRequest(request, signedHeaders);
  const amzDate = request.headers["x-amz-date"] ?? "";
  const text = ["AWS4-HMAC-SHA256", amzDate, scope, sha256(canonical)].join("\n");
  const key = [region, service, "aws4_request"].reduce<Buffer>(
    (key, part) => hmac(key, part),
    hmac(`AWS4${secret}`, date),
  );
  return hmac(key, text).toString("hex");
}

export function canonicalRequest(request: SignedRequest, signedHeaders: readonly string[]): string {
  const [path = "/", ...query] = request.target.split("?");
  return [
    request.method,
    canonicalPath(path),
    canonicalQuery(query.join("?")),
    ...signedHeaders.map((name) => `${name}:${(request.headers[name] ?? "").trim().replaceAll(/ +/g, " ")}`),
    "",
    signedHeaders.join(";"),
    sha256(request.body),
  ].join("\n");
}

/** Each segment encoded once more than it was sent, as every service but S3 has it; `.` and `..` resolved. */
function canonicalPath(path: string): string {
  const segments: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(encode(segment));
  }
  const slash = segments.length > 0 && path.endsWith("/") ? "/" : "";
  return `/${segments.join("/")}${slash}`;
}

function canonicalQuery(query: string): string {
  if (query === "") return "";
  const pairs = query.split("&").map((pair) => {
    const [name = "", ...value] = pair.split("=");
    return [name, value.join("=")].map((text) => encode(decode(text)));
  });
  return pairs
    .toSorted(([a = "", x = ""], [b = "", y = ""]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Everything but RFC 3986's unreserved characters. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.codePointAt(0)?.toString(16).toUpperCase()}`,
  );
}
