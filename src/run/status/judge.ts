/** From what was seen to what it means: is the service up, and what is it one fault away from losing? Pure. */
import { databaseMembers } from "../../core/engines/agent/database.ts";
import { clientAddress, isService, type ServiceTopology, type Topology } from "../../core/topology/schema.ts";
import type { HaproxyServer } from "../../engines/haproxy.ts";
import type { PatroniCluster, PatroniMember, PostgresStatus } from "../../engines/postgres.ts";
import type { ServiceStatus } from "./observe.ts";

export type TierVerdict = "up" | "degraded" | "down";

export interface TierStatus {
  readonly tier: string;
  readonly verdict: TierVerdict;
  /** What holds, in one line: "lb1 holds 10.77.10.10; lb2 stands by". */
  readonly summary: string;
  /** What is wrong or at risk, one sentence each; empty when the verdict is `up`. */
  readonly risks: readonly string[];
}

export interface ServiceVerdict {
  readonly verdict: TierVerdict;
  readonly tiers: readonly TierStatus[];
}

/** `down` when clients cannot read or write; `degraded` when they can, but redundancy is missing somewhere. */
export function judgeService(status: ServiceStatus, topology: Topology): ServiceVerdict {
  const tiers = [
    judgeEntry(status, topology),
    ...(isService(topology)
      ? [judgeApp(status), judgeDatabase(status, topology), judgeCoordination(status)]
      : []),
    ...(status.cache.length > 0 ? [judgeCache(status)] : []),
    ...(status.storage.length > 0 ? [judgeStorage(status)] : []),
  ];
  // The cache carries triggers only, and etcd serves nobody directly: without them the service goes on.
  const vital = tiers.filter(({ tier }) => ["entry", "app", "database"].includes(tier));
  const verdict = vital.some((tier) => tier.verdict === "down")
    ? "down"
    : tiers.every((tier) => tier.verdict === "up")
      ? "up"
      : "degraded";
  return { verdict, tiers };
}

type Reach = { readonly host: string; readonly reachable: boolean };
const unreachable = (hosts: readonly Reach[]): string[] =>
  hosts.filter((host) => !host.reachable).map(({ host }) => `${host} cannot be reached`);

function tierOf(tier: string, serves: boolean, summary: string, risks: readonly string[]): TierStatus {
  return { tier, verdict: serves ? (risks.length === 0 ? "up" : "degraded") : "down", summary, risks };
}

function judgeEntry({ entry }: ServiceStatus, topology: Topology): TierStatus {
  const seen = entry.filter((host) => host.reachable);
  const vip = clientAddress(topology);
  const holders = seen.filter((host) => host.holds);
  const standby = seen.filter(
    (host) => !host.holds && host.keepalived === "backup" && host.units.proxy === "active",
  );
  const risks = [
    ...unreachable(entry),
    ...seen.flatMap(({ host, units, keepalived }) => [
      ...(units.proxy === "active" ? [] : [`${topology.entry.engine} on ${host} is ${units.proxy}`]),
      ...(units.keepalived === "active" ? [] : [`keepalived on ${host} is ${units.keepalived}`]),
      ...(units.agent === "active" ? [] : [`the agent on ${host} is ${units.agent}`]),
      ...(keepalived === "fault" ? [`${host} may not hold the address: its proxy does not serve`] : []),
    ]),
    ...(holders.length > 1 ? [`${vip} is on ${names(holders)} at once`] : []),
    ...(standby.length === 0 ? [`nobody stands by to take ${vip}`] : []),
  ];
  const summary =
    holders.length === 0
      ? `nobody holds ${vip}`
      : `${names(holders)} holds ${vip}${standby.length > 0 ? `; ${names(standby)} stands by` : ""}`;
  return tierOf(
    "entry",
    holders.some((host) => host.units.proxy === "active"),
    summary,
    risks,
  );
}

const names = (hosts: readonly { readonly host: string }[]): string =>
  hosts.map(({ host }) => host).join(", ");
const isUp = (server: HaproxyServer): boolean => server.status.startsWith("UP");

