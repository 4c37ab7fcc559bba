/** One virtual client: its own cookies (so its own sticky app host) and its own connections. */
import type { SecureContext } from "node:tls";
import type { Client, Dispatcher } from "undici";
import { SKIPPED } from "../../core/drill/history.ts";
import type { ClientConfig } from "./config.ts";
import { Connections } from "./connections.ts";

export interface Request {
  readonly method: "GET" | "POST" | "PUT";
  readonly path: string;
  readonly body?: string;
  /** Keep the response's body (at most 4 MiB: a page of 5,000 entries takes half a one); otherwise it is read and dropped. */
  readonly keepBody?: boolean;
}

export interface Answer {
  /** The request, or a part of it, may have left. */
  readonly sent: boolean;
  /** Null unless the whole response arrived. */
  readonly status: number | null;
  readonly timedOut: boolean;
  /** Kind of failure; null when a whole response arrived. */
  readonly error: string | null;
  readonly body: string;
}

const MAX_BODY = 4 * 1024 * 1024;

const NOT_SENT: Answer = { sent: false, status: null, timedOut: false, error: SKIPPED, body: "" };

export class VirtualClient {
  readonly #config: ClientConfig;
  readonly #fresh: boolean;
  readonly #connections: Connections;
  readonly #cookies = new Map<string, string>();
  #headers: Readonly<Record<string, string>>;

  /**
   * @param trust from `trustOf`, shared by all clients
   * @param clients how many share the limits on connections
   * @param fresh every request on a new connection
   */
  constructor(config: ClientConfig, trust: SecureContext, clients: number, fresh = false) {
    this.#config = config;
    this.#fresh = fresh;
    this.#connections = new Connections(config, trust, { clients, resume: !fresh });
    this.#headers = this.#makeHeaders();
  }

  /** Never rejects: whatever happens to a request is its answer. Settles within both timeouts. */
  send(request: Request): Promise<Answer> {
    return new Promise((resolve) => {
      const connection = this.#fresh ? this.#connections.open() : this.#connections.take();
      if (connection === null) resolve(NOT_SENT);
      else this.#dispatch(connection, request, resolve);
    });
  }

  async close(): Promise<void> {
    await this.#connections.close();
  }

  #dispatch(connection: Client, request: Request, resolve: (answer: Answer) => void): void {
    let controller: Dispatcher.DispatchController | undefined;
    let status: number | null = null;
    let timedOut = false;
    let body = "";
    const settle = (whole: number | null, error: string | null): void => {
      clearTimeout(timer);
      resolve({ sent: controller !== undefined, status: whole, timedOut, error, body });
    };
    const timer = setTimeout(() => {
      timedOut = true;
      settle(null, "timeout");
      controller?.abort(new Error("timeout"));
    }, this.#config.connectTimeoutMs + this.#config.responseTimeoutMs);
    connection.dispatch(this.#options(request), {
      onRequestStart: (started) => {
        if (timedOut) started.abort(new Error("timeout"));
        else controller = started;
      },
      onResponseStart: (_, code, headers) => {
        if (code < 200) return;
        status = code;
        this.#remember(headers["set-cookie"]);
      },
      onResponseData: (_, chunk) => {
        if (request.keepBody === true && body.length < MAX_BODY) body += chunk.toString("utf8");
      },
      onResponseEnd: () => {
        settle(status, null);
        this.#release(connection);
      },
      onResponseError: (_, error) => {
        settle(null, kindOf(error));
        this.#release(connection);
      },
    });
  }

  #release(connection: Client): void {
    if (this.#fresh) this.#connections.drop(connection);
    else this.#connections.give(connection);
  }

  #options({ method, path, body }: Request): Dispatcher.DispatchOptions {
    const headers = this.#headers;
    const reset = this.#fresh;
    if (body === undefined) return { method, path, headers, reset };
    return { method, path, headers: { ...headers, "content-type": "application/json" }, body, reset };
  }

  #makeHeaders(): Readonly<Record<string, string>> {
    const headers: Record<string, string> = { authorization: `Bearer ${this.#config.token}` };
    if (this.#config.domain !== null) headers["host"] = this.#config.domain;
    if (this.#cookies.size > 0) {
      headers["cookie"] = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    }
    return headers;
  }

  #remember(setCookie: string | string[] | undefined): void {
    if (setCookie === undefined) return;
    for (const line of [setCookie].flat()) {
      const [, name, value] = /^\s*([^=;\s]+)=([^;]*)/.exec(line) ?? [];
      if (name === undefined || value === undefined) continue;
      if (/;\s*max-age=0\b|;\s*expires=Thu, 0?1[ -]Jan[ -]1970/i.test(line)) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    this.#headers = this.#makeHeaders();
  }
}

function kindOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return code ?? error.name;
}
