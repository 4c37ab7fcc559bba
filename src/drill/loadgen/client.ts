/** One virtual client: its own cookies (so its own sticky app host) and its own connections. */
import { createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import { Agent, buildConnector, type Dispatcher } from "undici";
import type { LoadConfig } from "./config.ts";

export interface Request {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: string;
  /** Keep the response's body (at most 64 KiB); otherwise it is read and dropped. */
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

const MAX_BODY = 64 * 1024;

export class VirtualClient {
  readonly #config: LoadConfig;
  readonly #fresh: boolean;
  readonly #agent: Agent;
  readonly #cookies = new Map<string, string>();

  /**
   * @param trust from `trustOf`, shared by all clients: parsing the CA again for every connection costs
   * more than the rest of its handshake
   * @param fresh every request on a new connection
   */
  constructor(config: LoadConfig, trust: SecureContext, fresh: boolean) {
    this.#config = config;
    this.#fresh = fresh;
    // One request per connection at a time: a hung one must not hold up those after it.
    this.#agent = new Agent({ pipelining: 1, connect: connectorWithTimeout(config, trust) });
  }

  /** Never rejects: whatever happens to a request is its answer. Settles within both timeouts. */
  send(request: Request): Promise<Answer> {
    return new Promise((resolve) => {
      let controller: Dispatcher.DispatchController | undefined;
      let status: number | null = null;
      let timedOut = false;
      let body = "";
      const settle = (answer: Pick<Answer, "status" | "error">): void => {
        clearTimeout(timer);
        resolve({ ...answer, sent: controller !== undefined, timedOut, body });
      };
      // undici's own timers are only good to a second; the connection has its own, shorter, limit.
      const timer = setTimeout(() => {
        timedOut = true;
        settle({ status: null, error: "timeout" });
        controller?.abort(new Error("timeout"));
      }, this.#config.connectTimeoutMs + this.#config.responseTimeoutMs);
      this.#agent.dispatch(this.#options(request), {
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
        onResponseEnd: () => settle({ status, error: null }),
        onResponseError: (_, error) => settle({ status: null, error: kindOf(error) }),
      });
    });
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  #options({ method, path, body }: Request): Dispatcher.DispatchOptions {
    const headers: Record<string, string> = { authorization: `Bearer ${this.#config.token}` };
    if (this.#config.domain !== null) headers["host"] = this.#config.domain;
    if (body !== undefined) headers["content-type"] = "application/json";
    if (this.#cookies.size > 0) {
      headers["cookie"] = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    }
    return {
      origin: this.#config.origin,
      method,
      path,
      headers,
      body: body ?? null,
      reset: this.#fresh,
      headersTimeout: 0,
      bodyTimeout: 0,
    };
  }

  #remember(setCookie: string | string[] | undefined): void {
    for (const line of setCookie === undefined ? [] : [setCookie].flat()) {
      const [, name, value] = /^\s*([^=;\s]+)=([^;]*)/.exec(line) ?? [];
      if (name === undefined || value === undefined) continue;
      if (/;\s*max-age=0\b|;\s*expires=Thu, 0?1[ -]Jan[ -]1970/i.test(line)) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
  }
}

/** Whom the clients trust: the topology's CA, or the system's. */
export const trustOf = ({ ca }: LoadConfig): SecureContext => createSecureContext(ca === null ? {} : { ca });

/** TCP and TLS within the limit; undici rounds a connect timeout of 500 ms up to as much as a second. */
function connectorWithTimeout(config: LoadConfig, secureContext: SecureContext): buildConnector.connector {
  const connect = buildConnector({ timeout: 0, secureContext });
  return (options, callback) => {
    const done: buildConnector.Callback = (...result) => {
      clearTimeout(timer);
      callback(...result);
    };
    // The types hide that it returns the socket; without it a connection attempt cannot be given up.
    const socket = (connect as (...args: Parameters<typeof connect>) => TLSSocket)(options, done);
    const timer = setTimeout(() => {
      socket.destroy(Object.assign(new Error("connect timeout"), { code: "CONNECT_TIMEOUT" }));
    }, config.connectTimeoutMs);
    return socket;
  };
}

function kindOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return code ?? error.name;
}
