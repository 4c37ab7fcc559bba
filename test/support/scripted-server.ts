/**
 * A service in a process of its own that misbehaves by a script, and writes down what it really did and
 * when: the truth that the load generator is held against. Times are on the load's clock.
 *
 * Input, one JSON line each: {certificate, key}; {clock, phases}; {type: "end"}. Output: {port}; the log.
 */
import { execFileSync } from "node:child_process";
import { createServer } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type AddressInfo, createServer as createListener, type Socket } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createInterface } from "node:readline";
import type { RequestClass } from "../../src/core/drill/history.ts";

/** What requests meet; `clients`: only those of every second connection's cookie, `writes`: only writes. */
export interface Behaviour {
  readonly kind:
    | "normal"
    | "hang" // answered all at once when the phase ends
    | "never" // never answered
    | "status"
    | "close" // the connection is closed when the request was read
    | "reset" // the connection is reset when the request was read
    | "partial" // half an answer, then a reset
    | "refuse" // nobody listens, and every connection is cut
    | "no-handshake" // new connections are not answered until the phase ends
    | "delay"
    | "drop" // writes are acknowledged and forgotten
    | "duplicate" // writes are stored twice
    | "phantom"; // writes are answered 503 and stored
  readonly status?: number;
  /** For `delay`: ms by a number from 0 (included) to 1. */
  readonly delay?: readonly (readonly [upTo: number, ms: number])[];
  /** For `delay`: it falls from the last of `delay` to 0 in so many ms. */
  readonly fadeMs?: number;
  readonly only?: "half" | "writes" | "reads";
  /** Every n-th request only. */
  readonly everyNth?: number;
}

export interface Phase {
  /** ms on the load's clock. */
  readonly at: number;
  readonly behaviour: Behaviour;
}

/** When the service was down for whom it concerned, by its own account. */
export interface Down {
  readonly kind: Behaviour["kind"];
  readonly from: number;
  /** It was over: the first request that it had held up was answered. */
  readonly over: number;
  /** The last one was. */
  readonly to: number;
}

/** Arrival (of the first on a connection: the connection's), answer (null: none), status (0: none), class and client (by its cookie; -1: none yet) of a request. */
export type Served = readonly [
  arrived: number,
  answered: number | null,
  status: number,
  requestClass: RequestClass,
  client: number,
  /** Number of the request in the load's schedule, as a write's id tells it; null for reads. */
  seq: number | null,
];

export interface ServerLog {
  readonly downs: readonly Down[];
  readonly requests: readonly Served[];
  readonly dropped: readonly string[];
  readonly duplicated: readonly string[];
  readonly phantoms: readonly string[];
  /** Longest pause of its own loop, ms: above some 10 its log is no truth. */
  readonly longestPauseMs: number;
}

const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const readLine = async (): Promise<unknown> => {
  const line = await input.next();
  if (line.done === true) process.exit(0); // the test is gone
  return JSON.parse(line.value);
};

/** As the generator: what measures must not wait for the CPU behind something else. */
try {
  execFileSync("chrt", ["--rr", "--all-tasks", "--pid", "1", String(process.pid)], { stdio: "ignore" });
} catch {
  // without the right to it the lag says whether it mattered
}

const { certificate, key } = (await readLine()) as { certificate: string; key: string };
const loop = monitorEventLoopDelay({ resolution: 1 });
const begin = process.hrtime.bigint();
/** ms since the start of this process; the load's clock is told later, and is `offset` behind. */
const now = (): number => Number(process.hrtime.bigint() - begin) / 1e6;
let offset = 0;

let behaviour: Behaviour = { kind: "normal" };
let since = 0;
let counter = 0;
let cookies = 0;
const held: (() => void)[] = [];
const sockets = new Map<number, Socket>();
const accepted = new WeakMap<Socket, number>();
const entries = new Map<string, string[]>();
const log = {
  downs: [] as Down[],
  requests: [] as [number, number | null, number, RequestClass, number, number | null][],
  dropped: [] as string[],
  duplicated: [] as string[],
  phantoms: [] as string[],
};

const server = createServer({ cert: certificate, key, keepAliveTimeout: 60_000 }, (request, response) => {
  void answer(request, response);
});
server.on("tlsClientError", () => undefined);
const listener = createListener((socket) => {
  const { remotePort = 0 } = socket;
  sockets.set(remotePort, socket);
  accepted.set(socket, now());
  socket.on("close", () => sockets.delete(remotePort));
  socket.on("error", () => undefined);
  const accept = (): void => void server.emit("connection", socket);
  if (behaviour.kind === "no-handshake") held.push(accept);
  else accept();
});
listener.listen(0, "127.0.0.1");
await new Promise((resolve) => listener.once("listening", resolve));
const { port } = listener.address() as AddressInfo;
process.stdout.write(`${JSON.stringify({ port })}\n`);

for (;;) {
  const message = (await readLine()) as { type?: string; clock?: string; phases?: Phase[] };
  if (message.type === "end") {
    process.stdout.write(`${JSON.stringify(onLoadsClock())}\n`);
    for (const list of Object.values(log)) list.length = 0;
    continue;
  }
  offset = Number(BigInt(message.clock ?? "0") - begin) / 1e6;
  loop.enable();
  setTimeout(() => loop.reset(), 300); // its own start, and that of the clients, is before every phase
  for (const phase of message.phases ?? []) {
    setTimeout(() => void change(phase.behaviour), Math.max(0, phase.at + offset - now()));
  }
}

