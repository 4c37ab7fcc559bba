import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { text } from "node:stream/consumers";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { blueprint } from "../../../test/support/render.ts";
import { runEcho } from "../../agent/echo.ts";
import { type Observation, parseObservations } from "../../core/drill/observations.ts";
import { judgeObserved } from "../../core/drill/observed.ts";
import { poll } from "../../lib/retry.ts";
import type { Reporter } from "../../ports.ts";
import { loadCertificates } from "../../run/certificates.ts";
import type { ObserveConfig } from "./config.ts";
import { observe } from "./observe.ts";

vi.setConfig({ testTimeout: 60_000 });

let folder: string;
let service: Service;
let config: ObserveConfig;
const echo = new AbortController();
const silent: Reporter = {
  info: () => undefined,
  warn: () => undefined,
  event: () => undefined,
  task: () => ({ update: () => undefined, done: () => undefined, fail: () => undefined }),
};

/** A service with a cached name, a trail, and streams that speak every 50 ms. */
class Service {
  readonly #server: Server;
  readonly streams = new Set<ServerResponse>();
  readonly notes = new Set<string>();
  name = "";
  /** What is shown; level with `name` unless the cache is frozen. */
  shown = "";
  frozen = false;
  mute = false;
  port = 0;

  constructor(tls: { certificate: string; key: string }) {
    this.#server = createServer({ cert: tls.certificate, key: tls.key }, (request, response) => {
      void this.#answer(request, response);
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.port, "127.0.0.1", resolve));
    this.port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url = "" } = request;
    if (url.startsWith("/stream")) {
      this.#stream(response);
      return;
    }
    if (method === "GET") {
      response.writeHead(this.shown === "" ? 404 : 200).end(JSON.stringify({ name: this.shown }));
      return;
    }
    const body = JSON.parse(await text(request)) as { id: string; name?: string };
    if (body.name === undefined) this.notes.add(body.id);
    else this.change(body.name);
    response.writeHead(201).end();
  }

  change(name: string): void {
    this.name = name;
    if (!this.frozen) this.shown = name;
  }

  #stream(response: ServerResponse): void {
    this.streams.add(response);
    response.writeHead(200);
    const timer = setInterval(() => {
      if (!this.mute) response.write("{}\n");
    }, 50);
    response.on("close", () => {
      clearInterval(timer);
      this.streams.delete(response);
    });
  }
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-observe-"));
  const topology = blueprint("privx-onprem", (raw) => {
    raw.entry.address.vip = "127.0.0.1";
  });
  const { caCertificate, entry } = await loadCertificates(folder, topology, null);
  service = new Service(entry);
  await service.listen();
  const origin = `https://127.0.0.1:${service.port}`;
  const held = { purpose: "stream", origin, path: "/stream", everyMs: 50 } as const;
  config = {
    mode: "observe",
    origin,
    domain: null,
    ca: caCertificate,
    hostCa: caCertificate,
    token: "token",
    connectTimeoutMs: 2000,
    responseTimeoutMs: 5000,
    limitMs: 60_000,
    run: "run1",
    clock: String(process.hrtime.bigint()),
    observationsFile: join(folder, "observations.jsonl"),
    probe: { address: "127.0.0.1", tcpPort: service.port, udpPort: service.port },
    connections: [
      { ...held, name: "one" },
      { ...held, name: "two" },
    ],
    cache: { change: "/names/{id}", shown: "/names/{id}", hosts: [{ name: "app1", origin }] },
    trail: { write: "/notes" },
  };
});

afterEach(async () => {
  await service.stop();
  await rm(folder, { recursive: true });
});

/** Observes while the script runs, which is told the time on the observations' clock. */
async function observed(script: (now: () => number) => Promise<void>): Promise<Observation[]> {
  const stop = new AbortController();
  const started = Promise.withResolvers<void>();
  const never = new AbortController().signal;
  const ended = observe(config, () => started.resolve(), { stop: stop.signal, abandon: never });
  await Promise.race([started.promise, ended]);
  await script(() => Number(process.hrtime.bigint() - BigInt(config.clock)) / 1e6);
  stop.abort();
  await ended;
  return parseObservations(await readFile(config.observationsFile, "utf8"));
}

