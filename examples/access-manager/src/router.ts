/** A tiny router: method + path pattern with `:name` segments -> handler. */
import type { IncomingHttpHeaders } from "node:http";

export interface Request {
  readonly parameters: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** The parsed JSON body; @throws HttpError 400 or 413. */
  json(): Promise<unknown>;
}

export interface Response {
  readonly status: number;
  /** Sent as JSON; undefined: no body. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Instead of a body: JSON lines for as long as it runs. `closed` aborts when the client is gone or the
   * service drains; then it is to settle.
   */
  readonly lines?: (write: (line: object) => void, closed: AbortSignal) => Promise<void>;
}

export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** e.g. `/role-store/api/v1/roles/:id` */
  readonly path: string;
  /** Open to everybody; without it the API token is required. */
  readonly open?: boolean;
  readonly handle: (request: Request) => Promise<Response> | Response;
}

/** An answer other than success, thrown from anywhere in a handler. Its message goes to the client. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

export interface Match {
  readonly route: Route;
  readonly parameters: Readonly<Record<string, string>>;
}

/** @throws HttpError 404 when no route has the path, 405 when none of those has the method. */
export function match(routes: readonly Route[], method: string, pathname: string): Match {
  const allowed: string[] = [];
  for (const route of routes) {
    const parameters = matchPath(route.path, pathname);
    if (parameters === undefined) continue;
    // HEAD is GET without the body; Node drops the body itself.
    if (route.method === method || (method === "HEAD" && route.method === "GET"))
      return { route, parameters };
    allowed.push(route.method);
  }
  if (allowed.length === 0) throw new HttpError(404, "no such resource");
  throw new HttpError(405, "method not allowed", { allow: allowed.join(", ") });
}

function matchPath(pattern: string, pathname: string): Record<string, string> | undefined {
  const wanted = pattern.split("/");
  const given = pathname.split("/");
  if (wanted.length !== given.length) return undefined;
  const parameters: Record<string, string> = {};
  for (const [index, segment] of wanted.entries()) {
    const value = given[index] ?? "";
    if (segment.startsWith(":")) {
      if (value === "") return undefined;
      parameters[segment.slice(1)] = decode(value);
    } else if (segment !== value) {
      return undefined;
    }
  }
  return parameters;
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new HttpError(400, "malformed percent-encoding in the path");
  }
}

/** The string field of a JSON body. @throws HttpError 400 when it is missing, not text, or too long. */
export function textField(body: unknown, name: string, options: { max: number; optional?: boolean }): string {
  const value: unknown =
    typeof body === "object" && body !== null ? (body as Record<string, unknown>)[name] : undefined;
  if (value === undefined && options.optional === true) return "";
  if (typeof value !== "string" || (value === "" && options.optional !== true)) {
    throw new HttpError(400, `"${name}" must be a non-empty string`);
  }
  if (value.length > options.max) throw new HttpError(400, `"${name}" is longer than ${options.max}`);
  // PostgreSQL text cannot hold it; say so rather than let the insert fail.
  if (value.includes("\0")) throw new HttpError(400, `"${name}" contains a NUL character`);
  return value;
}

/** An integer query parameter within bounds. @throws HttpError 400. */
export function integerQuery(
  query: URLSearchParams,
  name: string,
  fallback: number,
  max: number,
  min = 1,
): number {
  const text = query.get(name);
  if (text === null) return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new HttpError(400, `"${name}" must be an integer from ${min} to ${max}`);
  }
  return value;
}
