/** The lab service that the bench measures. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { leaseReportSchema } from "../../src/core/engines/agent/report.ts";
import { agentPort } from "../../src/core/engines/agent/database.ts";
import { restPort } from "../../src/core/engines/postgres/paths.ts";
import { tlsPaths } from "../../src/core/engines/tls.ts";
import { topologySchema, isService, type ServiceTopology } from "../../src/core/topology/schema.ts";
import type { Lab } from "../../src/hosts/lab/lab.ts";
import type { LabMachine } from "../../src/hosts/lab/machine.ts";
import { parseCluster, type PatroniMember } from "../../src/engines/postgres.ts";
import { poll } from "../../src/lib/retry.ts";
import { parse } from "yaml";
import { home } from "../../test/support/lab.ts";

export type Variant = "accelerator" | "fastest" | "defaults";

/** Patroni's own, where `holdfast up` sets shorter ones. */
const patroniDefaults = { ttl: 30, loop_wait: 10, retry_timeout: 10, primary_start_timeout: 300 };
const fastest = { ttl: 20, loop_wait: 1, retry_timeout: 3, primary_start_timeout: 0 };

export class Cluster {
  readonly lab: Lab;
  readonly topology: ServiceTopology;

  constructor(lab: Lab, topology: ServiceTopology) {
    this.lab = lab;
    this.topology = topology;
  }

  static async open(lab: Lab, file: string): Promise<Cluster> {
    const topology = topologySchema.parse(parse(await readFile(file, "utf8")));
    if (!isService(topology)) throw new Error(`${file} has no database`);
    return new Cluster(lab, topology);
  }

  get data(): readonly LabMachine[] {
    return this.topology.database.hosts.map((name) => this.lab.machine(name));
  }

  /** Data hosts, and those with an etcd member. */
  get members(): readonly LabMachine[] {
    const { database, coordination } = this.topology;
    return [...new Set([...database.hosts, ...coordination.hosts])].map((name) => this.lab.machine(name));
  }

  get app(): LabMachine {
    return this.lab.machine(this.topology.app.hosts[0] ?? "");
  }

  async secret(name: string): Promise<string> {
    const text = await readFile(join(home, "topologies", this.lab.name, "secrets.json"), "utf8");
    return (JSON.parse(text) as Record<string, string>)[name] ?? "";
  }

  ca(): Promise<string> {
    return readFile(join(home, "topologies", this.lab.name, "pki", "ca.crt"), "utf8");
  }

  /** Members as the first host that answers knows them. */
  async patroni(): Promise<readonly PatroniMember[]> {
    for (const machine of this.data) {
      const text = await this.#curl(machine, `https://${machine.address}:${restPort}/cluster`);
      const cluster = text === null ? null : parseCluster(text);
      if (cluster?.members.some(({ role, state }) => role === "leader" && state === "running")) {
        return cluster.members;
      }
    }
    return [];
  }

  async primary(): Promise<LabMachine> {
    return poll(
      async () => {
        const leader = (await this.patroni()).find(({ role }) => role === "leader");
        return leader === undefined ? undefined : this.lab.machine(leader.name);
      },
      { deadlineMs: 120_000, what: "a primary" },
    );
  }

  /** Waits until all data hosts are primary or in sync with it, and the agents as the variant has them. */
  async whole(variant: Variant): Promise<void> {
    await poll(
      async () => {
        const members = await this.patroni();
        if (members.length < this.data.length) return false;
        const replicas = members.filter(({ role }) => role !== "leader");
        if (!replicas.every(({ state }) => state === "streaming")) return false;
        if (!replicas.some(({ role }) => role === "sync_standby" || role === "quorum_standby")) return false;
        return variant !== "accelerator" || (await this.#armed());
      },
      { deadlineMs: 180_000, intervalMs: 500, what: "the database to be whole" },
    );
  }

  async #armed(): Promise<boolean> {
    const reports = await Promise.all(
      this.data.map(async (machine) => {
        const text = await this.#curl(machine, `http://${machine.address}:${agentPort}/status`);
        return text === null ? null : leaseReportSchema.parse(JSON.parse(text));
      }),
    );
    return reports.every((report) => report?.mode === "armed" && report.open && report.heard.length >= 3);
  }

  async become(variant: Variant): Promise<void> {
    const action = variant === "accelerator" ? "start" : "stop";
    for (const machine of this.members) {
      await must(machine, ["systemctl", action, "holdfast-agent.service"]);
    }
    await this.whole(variant);
    const settings = JSON.stringify(variant === "defaults" ? patroniDefaults : fastest);
    const { ca, certificate, key } = tlsPaths("postgres");
    const primary = await this.primary();
    await must(primary, [
      "curl",
      ..."--silent --show-error --fail --max-time 10 --request PATCH".split(" "),
      "--header",
      "Content-Type: application/json",
      "--cacert",
      ca,
      "--cert",
      certificate,
      "--key",
      key,
      "--data",
      settings,
      `https://${primary.address}:${restPort}/config`,
    ]);
    // Every member reads it within a loop of its own.
    await new Promise((resolve) => setTimeout(resolve, variant === "defaults" ? 3000 : 12_000));
  }

  async moveEtcdLeader(to: LabMachine): Promise<void> {
    const endpoints = this.topology.coordination.hosts
      .map((name) => `https://${this.lab.machine(name).address}:2379`)
      .join(",");
    const script = `
endpoints=${endpoints}
status() { /etc/holdfast/etcd/etcdctl --endpoints=$endpoints endpoint status; }
target=$(status | grep -F '//${to.address}:' | cut -d, -f2 | tr -d ' ')
leader=$(status | awk -F', ' '$5 == "true" { print $1 }')
case "$leader" in *//${to.address}:*) exit 0 ;; esac
/etc/holdfast/etcd/etcdctl --endpoints="$leader" move-leader "$target"`;
    await must(to, ["sh", "-c", script]);
  }

  async #curl(machine: LabMachine, url: string): Promise<string | null> {
    const argv = ["curl", "-sS", "--max-time", "2", "--cacert", tlsPaths("postgres").ca, url];
    // A machine that is off or frozen does not answer.
    const result = await machine.run(argv, { timeoutMs: 4000 }).catch(() => null);
    return result?.code === 0 ? result.stdout : null;
  }
}

export async function must(machine: LabMachine, argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await machine.run(argv, { timeoutMs: 60_000 });
  if (code !== 0) throw new Error(`${machine.name}: ${argv.join(" ")}: ${stderr}`);
  return stdout;
}
