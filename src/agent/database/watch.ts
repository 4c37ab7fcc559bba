/** Looks at this host's PostgreSQL, and at Patroni while etcd does not answer, and tells the lease. */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import { z } from "zod";
import type { DatabaseConfig } from "../../core/engines/agent/config.ts";
import type { LeaseLoop } from "./loop.ts";
import { PostgresProbe } from "./postgres.ts";
import { postmaster } from "./postmaster.ts";

/** How soon a killed postmaster is noticed, ms: two small files are read. */
const POSTMASTER_MS = 100;
const SQL_MS = 200;
/** Beyond it a probe is unanswered; three in a row are a hung PostgreSQL. A loaded machine answers in half of it. */
const SQL_DEADLINE_MS = 1000;
/** A new backend costs 3 ms of CPU. */
const CONNECTION_MS = 3000;
const PATRONI_MS = 500;

type Postgres = NonNullable<DatabaseConfig["postgres"]>;

/** @returns how to end it */
export function watchPostgres(
  postgres: Postgres,
  { self, members, etcd }: DatabaseConfig,
  loop: LeaseLoop,
): () => Promise<void> {
  const probe = new PostgresProbe({
    socketDirectory: postgres.socketDirectory,
    port: postgres.port,
    user: "postgres",
    deadlineMs: SQL_DEADLINE_MS,
    connectionMs: CONNECTION_MS,
  });
  const end = new AbortController();
  const address = members.find(({ name }) => name === self)?.address ?? "";
  const loops = [
    every(POSTMASTER_MS, end.signal, () => lookAtPostmaster(postgres, loop)),
    every(SQL_MS, end.signal, () => askSql(postgres, probe, loop)),
    watchFailsafe(`https://${address}:${postgres.patroniPort}/patroni`, etcd.ca, loop, end.signal),
  ];
  return async () => {
    end.abort();
    probe.close();
    await Promise.all(loops);
  };
}

async function every(ms: number, signal: AbortSignal, act: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    const start = performance.now();
    await act();
    const left = ms - (performance.now() - start);
    await sleep(Math.max(10, left), undefined, { signal }).catch(() => undefined);
  }
}

async function lookAtPostmaster({ dataDirectory }: Postgres, loop: LeaseLoop): Promise<void> {
  const begunAt = performance.now();
  const status = await postmaster(dataDirectory);
  if (status !== "alive") loop.dispatch({ kind: "postgres", begunAt, status });
}

async function askSql({ dataDirectory }: Postgres, probe: PostgresProbe, loop: LeaseLoop): Promise<void> {
  const begunAt = performance.now();
  if ((await postmaster(dataDirectory)) !== "alive") return probe.close();
  const status = await probe.ask();
  if (status !== null) loop.dispatch({ kind: "postgres", begunAt, status });
}

const patroniAnswer = z.object({
  role: z.string(),
  state: z.string(),
  failsafe_mode_is_active: z.boolean().default(false),
});

/** Only while etcd does not answer and this host is primary does Patroni's word matter. */
async function watchFailsafe(
  url: string,
  caFile: string,
  loop: LeaseLoop,
  signal: AbortSignal,
): Promise<void> {
  await every(PATRONI_MS, signal, async () => {
    const { view, postgres } = loop.state;
    const begunAt = performance.now();
    const { readMs, requestMs } = loop.settings;
    const etcdAnswers = view !== null && begunAt < view.begunAt + readMs + requestMs;
    if (etcdAnswers || postgres.status !== "primary") return;
    if (await leadsByFailsafe(url, caFile)) loop.dispatch({ kind: "failsafe", begunAt });
  });
}

/** False also when Patroni does not say. */
async function leadsByFailsafe(url: string, caFile: string): Promise<boolean> {
  const ca = await readFile(caFile, "utf8").catch(() => "");
  const dispatcher = new Agent({ connect: { ca } });
  try {
    const { body } = await request(url, { dispatcher, signal: AbortSignal.timeout(PATRONI_MS) });
    const { role, state, failsafe_mode_is_active: active } = patroniAnswer.parse(await body.json());
    return (role === "primary" || role === "master") && state === "running" && active;
  } catch {
    return false;
  } finally {
    await dispatcher.destroy();
  }
}
