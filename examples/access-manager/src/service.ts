/** One HTTPS service on the loopback: routes, authentication, errors, draining. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import { isAuthorized } from "./auth.ts";
import { describeError, type Log } from "./log.ts";
import type { TlsFiles } from "./rest.ts";
import { DeadlineExceeded, Overloaded } from "./retry.ts";
import { HttpError, match, type Response, type Route } from "./router.ts";

const MAX_BODY_BYTES = 256 * 1024;
// A write may wait 15 s for the database; systemd's TimeoutStopSec= is longer than drain + this.
const FINISH_MS = 16_000;

export interface ServiceOptions {
  readonly node: string;
  readonly port: number;
  readonly tls: TlsFiles;
  readonly token: string;
  readonly routes: (service: { readonly draining: boolean }) => readonly Route[];
  readonly log: Log;
}

export class Service {
  readonly #options: ServiceOptions;
  readonly #server: Server;
  readonly #routes: readonly Route[];
  #draining = false;
  readonly #streams = new Set<AbortController>();

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.#routes = options.routes(this);
    this.#server = createServer(
      // Longer keep-alive than nginx's upstream timeout (60 s), so that nginx closes first and never
      // sends a request into a connection that is just being closed.
      { ...options.tls, minVersion: "TLSv1.2", keepAliveTimeout: 75_000, requestTimeout: 30_000 },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.on("tlsClientError", () => undefined);
  }

  /** True once the service was asked to stop: its status must say so, to take it out of the pool. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Listens on 127.0.0.1. @returns the port, which differs from the one asked for only when that was 0. */
  async listen(): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.#options.port, "127.0.0.1", resolve);
    });
    const address = this.#server.address();
    const port = typeof address === "object" && address !== null ? address.port : this.#options.port;
    this.#options.log.info("listening", { port });
    return port;
  }

  /** Drains: fails its health checks for `drainMs`, serves what still comes, ends when the last request has ended. */
  async stop(drainMs: number): Promise<void> {
    this.#draining = true;
    this.#options.log.info("draining");
    await new Promise((resolve) => setTimeout(resolve, drainMs));
    // They would go on for ever; by now their clients find another node when they come again.
    for (const stream of this.#streams) stream.abort();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    const limit = setTimeout(() => this.#server.closeAllConnections(), FINISH_MS);
    await closed;
    clearTimeout(limit);
    this.#options.log.info("stopped");
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = performance.now();
    const answer = await this.#answer(request).catch((error: unknown) => this.#failure(error));
    response.setHeader("x-served-by", this.#options.node);
    response.setHeader("cache-control", "no-store");
    if (this.#draining) response.setHeader("connection", "close");
    for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value);
    if (answer.lines !== undefined) {
      await this.#stream(answer.lines, response);
      return;
    }
    if (answer.body === undefined) {
      response.writeHead(answer.status).end();
    } else {
      const text = JSON.stringify(answer.body);
      response.setHeader("content-type", "application/json; charset=utf-8");
      response.writeHead(answer.status, { "content-length": Buffer.byteLength(text) }).end(text);
    }
    const ms = Math.round(performance.now() - started);
    // Status polls that fail are the balancers' business and frequent; everything else that is slow or
    // broken is worth a line.
    if ((answer.status >= 500 || ms > 1_000) && !request.url?.endsWith("/status")) {
      const path = request.url?.split("?")[0];
      this.#options.log.warn("request", { method: request.method, path, status: answer.status, ms });
    }
  }

  async #stream(lines: NonNullable<Response["lines"]>, response: ServerResponse): Promise<void> {
    const closed = new AbortController();
    this.#streams.add(closed);
    response.on("close", () => closed.abort());
    // nginx would collect lines before it passes them on
    response.setHeader("x-accel-buffering", "no");
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    const write = (line: object): void => {
      // A client that does not read must not fill the memory.
      if (response.writableLength < MAX_BODY_BYTES) response.write(`${JSON.stringify(line)}\n`);
      else closed.abort();
    };
    await lines(write, closed.signal).catch((error: unknown) => {
      this.#options.log.info("stream ended", { error: describeError(error) });
    });
    this.#streams.delete(closed);
    response.end();
  }

  async #answer(request: IncomingMessage): Promise<Response> {
    const url = new URL(request.url ?? "/", "https://localhost");
    const { route, parameters } = match(this.#routes, request.method ?? "GET", url.pathname);
    if (route.open !== true && !isAuthorized(request.headers.authorization, this.#options.token)) {
      throw new HttpError(401, "an API token is required", { "www-authenticate": "Bearer" });
    }
    const json = (): Promise<unknown> => readJson(request);
    return route.handle({ parameters, query: url.searchParams, headers: request.headers, json });
  }

  #failure(error: unknown): Response {
    if (error instanceof HttpError) {
      return { status: error.status, body: { error: error.message }, headers: error.headers };
    }
    if (error instanceof Overloaded || error instanceof DeadlineExceeded) {
      return { status: 503, body: { error: error.message }, headers: { "retry-after": "1" } };
    }
    // The client learns that it failed; what exactly is for the operator.
    const stack = error instanceof Error ? error.stack : undefined;
    this.#options.log.error("request failed", { error: describeError(error), stack });
    return { status: 500, body: { error: "internal error" } };
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new HttpError(413, `the body is larger than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw new HttpError(400, "the body is not JSON");
  }
}
