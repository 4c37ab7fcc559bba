/** One fault under a load of writes, and what the clients saw of it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { machineNamespace } from "../../src/hosts/lab/names.ts";
import { poll } from "../../src/lib/retry.ts";
import { node } from "../../test/support/lab.ts";
import type { Cluster, Variant } from "./cluster.ts";
import type { BenchFault } from "./faults.ts";
import { type ClientSettings, judgeRun, parseLedger, type RunResult, type WriteLine } from "./ledger.ts";

/** Longest that is waited for writes to come back, ms. */
const PATIENCE_MS = 90_000;
const BEFORE_MS = 2000;
const AFTER_MS = 2000;
/** A write that was acknowledged so recently, ms, says that writes are back. */
const RECENT_MS = 300;
const now = (): number => Number(process.hrtime.bigint()) / 1e6;

/**
 * Injects the fault into the primary's host once writes flow, heals it after they are back, and looks for every
 * acknowledged write when the database is whole again.
 */
export async function oneRun(cluster: Cluster, variant: Variant, fault: BenchFault): Promise<RunResult> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-failover-"));
  try {
    return await runIn(directory, cluster, variant, fault);
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function runIn(
  directory: string,
  cluster: Cluster,
  variant: Variant,
  fault: BenchFault,
): Promise<RunResult> {
  await cluster.whole(variant);
  await sql(cluster, "truncate bench");
  const primary = await cluster.primary();
  const file = join(directory, "writes");
  const client = await startClient(cluster, file);
  const ledger = async (): Promise<WriteLine[]> => parseLedger(await readFile(file, "utf8").catch(() => ""));
  try {
    await poll(async () => (await ledger()).some(({ outcome }) => outcome === "ok"), {
      deadlineMs: PATIENCE_MS,
      what: "a first write",
    });
    await sleep(BEFORE_MS);
    const at = now();
    const broken = await fault.break(cluster, primary);
    // What does not stop writes shows as nothing; what does, by their return.
    await sleep(AFTER_MS);
    const back = async (): Promise<boolean> => {
      const recent = (await ledger()).filter(({ outcome, path }) => outcome === "ok" && path === "proxy");
      return recent.some(({ done }) => done > now() - RECENT_MS);
    };
    const returned = await poll(back, { deadlineMs: PATIENCE_MS, what: "writes" }).catch(() => false);
    await sleep(fault.holdMs ?? AFTER_MS);
    await broken.heal();
    if (!returned) await poll(back, { deadlineMs: PATIENCE_MS, what: "writes after healing" });
    await cluster.whole(variant);
    await sleep(AFTER_MS);
    await endClient(client);
    return judgeRun(await ledger(), at, await presentIds(cluster));
  } finally {
    await endClient(client);
  }
}

async function startClient(cluster: Cluster, file: string): Promise<ChildProcess> {
  const { database } = cluster.topology;
  const settings: ClientSettings = {
    file,
    database: database.name,
    user: database.user,
    password: await cluster.secret("app-database"),
    ca: await cluster.ca(),
    proxyPort: database.port,
    directPort: database.port,
    hosts: cluster.data.map(({ address }) => address),
    connections: 16,
    everyMs: 2,
    directMs: 20,
    deadlineMs: 3000,
    retryMs: 20,
  };
  const namespace = machineNamespace(cluster.lab.name, cluster.app.name);
  const program = join(import.meta.dirname, "client.ts");
  const child = spawn("ip", ["netns", "exec", namespace, node, program], {
    stdio: ["pipe", "ignore", "inherit"],
  });
  child.stdin?.end(JSON.stringify(settings));
  return child;
}

async function endClient(client: ChildProcess): Promise<void> {
  if (client.exitCode !== null || client.signalCode !== null) return;
  const ended = once(client, "exit");
  client.kill("SIGTERM");
  const late = setTimeout(() => client.kill("SIGKILL"), 15_000);
  await ended;
  clearTimeout(late);
}

/** On whichever host is primary, as the superuser. */
async function sql(cluster: Cluster, text: string): Promise<string> {
  const primary = await cluster.primary();
  const argv = ["runuser", "-u", "postgres", "--", "psql", "--no-psqlrc", "--tuples-only", "--no-align"];
  const { code, stdout, stderr } = await primary.run(
    [...argv, "--set=ON_ERROR_STOP=1", cluster.topology.database.name, "--command", text],
    { timeoutMs: 60_000 },
  );
  if (code !== 0) throw new Error(`${primary.name}: ${text}: ${stderr}`);
  return stdout;
}

export async function prepareTable(cluster: Cluster): Promise<void> {
  const { user } = cluster.topology.database;
  await cluster.whole("fastest");
  await sql(
    cluster,
    `create table if not exists bench (id bigint primary key, path text); alter table bench owner to ${user}`,
  );
}

async function presentIds(cluster: Cluster): Promise<ReadonlySet<number>> {
  const text = await sql(cluster, "select id from bench");
  return new Set(
    text
      .split("\n")
      .filter((line) => line !== "")
      .map(Number),
  );
}
