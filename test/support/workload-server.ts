/** A real HTTPS server with a drill's workload, that misbehaves on request. */
import { createServer } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Certificate } from "../../src/core/engines/engine.ts";

/**
 * `hang`: no answer until the behaviour changes; `reset`: the connection is cut after the request was
 * read; `unavailable`: 503; `slow`: 400 ms late; `lie`: writes are acknowledged and dropped.
 */
export type Behaviour = "normal" | "hang" | "reset" | "unavailable" | "slow" | "lie";

const LIST_PAGE = 20;

export class WorkloadServer {
  readonly entries = new Map<string, string>();
  readonly dropped = new Set<string>();
  /** Connections made so far, and distinct values of the sticky cookie that came back. */
  connections = 0;
  readonly cookies = new Set<string>();
  /** Ids after which pages of the list were asked for, and other GETs answered so far. */
  readonly listedAfter: string[] = [];
  reads = 0;
  readonly tokens = new Set<string | undefined>();
  readonly hosts = new Set<string | undefined>();
  #behaviour: Behaviour = "normal";
  #held: (() => void)[] = [];
  readonly #server;

  private constructor(certificate: Certificate) {
    this.#server = createServer(
      { cert: certificate.certificate, key: certificate.key },
      (request, response) => {
        void this.#answer(request, response);
      },
    );
    this.#server.on("secureConnection", () => this.connections++);
  }

  static async start(certificate: Certificate): Promise<WorkloadServer> {
    const server = new WorkloadServer(certificate);
    await new Promise<void>((resolve) => {
      server.#server.listen(0, "127.0.0.1", resolve);
    });
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  behave(behaviour: Behaviour): void {
    this.#behaviour = behaviour;
    if (behaviour === "hang") return;
    for (const release of this.#held.splice(0)) release();
  }

  async stop(): Promise<void> {
    this.behave("normal");
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    this.#note(request);
    if (this.#behaviour === "hang") await new Promise<void>((resolve) => this.#held.push(resolve));
    if (this.#behaviour === "slow") await new Promise((resolve) => setTimeout(resolve, 400));
    if (this.#behaviour === "reset") {
      request.socket.destroy();
      return;
    }
    response.setHeader("set-cookie", `server=${request.socket.remotePort}; Path=/; Secure`);
    if (this.#behaviour === "unavailable") response.writeHead(503).end();
    else if (request.method === "POST") this.#write(Buffer.concat(chunks).toString("utf8"), response);
    else this.#read(request.url ?? "", response);
  }

  #note({ headers }: IncomingMessage): void {
    if (headers.cookie !== undefined) this.cookies.add(headers.cookie);
    this.tokens.add(headers.authorization);
    this.hosts.add(headers.host);
  }

  #write(body: string, response: ServerResponse): void {
    const { id, value } = JSON.parse(body) as { id: string; value: string };
    if (this.#behaviour === "lie") this.dropped.add(id);
    else this.entries.set(id, value);
    response.writeHead(201).end(JSON.stringify({ id, value }));
  }

  /** Ids in order, some at a time, as the workload's `list` has it. */
  #list(url: URL, response: ServerResponse): void {
    const [prefix, after] = [url.searchParams.get("prefix") ?? "", url.searchParams.get("after") ?? ""];
    this.listedAfter.push(after);
    const ids = [...this.entries.keys()].filter((id) => id.startsWith(prefix) && id > after).sort();
    const page = ids.slice(0, LIST_PAGE);
    const entries = page.map((id) => ({ id, value: this.entries.get(id) }));
    const next = ids.length > page.length ? page.at(-1) : undefined;
    response.writeHead(200).end(JSON.stringify({ entries, next }));
  }

  #read(url: string, response: ServerResponse): void {
    const parsed = new URL(url, "https://localhost");
    if (parsed.searchParams.has("prefix")) {
      this.#list(parsed, response);
      return;
    }
    this.reads++;
    const id = /\/entries\/(.+)$/.exec(url)?.[1];
    if (id === undefined) {
      response.writeHead(200).end("[]");
      return;
    }
    const value = this.entries.get(decodeURIComponent(id));
    if (value === undefined) response.writeHead(404).end();
    else response.writeHead(200).end(JSON.stringify({ id, value }));
  }
}