function judgeApp({ entry, app }: ServiceStatus): TierStatus {
  const seen = app.filter((host) => host.reachable);
  const healthy = seen.filter((host) => host.healthy);
  const appHosts = new Set(app.map(({ host }) => host));
  // What counts for clients is what the proxy that holds the address thinks.
  const holder = entry.find((host) => host.reachable && host.holds);
  // Not the last resort: hosts are in that whatever their checks say.
  const pool = (holder?.reachable === true ? (holder.servers ?? []) : []).filter(
    ({ backend, server }) => backend === "app" && appHosts.has(server),
  );
  const serving = pool.filter(isUp);
  const versions = [...new Set(seen.map(({ version }) => version ?? "none"))];
  const risks = [
    ...unreachable(app),
    ...seen.flatMap(({ host, units, health, healthy }) => [
      ...(healthy ? [] : [`${host} is not healthy: ${health}`]),
      ...(units.nginx === "active" ? [] : [`nginx on ${host} is ${units.nginx}`]),
      ...(units.haproxy === "active" ? [] : [`the database proxy on ${host} is ${units.haproxy}`]),
    ]),
    ...pool
      .filter((server) => !isUp(server))
      .map(({ server, status }) => `the entry has ${server} ${status}`),
    ...(versions.length > 1 ? [`different versions: ${versions.join(", ")}`] : []),
  ];
  const summary = `${serving.length} of ${app.length} in the pool, ${healthy.length} healthy; version ${versions.join(", ")}`;
  return tierOf("app", holder === undefined ? healthy.length > 0 : serving.length > 0, summary, risks);
}

function judgeDatabase({ database }: ServiceStatus, topology: ServiceTopology): TierStatus {
  const seen = database.filter((host) => host.reachable);
  const cluster = newestCluster(seen.flatMap((host) => host.cluster ?? []));
  if (cluster === undefined) {
    return tierOf("database", false, "Patroni answers nowhere", [
      ...unreachable(database),
      "nobody knows who is primary",
    ]);
  }
  const leader = cluster.members.find(({ role, state }) => role === "leader" && state === "running");
  const replicas = cluster.members.filter(({ role }) => role !== "leader");
  const streaming = replicas.filter(({ state }) => state === "streaming");
  const synchronous = streaming.filter(({ role }) => role === "sync_standby" || role === "quorum_standby");
  const wantsNone = topology.objectives.database.dataLoss === "none";
  const risks = [
    ...unreachable(database),
    ...seen.filter(({ unit }) => unit !== "active").map(({ host, unit }) => `patroni on ${host} is ${unit}`),
    ...replicas
      .filter(({ state }) => state !== "streaming")
      .map(({ name, state }) => `replica ${name} is ${state}`),
    ...(cluster.paused ? ["Patroni is paused: there is no automatic failover"] : []),
    ...(wantsNone && synchronous.length === 0
      ? ["data at risk now: acknowledged writes are on one host only, losing it loses them"]
      : []),
    ...(streaming.length === 0 ? ["no replica can take over"] : []),
    ...failoverRisks(seen, topology),
  ];
  const replicaText = replicas.map(describeReplica).join(", ") || "no replica";
  const timeline = leader?.timeline ?? null;
  const summary =
    leader === undefined
      ? `no primary; ${replicaText}`
      : `primary ${leader.name}${timeline === null ? "" : ` (timeline ${timeline})`}; ${replicaText}`;
  return tierOf("database", leader !== undefined, summary, risks);
}

/** What keeps the agents from making failover fast, where they could. */
function failoverRisks(
  hosts: readonly (PostgresStatus & { readonly host: string })[],
  topology: ServiceTopology,
): string[] {
  const members = databaseMembers(topology);
  if (members === null) return [];
  return hosts.flatMap(({ host, failover }) => {
    if (failover === null) return [`the agent on ${host} does not answer: a failover from it is slower`];
    const unheard = members.filter((member) => !failover.heard.includes(member));
    return [
      ...(failover.mode === "armed"
        ? []
        : [`${host} fails over at Patroni's own speed: no agents' majority`]),
      ...(failover.open ? [] : [`${host} lets no client of PostgreSQL in: it has no lease`]),
      ...(unheard.length === 0 ? [] : [`the agent on ${host} does not hear ${unheard.join(", ")}`]),
    ];
  });
}

