/** The endpoint's process: EC2's API, the metadata service, the control socket, and the router's rules. */
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { once } from "node:events";
import { chmod, readFile, rm } from "node:fs/promises";
import type { Server } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Reporter } from "../../../ports.ts";
import { AccountStore } from "./account-store.ts";
import { type Behaviour, behaviourSchema } from "./behaviour.ts";
import { type CallRecord, instanceAt, makeApi } from "./calls.ts";
import { type Ec2Config, ec2ConfigSchema } from "./config.ts";
import { answerControl } from "./control.ts";
import { apiAddress, metadataAddress } from "./identifiers.ts";
import { answerMetadata } from "./metadata.ts";
import { renderRules } from "./nat.ts";
import { applyNeighbours, applyRules } from "./router.ts";

/** Calls that are remembered for the control socket. */
const keptCalls = 10_000;
/** Idle connections stay open this long: callers may keep theirs warm, and must expect them to end. */
const http = { keepAliveTimeout: 60_000 };
/** More than any request of these actions has. */
const maxBodyBytes = 65_536;

/** Runs until it is told to stop. @param file `config.json` in the endpoint's directory, where its state is too */
export async function runEc2(file: string, io: { reporter: Reporter; signal: AbortSignal }): Promise<void> {
  const directory = join(file, "..");
  const config = ec2ConfigSchema.parse(JSON.parse(await readFile(file, "utf8")));
  const endpoint = await Endpoint.open(directory, config, io.reporter);
  const servers: Server[] = [];
  try {
    await endpoint.route();
    servers.push(await listen(createServer(http, endpoint.metadata), { host: metadataAddress, port: 80 }));
    servers.push(await listen(createServer(http, endpoint.api), { host: apiAddress, port: 80 }));
    if (config.tls !== undefined) {
      const [cert, key] = await Promise.all([readFile(config.tls.certificate), readFile(config.tls.key)]);
      servers.push(
        await listen(createTlsServer({ ...http, cert, key }, endpoint.api), { host: apiAddress, port: 443 }),
      );
    }
    const socket = join(directory, "control.sock");
    await rm(socket, { force: true });
    // Last: that it answers says that everything else does. Its directory is open to root only.
    servers.push(await listen(createServer(endpoint.control), { path: socket }));
    await chmod(socket, 0o600);
    await Promise.race([stopped(io.signal), endpoint.failed]);
  } finally {
    for (const server of servers) server.close();
  }
}

class Endpoint {
  readonly #config: Ec2Config;
  readonly #seed: string;
  readonly #store: AccountStore;
  readonly #reporter: Reporter;
  #behaviour: Behaviour;
  #calls: CallRecord[] = [];
  #routed: Promise<void> = Promise.resolve();
  #fail: (error: unknown) => void = () => undefined;
  /** Rejects when packets can no longer be made to follow the account: then it must not go on. */
  readonly failed: Promise<never>;
  readonly api: RequestListener;

  private constructor(config: Ec2Config, seed: string, store: AccountStore, reporter: Reporter) {
    this.#config = config;
    this.#seed = seed;
    this.#store = store;
    this.#reporter = reporter;
    this.#behaviour = config.behaviour;
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => undefined);
    this.api = this.#makeApi();
  }

  static async open(directory: string, config: Ec2Config, reporter: Reporter): Promise<Endpoint> {
    const seed = await readFile(join(directory, "seed"), "utf8");
    const store = await AccountStore.open(join(directory, "state.json"), config);
    return new Endpoint(config, seed, store, reporter);
  }

  /** Makes packets follow the account as it is now, after what was asked for before. */
  async route(afterMs = 0): Promise<void> {
    const [state, due, before] = [this.#store.now(), sleep(afterMs), this.#routed];
    const work = async (): Promise<void> => {
      await before;
      await due;
      await applyRules(renderRules(this.#config, state, this.#behaviour));
      await applyNeighbours(this.#config, state);
    };
    this.#routed = work();
    return this.#routed;
  }

  readonly metadata: RequestListener = (request, response) => {
    const id = instanceAt(this.#config, this.#store.now(), sourceOf(request));
    const instance = this.#config.instances.find((candidate) => candidate.id === id);
    if (instance === undefined) return void response.writeHead(404).end();
    const context = {
      config: this.#config,
      state: this.#store.now(),
      instance,
      seed: this.#seed,
      now: Date.now(),
    };
    const { method = "", url = "" } = request;
    const path = url.split("?")[0] ?? "";
    const answer = answerMetadata(context, { method, path, headers: headersOf(request) });
    response.writeHead(answer.status, { "content-type": "text/plain", server: "EC2ws", ...answer.headers });
    return void response.end(answer.body);
  };

  readonly control: RequestListener = (request, response) => {
    const change = (patch: object): Behaviour => {
      this.#behaviour = behaviourSchema.parse({ ...this.#behaviour, ...patch });
      return this.#behaviour;
    };
    const work = async (): Promise<void> => {
      const answer = await answerControl(request.method ?? "", request.url ?? "", await bodyOf(request), {
        behaviour: () => this.#behaviour,
        change,
        route: async () => this.route(),
        calls: () => this.#calls,
        state: () => this.#store.now(),
      });
      response.writeHead(answer.status, { "content-type": "application/json" }).end(answer.body);
    };
    work().catch((error: unknown) => this.#broken(response, error));
  };

  #makeApi(): RequestListener {
    const handle = makeApi({
      config: this.#config,
      seed: this.#seed,
      behaviour: () => this.#behaviour,
      state: () => this.#store.now(),
      stateBefore: (ms) => this.#store.at(Date.now() - ms),
      change: async (state) => {
        const kept = this.#store.change(state, Date.now());
        this.route(this.#behaviour.propagationMs).catch((error: unknown) => this.#fail(error));
        return kept;
      },
      record: (call) => {
        this.#calls = [...this.#calls.slice(1 - keptCalls), call];
      },
      now: Date.now,
      random: Math.random,
    });
    return (request, response) => {
      const work = async (): Promise<void> => {
        const body = await bodyOf(request);
        const { method = "", url: target = "" } = request;
        const answer = await handle({ method, target, headers: headersOf(request), body }, sourceOf(request));
        if (answer === "reset") return void request.socket.destroy();
        response.writeHead(answer.status, { "content-type": "text/xml;charset=UTF-8", server: "AmazonEC2" });
        return void response.end(answer.body);
      };
      work().catch((error: unknown) => this.#broken(response, error));
    };
  }

  #broken(response: ServerResponse, error: unknown): void {
    this.#reporter.warn(`a request failed: ${(error as Error).stack ?? String(error)}`);
    if (!response.headersSent) response.writeHead(500);
    response.end();
  }
}

async function listen(
  server: Server,
  where: { host: string; port: number } | { path: string },
): Promise<Server> {
  server.listen(where);
  await once(server, "listening");
  return server;
}

async function stopped(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, "abort");
}

function sourceOf(request: IncomingMessage): string {
  return request.socket.remoteAddress?.replace(/^::ffff:/, "") ?? "";
}

function headersOf(request: IncomingMessage): Record<string, string> {
  const entries = Object.entries(request.headers).map(([name, value]): [string, string] => [
    name,
    [value ?? ""].flat().join(","),
  ]);
  return Object.fromEntries(entries);
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBodyBytes) throw new Error(`a request of more than ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