function onLoadsClock(): ServerLog {
  const { downs, requests, ...lists } = log;
  const at = (time: number): number => time - offset;
  return {
    ...lists,
    downs: downs.map(({ kind, from, over, to }) => ({ kind, from: at(from), over: at(over), to: at(to) })),
    requests: requests.map(([arrived, answered, ...rest]) => [
      at(arrived),
      answered === null ? null : at(answered),
      ...rest,
    ]),
    longestPauseMs: loop.max / 1e6,
  };
}

async function change(next: Behaviour): Promise<void> {
  const before = behaviour;
  if (before.kind === "refuse") {
    await new Promise<void>((resolve) => listener.listen(port, "127.0.0.1", resolve));
  }
  behaviour = next;
  const from = since;
  since = now();
  for (const [index, release] of held.splice(0).entries()) {
    release();
    // A thousand answers in one turn would be a pause of its own.
    if (index % 20 === 19) await new Promise((resolve) => setImmediate(resolve));
  }
  if (before.kind !== "normal") log.downs.push({ kind: before.kind, from, over: since, to: now() });
  if (next.kind !== "refuse") return;
  listener.close();
  for (const socket of sockets.values()) socket.resetAndDestroy();
  since = now();
}

function concerned(request: IncomingMessage, write: boolean): boolean {
  const { only, everyNth } = behaviour;
  if (everyNth !== undefined && counter++ % everyNth !== 0) return false;
  if (only === "writes") return write;
  if (only === "reads") return !write;
  return only !== "half" || clientOf(request) % 2 === 0;
}

function clientOf({ headers }: IncomingMessage): number {
  return Number(/server=(\d+)/.exec(headers.cookie ?? "")?.[1] ?? -1);
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const write = request.method === "POST";
  // A fresh client asks for its connection to be closed.
  const requestClass = write ? "write" : request.headers.connection === "close" ? "read-fresh" : "read";
  const record: (typeof log.requests)[number] = [
    arrivalOf(request),
    null,
    0,
    requestClass,
    clientOf(request),
    null,
  ];
  if (!request.url?.includes("read-back")) log.requests.push(record);
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks).toString("utf8");
  if (write) record[5] = Number(/"id":"\w+-(\d+)"/.exec(body)?.[1]);
  const meets: Behaviour = concerned(request, write) ? behaviour : { kind: "normal" };
  if (meets.kind === "never") return;
  if (meets.kind === "hang") await new Promise<void>((resolve) => held.push(resolve));
  if (meets.kind === "delay") await wait(delayOf(meets));
  if (meets.kind === "close") {
    request.socket.end();
    return;
  }
  if (meets.kind === "reset") {
    reset(request);
    return;
  }
  if (request.headers.cookie === undefined) response.setHeader("set-cookie", `server=${cookies++}; Path=/`);
  if (meets.kind === "partial") {
    response.writeHead(200, { "content-length": 100 }).write("half", () => reset(request));
    return;
  }
  const result = serve(request, body, meets);
  // The data of one answer leaves with the call of end(): this is when it was answered.
  response.writeHead(result.status).end(result.body);
  record[1] = now();
  record[2] = result.status;
}

/** The TCP connection under the TLS one. */
function tcpOf({ socket }: IncomingMessage): Socket | undefined {
  return sockets.get(socket.remotePort ?? 0);
}

function reset(request: IncomingMessage): void {
  tcpOf(request)?.resetAndDestroy();
}

/** The first request of a connection waited for its handshake too. */
function arrivalOf(request: IncomingMessage): number {
  const socket = tcpOf(request);
  const at = socket === undefined ? undefined : accepted.get(socket);
  if (socket === undefined || at === undefined) return now();
  accepted.delete(socket);
  return at;
}

function serve(
  { method, url }: IncomingMessage,
  body: string,
  meets: Behaviour,
): { status: number; body: string } {
  if (meets.kind === "status") return { status: meets.status ?? 503, body: "" };
  if (method === "POST") return store(JSON.parse(body) as { id: string; value: string }, meets);
  const id = /read-back\/(.+)$/.exec(url ?? "")?.[1];
  if (id === undefined) return { status: 200, body: "[]" };
  const found = entries.get(decodeURIComponent(id));
  return found === undefined
    ? { status: 404, body: "" }
    : { status: 200, body: JSON.stringify(found.map((value) => ({ value }))) };
}

function store(
  { id, value }: { id: string; value: string },
  meets: Behaviour,
): { status: number; body: string } {
  if (meets.kind === "drop") {
    log.dropped.push(id);
    return { status: 201, body: "" };
  }
  entries.set(id, meets.kind === "duplicate" ? [value, value] : [value]);
  if (meets.kind === "duplicate") log.duplicated.push(id);
  if (meets.kind !== "phantom") return { status: 201, body: "" };
  log.phantoms.push(id);
  return { status: 503, body: "" };
}

/** Evenly over its range, the same in every run: the golden ratio's multiples. */
function delayOf({ delay = [], fadeMs }: Behaviour): number {
  const fraction = (counter++ * 0.618_033_988_749_895) % 1;
  const [, ms = 0] = delay.find(([upTo]) => fraction < upTo) ?? [];
  return fadeMs === undefined ? ms : Math.max(0, ms * (1 - (now() - since) / fadeMs));
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
