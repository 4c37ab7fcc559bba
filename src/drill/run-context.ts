/** What a run was made with: topology, versions, machine, command. Written before its load begins. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import type { RunContext } from "../core/drill/report/model.ts";
import { isService, type ServiceTopology, type Topology } from "../core/topology/schema.ts";
import { writeFileAtomic } from "../lib/atomic.ts";
import { HoldfastError } from "../lib/errors.ts";
import { version } from "../lib/version.ts";
import type { Host } from "../ports.ts";

export const contextFile = (folder: string): string => join(folder, "run.json");

export interface RunOptions {
  readonly topology: Topology;
  readonly machines: readonly Host[];
  /** Seed of the faults' order; null or absent: the order was the command's. */
  readonly seed?: number | null;
}

/** Writes `run.json`. An engine whose version cannot be asked is left out of it. */
export async function recordRun(folder: string, options: RunOptions): Promise<void> {
  const context = await describeRun(options, process.argv.slice(2));
  await writeFileAtomic(contextFile(folder), `${JSON.stringify(context, null, 2)}\n`);
}

/** @param argv the command's words after the program's name, as typed */
export async function describeRun(
  { topology, machines, seed = null }: RunOptions,
  argv: readonly string[],
): Promise<RunContext> {
  const engines = await engineVersions(topology, machines);
  return {
    startedAt: new Date().toISOString(),
    command: commandOf(argv, seed === null ? null : String(seed)),
    seed: seed === null ? null : String(seed),
    holdfast: version,
    topology,
    topologyHash: createHash("sha256").update(JSON.stringify(topology)).digest("hex"),
    engines,
    machine: {
      system: await systemName(),
      kernel: release(),
      processor: cpus()[0]?.model ?? "unknown processor",
      cores: cpus().length,
      memory: totalmem(),
    },
  };
}

/** The command that makes the same run: with the seed that was drawn, where none was typed. */
function commandOf(argv: readonly string[], seed: string | null): string {
  const typed = argv.some((word) => word === "--seed" || word.startsWith("--seed="));
  const words = seed === null || typed ? argv : [...argv, "--seed", seed];
  return ["holdfast", ...words.map(quoted)].join(" ");
}

const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;

interface Question {
  readonly engine: string;
  readonly hosts: readonly string[];
  readonly argv: readonly string[];
}

const ask = (engine: string, hosts: readonly string[], command: string): Question => ({
  engine,
  hosts,
  argv: command.split(" "),
});

function questions(topology: Topology): Question[] {
  const { entry } = topology;
  return [
    ask(
      entry.engine === "haproxy" ? "HAProxy" : "nginx",
      entry.hosts,
      entry.engine === "haproxy" ? "haproxy -v" : "nginx -v",
    ),
    ask("keepalived", entry.hosts, "keepalived --version"),
    ...(isService(topology) ? serviceQuestions(topology) : []),
  ];
}

function serviceQuestions({ app, database, coordination, cache }: ServiceTopology): Question[] {
  return [
    ask("HAProxy", app.hosts, "haproxy -v"),
    ask("nginx", app.hosts, "nginx -v"),
    ask(app.name, app.hosts, `cat /opt/${app.name}/current/VERSION`),
    ask("PostgreSQL", database.hosts, `/usr/lib/postgresql/${database.version}/bin/postgres --version`),
    ask("Patroni", database.hosts, "/opt/patroni/bin/patroni --version"),
    ask("etcd", coordination.hosts, "etcd --version"),
    ask("Redis", cache?.hosts ?? [], "redis-server --version"),
  ];
}

async function engineVersions(topology: Topology, hosts: readonly Host[]): Promise<RunContext["engines"]> {
  const answers = await Promise.all(
    questions(topology).flatMap(({ engine, hosts: names, argv }) =>
      hosts
        .filter(({ name }) => names.includes(name))
        .map(async (host) => ({ engine, host: host.name, version: await askVersion(host, argv) })),
    ),
  );
  const known = answers.flatMap(({ engine, host, version }) =>
    version === null ? [] : [{ engine, host, version }],
  );
  return [...Map.groupBy(known, ({ engine, version }) => `${engine} ${version}`).values()].flatMap((all) => {
    const [first] = all;
    return first === undefined
      ? []
      : [{ engine: first.engine, version: first.version, hosts: all.map(({ host }) => host) }];
  });
}

/** The first number with a dot in what the engine says, on either stream: "2.6.12-1+deb12u4". */
async function askVersion(host: Host, argv: readonly string[]): Promise<string | null> {
  try {
    const { stdout, stderr } = await host.run(argv, { timeoutMs: 10_000 });
    return /\d+\.\d[\w.+~:-]*/.exec(`${stdout}\n${stderr}`)?.[0] ?? null;
  } catch (error) {
    if (error instanceof HoldfastError) return null;
    throw error;
  }
}

async function systemName(): Promise<string> {
  const text = await readFile("/etc/os-release", "utf8").catch(() => "");
  return /^PRETTY_NAME="?([^"\n]+)/m.exec(text)?.[1] ?? "Linux";
}
