/** Looks at this host's PostgreSQL, and at Patroni while etcd does not answer, and tells the lease. */
import type { DatabaseConfig } from "../../core/engines/agent/config.ts";
import type { LeaseLoop } from "./loop.ts";
import { PatroniApi } from "./patroni.ts";
import { PostgresProbe, type ProbeSettings } from "./postgres.ts";
import { Postmaster } from "./postmaster.ts";

/** How soon a killed postmaster is noticed, ms: one read of /proc. The latter: while somebody waits for a new primary. */
const POSTMASTER_MS = { steady: 100, changing: 50 };
/** Between two probes while all is as it was, ms; else at every look. */
const SQL_MS = 500;
/** Beyond it a probe is unanswered; three in a row are a hung PostgreSQL. A loaded machine answers in half of it. */
const SQL_DEADLINE_MS = 1000;
/** A new backend costs some ms of CPU, and proves that there still are new ones. */
const CONNECTION_MS = 5000;
const PATRONI_MS = 500;

type Postgres = NonNullable<DatabaseConfig["postgres"]>;

/** @returns how to end it */
export function watchPostgres(
  postgres: Postgres,
  { self, members, etcd }: DatabaseConfig,
  loop: LeaseLoop,
): () => void {
  const postmaster = new Postmaster(postgres.dataDirectory);
  const patroni = new PatroniApi(addressOf(members, self), postgres.patroniPort, etcd.ca);
  const probe = new PostgresProbe(probeSettings(postgres));
  let alive = false;
  let askedAt = -Infinity;
  const looking = onceAtATime(async () => {
    const begunAt = performance.now();
    const state = await postmaster.look();
    alive = state === "alive";
    if (state !== "alive") loop.dispatch({ kind: "postgres", begunAt, status: state, upstream: null });
  });
  const asking = onceAtATime(async () => {
    const begunAt = performance.now();
    if (!alive) return probe.close();
    if (begunAt < askedAt + SQL_MS && !isChanging(loop)) return;
    askedAt = begunAt;
    const answer = await probe.ask();
    // A postmaster that died meanwhile is known better by the other question.
    if (answer === null || !alive) return;
    const upstream = members.find(({ address }) => address === answer.upstream)?.name ?? null;
    loop.dispatch({ kind: "postgres", begunAt, status: answer.status, upstream });
  });
  const doubting = onceAtATime(() => watchFailsafe(patroni, loop));
  let timer: NodeJS.Timeout;
  const look = (): void => {
    timer = setTimeout(look, isChanging(loop) ? POSTMASTER_MS.changing : POSTMASTER_MS.steady);
    looking();
    asking();
  };
  look();
  const doubts = setInterval(doubting, PATRONI_MS);
  return () => {
    clearTimeout(timer);
    clearInterval(doubts);
    probe.close();
  };
}

export const probeSettings = ({ socketDirectory, port }: Postgres): ProbeSettings => ({
  socketDirectory,
  port,
  user: "postgres",
  deadlineMs: SQL_DEADLINE_MS,
  connectionMs: CONNECTION_MS,
});

const addressOf = (members: DatabaseConfig["members"], name: string): string =>
  members.find((member) => member.name === name)?.address ?? "";

/** A turn that comes while the last is under way is left out. */
function onceAtATime(act: () => Promise<void>): () => void {
  let busy = false;
  return () => {
    if (busy) return;
    busy = true;
    void act().finally(() => (busy = false));
  };
}

/** Whether PostgreSQL here is, or may soon be, something else than it was. */
function isChanging({ settings, state }: LeaseLoop): boolean {
  const leader = state.view?.etcd.leader?.host;
  if (state.view?.etcd.switchover === leader) return true;
  const { status, silent, upstream } = state.postgres;
  // A replica that lost its leader may be primary in a moment, long before etcd is read again.
  const follows = status === "replica" && upstream === leader;
  const settled = leader === settings.self ? status === "primary" : follows;
  return leader === undefined || !settled || silent > 0;
}

/** Only while etcd does not answer and this host is primary does Patroni's word matter. */
async function watchFailsafe(patroni: PatroniApi, loop: LeaseLoop): Promise<void> {
  const { view, postgres } = loop.state;
  const begunAt = performance.now();
  const { readMs, requestMs } = loop.settings;
  const etcdAnswers = view !== null && begunAt < view.begunAt + readMs + requestMs;
  if (etcdAnswers || postgres.status !== "primary") return;
  if (await patroni.leadsByFailsafe()) loop.dispatch({ kind: "failsafe", begunAt });
}
