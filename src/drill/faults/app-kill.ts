/** `app-kill`: kill -9 of every service process of the app on one host; systemd restarts them. */
import { tlsPaths } from "../../core/engines/tls.ts";
import type { Topology } from "../../core/topology/schema.ts";
import { observeHaproxy } from "../../engines/haproxy.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { Host } from "../../ports.ts";
import { type Attack, type Fault, type FaultContext, machineNamed, machinesNamed } from "../fault.ts";
import { allGone, identify, type ProcessIdentity } from "../processes.ts";
import { waitFor } from "../wait.ts";
import { inactiveUnit, showUnits } from "./systemd.ts";

/** SIGKILL takes effect in milliseconds; this is for a host that is slow to be asked. */
const PROOF_DEADLINE_MS = 5000;

export const appKill: Fault = {
  name: "app-kill",
  tier: "app",
  title: "kill -9 of the app's services on one host",
  applies: (topology) => (topology.app.hosts.length < 2 ? "the app has only one host" : null),
  async healthy(context) {
    for (const host of machinesNamed(context, context.topology.app.hosts)) {
      const missing = await unhealthyApp(host, context.topology);
      if (missing !== null) return missing;
    }
    return missingFromPool(context);
  },
  prepare,
};

async function prepare(context: FaultContext): Promise<Attack> {
  const { topology } = context;
  const host = machineNamed(context, topology.app.hosts[0] ?? "");
  const services = await appServices(host, topology);
  const processes = await mainProcesses(host, services);
  const gone = (): Promise<boolean> => allGone(host, processes);
  return {
    target: host.name,
    async inject() {
      // One call for all of them: no service sees another die first.
      const { code, stderr } = await host.run(["systemctl", "kill", "--signal=SIGKILL", "--", ...services]);
      if (code !== 0) throw new HoldfastError(`${host.name}: systemctl kill failed: ${stderr.trim()}`);
    },
    async prove() {
      const alive = await waitFor(async () => ((await gone()) ? null : "processes are still there"), {
        deadlineMs: PROOF_DEADLINE_MS,
        intervalMs: 100,
      });
      const which = `${processes.length} processes of ${services.join(", ")} on ${host.name}`;
      return alive === null
        ? { tookEffect: true, proof: `${which} are gone` }
        : { tookEffect: false, proof: `${which}: ${alive}` };
    },
    async heal() {
      // systemd restarts them: that is what is measured.
    },
    recovered: () => inactiveUnit(host, services),
    async recoveredBy() {
      const again = await mainProcesses(host, services);
      return `the other app hosts served; systemd restarted ${again.length} services`;
    },
  };
}

/** Null, or which app host the entry does not send clients to: until then redundancy is not back. */
async function missingFromPool(context: FaultContext): Promise<string | null> {
  for (const entry of machinesNamed(context, context.topology.entry.hosts)) {
    const servers = await observeHaproxy(entry);
    if (servers === null) return `HAProxy on ${entry.name} does not answer`;
    const out = servers.find(({ backend, status }) => backend === "app" && status !== "UP");
    if (out !== undefined)
      return `HAProxy on ${entry.name} has ${out.server} as ${out.status} (${out.check})`;
  }
  return null;
}

/** Null, or why the host cannot serve by its own account. */
async function unhealthyApp(host: Host, topology: Topology): Promise<string | null> {
  const inactive = await inactiveUnit(host, [topology.app.unit, ...(await appServices(host, topology))]);
  if (inactive !== null) return inactive;
  const { health, port } = topology.app;
  const url = `https://localhost:${port}${health.path}`;
  const request = ["--request", health.method, ...(health.method === "HEAD" ? ["--head"] : [])];
  const { code, stdout } = await host.run([
    ..."curl --silent --max-time 3 --output /dev/null --write-out %{http_code} --cacert".split(" "),
    tlsPaths("app").ca,
    ...request,
    url,
  ]);
  return code === 0 && stdout === "200"
    ? null
    : `${host.name} answers ${stdout || "nothing"} at ${health.path}`;
}

/**
 * The services of the app's unit: itself, or what the target pulls in and runs as the app's user
 * (a target may also want units that are not the app's, such as network-online).
 */
async function appServices(host: Host, topology: Topology): Promise<string[]> {
  const { unit, user } = topology.app;
  if (unit.endsWith(".service")) return [unit];
  const [target] = await showUnits(host, [unit], ["Wants", "Requires", "BindsTo", "ConsistsOf"]);
  const names = ["Wants", "Requires", "BindsTo", "ConsistsOf"].flatMap((key) =>
    (target?.[key] ?? "").split(" "),
  );
  const services = [...new Set(names)].filter((name) => name.endsWith(".service"));
  const shown = await showUnits(host, services, ["User"]);
  const own = shown.filter((service) => service["User"] === user).map((service) => service["Id"] ?? "");
  if (own.length === 0) {
    throw new HoldfastError(`${unit} on ${host.name} has no service that runs as ${user}`, {
      fix: "check `app.unit` and `app.user` in the topology",
    });
  }
  return own.sort();
}

async function mainProcesses(host: Host, services: readonly string[]): Promise<ProcessIdentity[]> {
  const shown = await showUnits(host, services, ["MainPID"]);
  const pids = shown.map((service) => Number(service["MainPID"])).filter((pid) => pid > 0);
  return identify(host, pids);
}
