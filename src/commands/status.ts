import { isService } from "../core/topology/schema.ts";
import { progressOf } from "../core/upgrade/record.ts";
import { ExitStatus } from "../lib/errors.ts";
import { observeBackups } from "../run/backup/repository.ts";
import { observeAll, planAll } from "../run/converge.ts";
import { openProvider } from "../run/provider.ts";
import { formatPool, poolStatus } from "../run/pool/status.ts";
import { loadState } from "../run/state.ts";
import { withBackups } from "../run/status/backup.ts";
import { judgeService, type ServiceVerdict } from "../run/status/judge.ts";
import { observeService, type ServiceStatus } from "../run/status/observe.ts";
import { loadRecord } from "../run/upgrade/record.ts";
import { parseCommand } from "./arguments.ts";
import type { CommandIo } from "./io.ts";
import { loadTopology } from "./load.ts";
import { isDrift } from "./plan.ts";

export const usage = "holdfast status [FILE|BLUEPRINT] [--json]";

/** One screen: is the service up, who does what, what is at risk, what was edited by hand. Exit 1 when down, 3 on drift. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const { positionals } = parseCommand(args, usage, {});
  const loaded = await loadTopology(positionals[0], io);
  const { topology } = loaded;
  const state = await loadState(topology, loaded.file, io.root, io.home);
  const { hosts } = await openProvider(topology, io.home, io.reporter);
  const [service, backups, observed] = await Promise.all([
    observeService(topology, hosts),
    isService(topology) ? observeBackups(topology, hosts, Date.now() / 1000) : null,
    observeAll(state, hosts),
  ]);
  const verdict = withBackups(judgeService(service, topology), backups, topology);
  const reachable = new Set(observed.filter((host) => host.reachable).map(({ host }) => host));
  const drift = planAll(state, observed)
    .steps.filter((step) => isDrift(step) && reachable.has(step.host))
    .map((step) => `${step.host}: ${step.kind === "file" ? step.path : step.summary}`);
  const versions = versionsOf(service);
  const pool = await poolStatus(topology, state.directory);
  const record = await loadRecord(state.directory);
  const upgrade = record === null ? null : progressOf(record);
  if (io.json)
    io.stdout(
      JSON.stringify({ type: "status", topology: topology.name, ...verdict, drift, versions, pool, upgrade }),
    );
  else {
    for (const line of formatStatus(topology.name, verdict, drift, versions)) io.stdout(line);
    if (pool !== null) io.stdout(`\n  pool: ${formatPool(pool)}`);
    if (upgrade !== null) io.stdout(`\n  ${upgrade}: holdfast upgrade --resume, or --rollback`);
  }
  if (verdict.verdict === "down") return ExitStatus.error;
  return drift.length > 0 ? ExitStatus.drift : ExitStatus.ok;
}

/** "haproxy 2.6.12": each engine's version, several when hosts differ. */
function versionsOf(service: ServiceStatus): Record<string, string> {
  const pairs: [string, string][] = [];
  for (const host of [...service.entry, ...service.app]) {
    if (host.reachable) pairs.push(...Object.entries(host.versions));
  }
  for (const host of service.database) {
    if (!host.reachable) continue;
    for (const [name, version] of Object.entries(host.versions))
      if (version !== null) pairs.push([name, version]);
  }
  for (const host of service.coordination)
    if (host.reachable && host.member !== null) pairs.push(["etcd", host.member.version]);
  for (const host of service.cache) {
    if (host.reachable)
      for (const { info } of host.processes) if (info !== null) pairs.push(["redis", info.version]);
  }
  const byName = Map.groupBy(pairs, ([name]) => name);
  return Object.fromEntries(
    [...byName].map(([name, own]) => [
      name,
      [...new Set(own.map(([, version]) => short(version)))].join(" and "),
    ]),
  );
}

/** "1:2.2.7-1+b2" is 2.2.7: epochs and the distribution's revisions say nothing to an operator here. */
const short = (version: string): string => version.replace(/^\d+:/, "").replace(/[-+].*$/, "");

const marks = { up: "✔", degraded: "!", down: "✘" } as const;

function formatStatus(
  name: string,
  { verdict, tiers }: ServiceVerdict,
  drift: readonly string[],
  versions: Readonly<Record<string, string>>,
): string[] {
  return [
    `${marks[verdict]} ${name} is ${verdict.toUpperCase()}`,
    "",
    ...tiers.flatMap(({ tier, verdict, summary, risks }) => [
      `  ${marks[verdict]} ${tier.padEnd(13)} ${summary}`,
      ...risks.map((risk) => `      - ${risk}`),
    ]),
    "",
    `  ${Object.entries(versions)
      .map(([engine, version]) => `${engine} ${version}`)
      .join(" · ")}`,
    ...(drift.length === 0
      ? []
      : ["", `  edited by hand (\`holdfast up\` puts it back):`, ...drift.map((line) => `      - ${line}`)]),
  ];
}