/** Hosts may disagree while something changes: the one that knows of a leader with the highest timeline is newest. */
function newestCluster(clusters: readonly PatroniCluster[]): PatroniCluster | undefined {
  return [...clusters].sort((a, b) => leaderTimeline(b) - leaderTimeline(a))[0];
}

const leaderTimeline = ({ members }: PatroniCluster): number =>
  members.find(({ role, state }) => role === "leader" && state === "running")?.timeline ?? 0;

function describeReplica({ name, role, state, lag }: PatroniMember): string {
  const kind = role === "sync_standby" || role === "quorum_standby" ? "synchronous" : "asynchronous";
  return `${name} ${kind} ${state}${lag === null ? "" : `, ${bytes(lag)} behind`}`;
}

const bytes = (value: number): string =>
  value < 1024
    ? `${value} B`
    : value < 1024 ** 2
      ? `${Math.round(value / 1024)} KiB`
      : `${Math.round(value / 1024 ** 2)} MiB`;

function judgeCoordination({ coordination }: ServiceStatus): TierStatus {
  const seen = coordination.filter((host) => host.reachable);
  const healthy = seen.filter((host) => host.healthy);
  const majority = Math.floor(coordination.length / 2) + 1;
  const leader = seen.find((host) => host.member?.leader === true);
  const spare = healthy.length - majority;
  const risks = [
    ...unreachable(coordination),
    ...seen
      .filter((host) => !host.healthy)
      .map(({ host, unit }) => `etcd on ${host} is not healthy (unit ${unit})`),
    ...(spare < 0
      ? ["no quorum: no failover of the database is possible"]
      : spare === 0
        ? ["losing one more member loses the quorum"]
        : []),
  ];
  const summary = `${healthy.length} of ${coordination.length} members${leader === undefined ? "" : `, leader ${leader.host}`}`;
  return tierOf("coordination", spare >= 0, summary, risks);
}

function judgeCache({ cache }: ServiceStatus): TierStatus {
  const processes = cache.flatMap((host) =>
    host.reachable ? host.processes.map((process) => ({ host: host.host, ...process })) : [],
  );
  const answering = processes.filter(({ info }) => info !== null);
  const masters = answering.filter(({ info }) => info?.role === "master");
  const states = answering.flatMap(({ cluster }) => cluster ?? []);
  // Half a cluster also says "ok" where full coverage is not required.
  const serves =
    states.length === 0
      ? masters.length > 0
      : states.some(({ state, slotsServed }) => state === "ok" && slotsServed === 16_384);
  const crowded = [...Map.groupBy(masters, ({ host }) => host)].filter(
    ([, own]) => own.length > 1 && states.length > 0,
  );
  const risks = [
    ...unreachable(cache),
    ...processes
      .filter(({ info }) => info === null)
      .map(({ host, port, unit }) => `redis on ${host}:${port} does not answer (unit ${unit})`),
    ...answering
      .filter(({ info }) => info?.role === "replica" && !info.linked)
      .map(({ host, port }) => `replica ${host}:${port} has lost its master`),
    ...crowded.map(([host]) => `${host} has several masters: losing it loses the majority`),
    ...(serves ? [] : ["triggers are not delivered: caches follow by their version check only"]),
  ];
  const state = states.length === 0 ? "" : serves ? ", cluster ok" : ", cluster failed";
  return tierOf(
    "cache",
    serves,
    `${masters.length} masters, ${answering.length - masters.length} replicas${state}`,
    risks,
  );
}

function judgeStorage({ storage }: ServiceStatus): TierStatus {
  const seen = storage.filter((host) => host.reachable);
  const good = seen.filter(({ mounted, writable }) => mounted && writable);
  const risks = [
    ...unreachable(storage),
    ...seen.flatMap(({ host, mount, mounted, writable }) =>
      mounted
        ? writable
          ? []
          : [`${mount} cannot be written on ${host}`]
        : [`${mount} is not mounted on ${host}`],
    ),
  ];
  const mount = seen[0]?.mount ?? "shared storage";
  return tierOf(
    "storage",
    good.length > 0,
    `${mount} on ${good.length} of ${storage.length} app hosts`,
    risks,
  );
}