const until = (what: string, probe: () => boolean): Promise<boolean> =>
  poll(probe, { deadlineMs: 20_000, intervalMs: 5, what });
const pass = (ms: number, now: () => number): Promise<boolean> => {
  const end = now() + ms;
  return until(`${ms} ms to pass`, () => now() >= end);
};
/** Everything is seen once: streams open, a change made and shown, a note written. */
const settled = async (now: () => number): Promise<number> => {
  await until("all to be under way", () => service.streams.size === 2 && service.notes.size > 0);
  await until("a change to be shown", () => service.shown !== "");
  await pass(200, now);
  return now();
};

test("a service that is away: probes, streams and the trail say for how long, the UDP echo goes on", async () => {
  const loop = runEcho(
    { address: "127.0.0.1", port: service.port, clients: "127.0.0.0/8" },
    { signal: echo.signal, reporter: silent },
  );
  const times = { from: 0, gone: 0, back: 0, to: 0 };
  const records = await observed(async (now) => {
    times.from = await settled(now);
    times.gone = now();
    await service.stop();
    await pass(400, now);
    times.back = now();
    await service.listen();
    await until("the streams to be open again", () => service.streams.size === 2);
    await pass(300, now);
    times.to = now();
  });
  echo.abort();
  await loop;
  const window = { from: times.from, to: times.to };
  const result = judgeObserved(records, [], window, window);
  const away = times.back - times.gone;
  expect(result.tcpOutageMs?.low).toBeLessThanOrEqual(away + 20 + result.pauseMs);
  expect(result.tcpOutageMs?.high).toBeGreaterThanOrEqual(away - 20 - result.pauseMs);
  expect(result.udpOutageMs).not.toBeNull();
  expect(result.udpOutageMs?.high).toBeLessThan(away);
  expect(result.connections.map(({ name, fate }) => `${name} ${fate}`).sort()).toEqual([
    "one cut",
    "two cut",
  ]);
  expect(result.connections[0]?.againAfterMs).toBeGreaterThan(300);
  expect(result.trail?.failed).toBeGreaterThan(0);
  expect(result.trail?.acknowledged).toBeGreaterThan(0);
  expect(await readFile(config.observationsFile, "utf8")).not.toContain("token");
});

test("streams that fall silent have hung; a cache that is frozen shows old data for as long", async () => {
  const times = { from: 0, to: 0 };
  let muteMs = 0;
  const records = await observed(async (now) => {
    times.from = await settled(now);
    service.mute = true;
    service.frozen = true;
    const [begin, before] = [now(), service.name];
    await until("a change that is not shown", () => service.name !== before);
    await pass(700, now);
    muteMs = now() - begin;
    service.mute = false;
    service.frozen = false;
    service.change(service.name);
    await pass(300, now);
    times.to = now();
  });
  const { connections, stalenessMs } = judgeObserved(records, [], times, times);
  expect(connections.map(({ fate }) => fate)).toEqual(["hung", "hung"]);
  for (const { silentMs } of connections) {
    expect(silentMs).toBeGreaterThan(muteMs - 200);
    expect(silentMs).toBeLessThan(muteMs + 2000); // a busy machine is late to say so
  }
  expect(stalenessMs?.high).toBeGreaterThan(650);
  expect(stalenessMs?.low).toBeLessThanOrEqual(muteMs);
});

test("where nobody echoes and nothing else is asked for, nothing is claimed", async () => {
  config = { ...config, connections: [], cache: null, trail: null };
  const records = await observed((now) => pass(500, now).then(() => undefined));
  const window = { from: 0, to: 1e9 };
  expect(judgeObserved(records, [], window, window)).toMatchObject({
    udpOutageMs: null,
    connections: [],
    stalenessMs: null,
    trail: null,
  });
});
