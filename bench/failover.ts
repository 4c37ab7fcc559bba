/**
 * How long writes stop and what is lost when the primary fails, side by side: `npm run bench:failover --
 * [--runs 20] [--faults power-off,freeze-host] [--variants accelerator,fastest,defaults] [--data 3|2]
 * [--burners 4] [--keep FILE]`. Needs root. Its lab is removed at the end; with --keep the service of that
 * topology file, which is up, is used and stays.
 */
import { spawn } from "node:child_process";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import type { Cluster, Variant } from "./database/cluster.ts";
import { faults } from "./database/faults.ts";
import { type RunResult, spread } from "./database/ledger.ts";
import { oneRun, prepareTable } from "./database/run.ts";
import { openService } from "./database/service.ts";

const variants: readonly Variant[] = ["accelerator", "fastest", "defaults"];
const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "3" },
    faults: { type: "string", default: faults.map(({ name }) => name).join(",") },
    variants: { type: "string", default: variants.join(",") },
    data: { type: "string", default: "3" },
    burners: { type: "string", default: "0" },
    keep: { type: "string" },
  },
});
const chosen = values.faults.split(",").map((name) => {
  const fault = faults.find((candidate) => candidate.name === name);
  if (fault === undefined)
    throw new Error(`no fault ${name}; there are ${faults.map((one) => one.name).join(", ")}`);
  return fault;
});

const service = await openService({
  dataHosts: Number(values.data),
  keep: values.keep,
});
const burners = Array.from({ length: Number(values.burners) }, () =>
  spawn("sh", ["-c", "while :; do :; done"], { stdio: "ignore" }),
);
try {
  await bench(service.cluster);
} finally {
  for (const burner of burners) burner.kill("SIGKILL");
  await service.end();
}

async function bench(cluster: Cluster): Promise<void> {
  console.log(
    `${cpus().length} × ${cpus()[0]?.model}; ${values.data} data hosts, ${values.burners} burners; a write every 2 ms, ` +
      `${values.runs} runs; outage of writes in seconds, min/median/max`,
  );
  await prepareTable(cluster);
  let bad = 0;
  for (const variant of values.variants.split(",") as Variant[]) {
    await cluster.become(variant);
    for (const fault of chosen) {
      if (variant !== "accelerator" && fault.name === "stop-agent") continue;
      const results: RunResult[] = [];
      for (let run = 0; run < Number(values.runs); run++) {
        const result = await oneRun(cluster, variant, fault);
        results.push(result);
        console.error(`  ${variant} ${fault.name} ${run + 1}: ${JSON.stringify(result)}`);
      }
      const sum = (what: "lost" | "twice" | "acknowledged"): number =>
        results.reduce((total, result) => total + result[what], 0);
      bad += sum("lost") + sum("twice");
      console.log(
        `${variant.padEnd(12)} ${fault.name.padEnd(22)} ${spread(results.map(({ outageMs }) => outageMs)).padEnd(22)}` +
          ` lost ${sum("lost")} of ${sum("acknowledged")}, by two primaries ${sum("twice")}`,
      );
    }
  }
  process.exitCode = bad === 0 ? 0 : 1;
}
