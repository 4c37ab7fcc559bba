/** Makes the lab that the bench needs: the blueprint with as many data hosts as wanted and one client. */
import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { openLab } from "../../src/hosts/lab/lab.ts";
import { home, testReporter } from "../../test/support/lab.ts";
import { testService } from "../../test/support/service.ts";
import { Cluster } from "./cluster.ts";

export interface BenchService {
  readonly cluster: Cluster;
  end(): Promise<void>;
}

interface Options {
  readonly dataHosts: number;
  /** File of a topology that is up; it stays so. */
  readonly keep: string | undefined;
}

export async function openService({ dataHosts, keep }: Options): Promise<BenchService> {
  if (keep !== undefined) {
    const { name } = parse(await readFile(keep, "utf8")) as { name: string };
    const lab = await openLab({ home, name, reporter: testReporter() });
    return { cluster: await Cluster.open(lab, keep), end: () => Promise.resolve() };
  }
  const service = await testService();
  try {
    await service.edit((text) => benchTopology(text, dataHosts));
    const { code, stderr } = await service.holdfast(["up", service.file, "--yes"]);
    if (code !== 0) throw new Error(`holdfast up failed:\n${stderr}`);
    return { cluster: await Cluster.open(await service.lab(), service.file), end: () => service.remove() };
  } catch (error) {
    await service.remove();
    throw error;
  }
}

/** One app host is enough; more would take the CPU that is measured with. */
export function benchTopology(text: string, dataHosts: number): string {
  const accepted = ["HF101"].map(
    (code) => `  - code: ${code}\n    reason: one client is enough for the database's bench\n`,
  );
  return text
    .replaceAll(/^ {2}app2:.*\n/gm, "")
    .replace("hosts: [app1, app2]", "hosts: [app1]")
    .replace(/^( {2}data3:.*)memory: 2GiB/m, "$1memory: 4GiB")
    .replace(
      "hosts: [data1, data2]",
      dataHosts === 3 ? "hosts: [data1, data2, data3]" : "hosts: [data1, data2]",
    )
    .replace(/^accept:.*\n/m, (line) => line + accepted.join(""));
}
