/**
 * A virtual address that moves: Holdfast's settings against the guide's, side by side, in the same run.
 * `npm run bench:vip -- --runs 20 --faults host-power-off,proxy-crash` (as root).
 */
import { benchLab } from "./failover/lab.ts";
import { guideSide, setUpGuide, startGuide } from "./failover/guide.ts";
import { oursSide } from "./failover/ours.ts";
import { Prober } from "./failover/prober.ts";
import { benchOptions, compare, faultNames } from "./failover/run.ts";
import { must } from "./failover/side.ts";

const options = benchOptions(faultNames);
const { network } = options;
const [ourAddress, guideAddress] = [`${network}.100`, `${network}.101`];

const { topology, lab, ours, guide, remove } = await benchLab(
  options.lab,
  `${network}.0/24`,
  `{ vip: ${ourAddress} }`,
);
const probers = [ourAddress, guideAddress].map(
  (address) => new Prober(lab.clientNamespace, address, 80, options.every),
);
try {
  const pair = {
    machines: guide,
    instance: `virtual_ipaddress {\n        ${guideAddress}\n    }`,
    holds: async (machine: (typeof guide)[number]) =>
      (await must(machine, "ip -4 -o address show dev host0")).includes(` ${guideAddress}/`),
  };
  await setUpGuide(pair);
  for (const machine of guide) await startGuide(machine);
  const [first, second] = probers;
  if (first === undefined || second === undefined) throw new Error("no probers");
  await compare(
    `A virtual address, a request every ${options.every} ms from the clients' namespace`,
    [oursSide(topology, ours, first), guideSide(pair, second)],
    options,
  );
} finally {
  for (const prober of probers) prober.stop();
  await remove();
}
