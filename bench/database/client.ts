/**
 * The bench's clients, in an app host's network namespace: an insert every few milliseconds through the
 * database proxy, and slower ones straight to each data host, as a client would that was never told of a
 * failover. Every outcome is a line of NDJSON; settings come on stdin.
 */
import { createWriteStream } from "node:fs";
import { text } from "node:stream/consumers";
import { Client } from "pg";
import type { ClientSettings, WriteLine } from "./ledger.ts";

const settings = JSON.parse(await text(process.stdin)) as ClientSettings;
const out = createWriteStream(settings.file, { mode: 0o600 });
/** The kernel's monotonic clock, shared with whoever started this, ms. */
const now = (): number => Number(process.hrtime.bigint()) / 1e6;
const stop = new AbortController();
let nextId = 1;
let waiting: number[] = [];

process.on("SIGTERM", () => stop.abort());

function write(line: WriteLine): void {
  out.write(`${JSON.stringify(line)}\n`);
}

/** One connection, made again whenever it breaks; the writes that it took with it are `unknown`. */
async function worker(
  path: string,
  host: string,
  port: number,
  take: () => number | undefined,
): Promise<void> {
  while (!stop.signal.aborted) {
    const client = new Client({
      host,
      port,
      database: settings.database,
      user: settings.user,
      password: settings.password,
      ssl: { ca: settings.ca, servername: "localhost", checkServerIdentity: () => undefined },
      connectionTimeoutMillis: settings.deadlineMs,
      query_timeout: settings.deadlineMs,
    });
    // A cancelled wait for the standby commits with a warning: an acknowledgement it is not.
    const seen = { broken: false, doubt: false };
    client.on("error", () => (seen.broken = true));
    client.on("end", () => (seen.broken = true));
    client.on("notice", () => (seen.doubt = true));
    try {
      await client.connect();
      while (!stop.signal.aborted && !seen.broken) {
        const id = take();
        if (id === undefined) {
          await new Promise((resolve) => setTimeout(resolve, 1));
          continue;
        }
        const sent = now();
        seen.doubt = false;
        try {
          const { rows } = await client.query<{ server: string }>({
            name: "insert",
            text: "insert into bench (id, path) values ($1, $2) returning host(inet_server_addr()) as server",
            values: [id, path],
          });
          const outcome = seen.doubt ? "unknown" : "ok";
          write({ id, path, sent, done: now(), outcome, server: rows[0]?.server ?? "" });
        } catch (error) {
          const { code = "", message } = error as Error & { code?: string };
          // Refused before anything was done: read-only, starting up, shutting down before it began.
          const outcome = ["25006", "57P03"].includes(code) ? "failed" : "unknown";
          write({ id, path, sent, done: now(), outcome, server: "", error: `${code} ${message}` });
          // A replica says no to every one of these: connecting again and again would be a load of its own.
          if (outcome === "unknown" || path === "proxy") break;
        }
      }
    } catch {
      // It could not connect: nothing was sent.
    }
    client.connection.stream.destroy();
    await new Promise((resolve) => setTimeout(resolve, settings.retryMs));
  }
}

/** Ids come at a constant rate, whether or not anybody takes them. */
const start = now();
let made = 0;
const clock = setInterval(() => {
  const due = Math.floor((now() - start) / settings.everyMs);
  while (made < due) {
    made++;
    waiting.push(nextId++);
  }
  // As from an app whose queue is full; what nobody took was never sent.
  if (waiting.length > settings.connections) waiting = waiting.slice(-settings.connections);
}, 1);

const direct = settings.hosts.map((host) => {
  let last = 0;
  const take = (): number | undefined => {
    if (now() - last < settings.directMs) return undefined;
    last = now();
    return nextId++;
  };
  return worker(`direct ${host}`, host, settings.directPort, take);
});
const proxied = Array.from({ length: settings.connections }, () =>
  worker("proxy", "127.0.0.1", settings.proxyPort, () => waiting.shift()),
);
await Promise.all([...direct, ...proxied]);
clearInterval(clock);
await new Promise((resolve) => out.end(resolve));
