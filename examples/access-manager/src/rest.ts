/** Calls to other services: JSON over HTTPS, verified by the private CA, bounded in time and size. */
import { Agent, request } from "node:https";

export interface TlsFiles {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly ca: string | Buffer;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

// The largest answer is the list of all roles; this is some 50,000 of them.
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

export class RestClient {
  readonly #agent: Agent;
  readonly #token: string;

  constructor(tls: TlsFiles, token: string) {
    this.#agent = new Agent({ ...tls, keepAlive: true, maxSockets: 16, timeout: 10_000 });
    this.#token = token;
  }

  /**
   * @param timeoutMs for the whole exchange.
   * @throws when there was no complete answer in time. Any status is an answer.
   */
  call(method: "GET" | "POST", url: string, options: { timeoutMs: number; body?: unknown }): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const text = options.body === undefined ? undefined : JSON.stringify(options.body);
      const call = request(
        url,
        {
          method,
          agent: this.#agent,
          signal: AbortSignal.timeout(options.timeoutMs),
          headers: {
            authorization: `Bearer ${this.#token}`,
            ...(text === undefined
              ? {}
              : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          let size = 0;
          response.on("data", (chunk: Buffer) => {
            size += chunk.length;
            if (size > MAX_ANSWER_BYTES) response.destroy(new Error("the answer is too large"));
            chunks.push(chunk);
          });
          response.on("error", reject);
          response.on("end", () => {
            resolve({ status: response.statusCode ?? 0, body: parse(Buffer.concat(chunks).toString()) });
          });
        },
      );
      call.on("error", reject);
      call.end(text);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** A proxy's error page is not JSON: then the status alone speaks. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The value at `path` in parsed JSON, undefined where it does not lead anywhere. */
export function dig(value: unknown, ...path: readonly string[]): unknown {
  let current = value;
  for (const key of path) {
    if (typeof current !== "object" || current === null) return undefined;
    current = (current as Record<string, unknown>)[key];
  }
  return current;
}
