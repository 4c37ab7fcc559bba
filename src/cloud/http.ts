import { Pool } from "undici";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface HttpCall {
  readonly method: "GET" | "POST" | "PUT";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Milliseconds from now until the answer must be complete. */
  readonly deadlineMs: number;
}

/** An answer of AWS is a few kilobytes; more is not read. */
const maxAnswerBytes = 4 * 1024 * 1024;

/**
 * One server, with connections that stay open between calls: on a transition a call then costs one
 * round trip instead of three or four. Nothing is tried twice here: who calls knows what may be repeated.
 */
export class HttpOrigin {
  readonly #pool: Pool;
  readonly origin: string;
  constructor(origin: string) {
    this.origin = origin;
    this.#pool = new Pool(origin, {
      // A call that hangs must not hold up another one: each has a connection of its own.
      connections: 4,
      pipelining: 1,
      // Longer than the slowest poll of a backup (15 s), so that its connection is warm when it takes over.
      // A server that closes sooner says so by closing.
      keepAliveTimeout: 30_000,
      keepAliveMaxTimeout: 30_000,
      connect: { timeout: 3000, keepAlive: true },
      maxResponseSize: maxAnswerBytes,
    });
  }

  /** @throws the network's error, or TimeoutError after the deadline; the connection is closed then */
  async call(call: HttpCall): Promise<HttpAnswer> {
    // Our own timer: undici's have a resolution of half a second.
    const signal = AbortSignal.timeout(Math.max(1, Math.ceil(call.deadlineMs)));
    const { statusCode, headers, body } = await this.#pool.request({
      method: call.method,
      path: call.path,
      headers: call.headers ?? {},
      body: call.body ?? null,
      signal,
    });
    return { status: statusCode, headers, body: await body.text() };
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}
