import { join } from "node:path";
import { neededActions } from "../core/aws/policy.ts";
import { clientAddress, type Topology } from "../core/topology/schema.ts";
import { writeFileAtomic } from "../lib/atomic.ts";
import { ExitStatus } from "../lib/errors.ts";
import { createLab, type LabSpec } from "../hosts/lab/lab.ts";
import { labCloud } from "../hosts/lab/ec2/identifiers.ts";
import { ensureImage } from "../hosts/lab/image.ts";
import { converge } from "../run/converge.ts";
import { takeLock } from "../run/lock.ts";
import { openProvider, type Provider } from "../run/provider.ts";
import { loadState, stateDirectory, type TopologyState } from "../run/state.ts";
import { refuseDuringUpgrade } from "../run/upgrade/record.ts";
import { parseCommand } from "./arguments.ts";
import type { CommandIo } from "./io.ts";
import { loadTopology, refuseErrors, type LoadedTopology } from "./load.ts";
import { run as plan } from "./plan.ts";
import { preparePrerequisites } from "./doctor.ts";

export const usage = "holdfast up [FILE|BLUEPRINT] [--dry-run] [--yes] [--json]";

/** Makes the topology real, from whatever is there now. Run again after any interruption. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const { positionals, values } = parseCommand(args, usage, {
    "dry-run": { type: "boolean" },
    yes: { type: "boolean" },
  });
  if (values["dry-run"] === true) {
    return plan(
      args.filter((arg) => arg !== "--dry-run" && arg !== "--yes"),
      io,
    );
  }
  const loaded = await loadTopology(positionals[0], io);
  refuseErrors(loaded);
  await preparePrerequisites(values.yes === true, io);
  const { steps } = await bringUp(loaded, io);
  if (io.json) io.stdout(JSON.stringify({ type: "up", topology: loaded.topology.name, steps }));
  else io.stdout(summary(loaded, steps));
  return ExitStatus.ok;
}

export interface Running {
  readonly state: TopologyState;
  readonly provider: Provider;
  /** How many steps it took; 0: everything was already there. */
  readonly steps: number;
}

/** Under the topology's lock: machines made and booted, then everything on them. */
export async function bringUp(loaded: LoadedTopology, io: CommandIo): Promise<Running> {
  const { topology } = loaded;
  const directory = stateDirectory(io.home, topology.name);
  const lock = await takeLock(directory, "up");
  try {
    await refuseDuringUpgrade(directory);
    await writeFileAtomic(join(directory, "topology.json"), `${JSON.stringify({ file: loaded.file })}\n`);
    const state = await loadState(topology, loaded.file, io.root, io.home);
    await makeMachines(loaded, io);
    const provider = await openProvider(topology, io.home, io.reporter);
    const done = await converge({ state, hosts: provider.hosts, reporter: io.reporter, signal: io.signal });
    return { state, provider, steps: done.steps.length };
  } finally {
    await lock.release();
  }
}

async function makeMachines({ topology }: LoadedTopology, io: CommandIo): Promise<void> {
  const image = await ensureImage({
    home: io.home,
    reporter: io.reporter,
    node: join(io.root, "node_modules/node/bin/node"),
  });
  await createLab(
    {
      name: topology.name,
      subnet: topology.network.subnet,
      interface: topology.network.interface,
      machines: Object.entries(topology.hosts).map(([name, host]) => ({
        name,
        address: host.address,
        memory: host.memory,
      })),
      image,
      ...addressSpec(topology, [process.execPath, join(io.root, "dist/holdfast.cjs")]),
    },
    { home: io.home, reporter: io.reporter },
  );
}

/** What the lab has for the clients' address: a free place on the switch, or a cloud with one Elastic IP. */
function addressSpec(topology: Topology, self: readonly string[]): Pick<LabSpec, "reserved" | "ec2"> {
  const { name, network, hosts, entry } = topology;
  const { address } = entry;
  if (address.kind === "vip") return { reserved: [address.vip] };
  const config = labCloud({
    lab: name,
    region: address.region,
    subnet: network.subnet,
    machines: Object.entries(hosts).map(([machine, host]) => ({ name: machine, ...host })),
    elasticIps: { entry: address.publicAddress },
    actions: neededActions.map((action) => `ec2:${action}`),
  });
  return { ec2: { config, self } };
}

/** What a person wants to know next: where it is. */
export function summary({ topology }: LoadedTopology, steps: number): string {
  const { ports, domain } = topology.entry;
  const port = ports.https === 443 ? "" : `:${ports.https}`;
  return [
    steps === 0 ? `${topology.name} is up: nothing to do` : `${topology.name} is up (${steps} steps)`,
    `  service   https://${clientAddress(topology)}${port}/${domain === undefined ? "" : `  (${domain})`}`,
    `  hosts     ${Object.entries(topology.hosts)
      .map(([host, { address }]) => `${host} ${address}`)
      .join(", ")}`,
    `  next      holdfast status, holdfast drill, holdfast down`,
  ].join("\n");
}
