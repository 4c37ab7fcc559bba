/**
 * An Elastic IP that moves: Holdfast against the guide's configuration, on the same address of the same
 * EC2 endpoint, whose every call takes 100 ms. `npm run bench:eip -- --runs 20 --split 5m` (as root).
 */
import { join } from "node:path";
import { build } from "esbuild";
import { readFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { Ec2Control } from "../src/hosts/lab/ec2/control.ts";
import { allocationId, apiUrl, instanceId, privateDnsName } from "../src/hosts/lab/ec2/identifiers.ts";
import type { LabMachine } from "../src/hosts/lab/machine.ts";
import { writeFile } from "../src/hosts/files.ts";
import { guideSide, setUpGuide, startGuide } from "./failover/guide.ts";
import { benchLab, home } from "./failover/lab.ts";
import { oursSide } from "./failover/ours.ts";
import { Prober } from "./failover/prober.ts";
import { benchOptions, chosen, compare } from "./failover/run.ts";
import { must, type Side } from "./failover/side.ts";
import { printSplits, type Split, splitBrain } from "./failover/split.ts";

const LATENCY_MS = 100;
const address = "198.51.100.10";
const region = "eu-north-1";
const notify = "/usr/lib/keepalived/nginx-ha-notify";

const options = benchOptions(["host-power-off", "split-brain"]);
const { lab: name, network } = options;
const { topology, lab, ours, guide, remove } = await benchLab(
  name,
  `${network}.0/24`,
  `{ kind: elastic-ip, publicAddress: ${address}, region: ${region} }`,
);
const prober = new Prober(lab.clientNamespace, address, 80, options.every);
try {
  const control = new Ec2Control(home, name);
  await control.change({ latencyMs: { "*": LATENCY_MS } });
  const isHolder = async (machine: LabMachine): Promise<boolean> =>
    JSON.stringify((await control.state()).associations[allocationId(name, "entry")] ?? null).includes(
      instanceId(name, machine.name),
    );
  const pair = { machines: guide, instance: `notify "${notify}"`, holds: isHolder };
  await setUpGuide(pair);
  await installNotify(guide);

  const oursUnits = "keepalived.service holdfast-agent.service";
  const sides: readonly (Side & { readonly masters: () => Promise<number> })[] = [
    { ...oursSide(topology, ours, prober), masters: async () => masters(ours) },
    // Its keepalived is started anew before each run: the guide's own advice for an address that went astray.
    {
      ...guideSide(pair, prober),
      restore: async (machine) => void (await must(machine, "systemctl start nginx.service")),
      masters: async () => masters(guide),
    },
  ];
  const before = async (side: Side): Promise<void> => {
    if (side.name === "guide") {
      await stop(ours, oursUnits);
      await stop(guide, "keepalived.service");
      for (const machine of guide) await startGuide(machine);
    } else {
      await stop(guide, "keepalived.service");
      for (const machine of ours) await must(machine, `systemctl start ${oursUnits}`);
    }
  };
  const faults = options.faults.filter((fault) => fault !== "split-brain");
  await compare(
    `An Elastic IP, EC2 answering in ${LATENCY_MS} ms, a request every ${options.every} ms from the clients' side of the router`,
    sides,
    { ...options, faults },
    before,
  );
  if (options.faults.includes("split-brain")) {
    const taken = chosen(sides, options);
    const results = new Map<string, Split[]>(taken.map((side) => [side.name, []]));
    for (let run = 1; run <= options.runs; run++) {
      for (const side of taken) {
        await before(side);
        const split = await splitBrain(side, options.split, async () => control.calls());
        results.get(side.name)?.push(split);
        console.error(`split-brain ${run}/${options.runs} ${side.name}: ${JSON.stringify(split)}`);
      }
    }
    printSplits(options.split, results);
  }
} finally {
  prober.stop();
  await remove();
}

async function stop(machines: readonly LabMachine[], units: string): Promise<void> {
  for (const machine of machines) await must(machine, `systemctl stop ${units}`);
}

/** The guide's own record of who is master: both sides keep it. */
async function masters(machines: readonly LabMachine[]): Promise<number> {
  const states = await Promise.all(
    machines.map(async (machine) => machine.run(["cat", "/run/nginx-ha-keepalived.state"])),
  );
  return states.filter(({ stdout }) => stdout.trim() === "STATE=MASTER").length;
}

async function installNotify(machines: readonly LabMachine[]): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-bench-"));
  const program = join(directory, "notify.mjs");
  await build({
    entryPoints: [join(import.meta.dirname, "failover/guide-notify.ts")],
    outfile: program,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  });
  const content = await readFile(program);
  await rm(directory, { recursive: true });
  const [first, second] = machines.map((machine) => privateDnsName(region, machine.address));
  for (const machine of machines) {
    await writeFile(machine, { path: `${notify}.mjs`, content, mode: 0o644, owner: "root:root" });
    const script = `#!/bin/sh
export AWS_DEFAULT_REGION=${region} HA_NODE_1=${first} HA_NODE_2=${second} ALLOCATION_ID=${allocationId(name, "entry")} ENDPOINT=${apiUrl}
exec ${await nodeOf(machine)} ${notify}.mjs "$@"
`;
    await writeFile(machine, { path: notify, content: script, mode: 0o755, owner: "root:root" });
  }
}

async function nodeOf(machine: LabMachine): Promise<string> {
  return (await must(machine, "command -v /opt/holdfast/node || command -v node")).trim();
}
