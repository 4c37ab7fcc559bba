import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { presentTopology } from "../../core/topology/pool.ts";
import { parseTopology } from "../../core/topology/parse.ts";
import { isService, type ServiceTopology } from "../../core/topology/schema.ts";
import { readFile } from "node:fs/promises";
import { readPool, readPresent, writePool } from "./record.ts";
import { stateDirectory } from "../state.ts";

let home: string;
let full: ServiceTopology;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "holdfast-pool-"));
  full = await poolTopology();
});
afterEach(() => rm(home, { recursive: true }));

async function poolTopology(): Promise<ServiceTopology> {
  const file = join(import.meta.dirname, "../../../blueprints/privx-onprem.yaml");
  const text = (await readFile(file, "utf8"))
    .replace("  data1:", "  app3: { zone: c, address: 10.77.10.23, memory: 2GiB }\n  data1:")
    .replace("hosts: [app1, app2]", "hosts: [app1, app2, app3]\n  pool: { max: 3 }");
  const { topology, problems } = parseTopology(text, file);
  if (topology === undefined || !isService(topology)) throw new Error(JSON.stringify(problems));
  return topology;
}

const directory = (): string => stateDirectory(home, full.name);

describe("the record", () => {
  it("begins with the hosts that `up` makes", async () => {
    const { desired, members } = await readPool(directory(), full);
    expect([desired, members.map(({ host, role }) => `${host} ${role}`)]).toEqual([
      2,
      ["app1 serving", "app2 serving"],
    ]);
  });

  it("is replaced by whoever saw it last, and by nobody else", async () => {
    const seen = await readPool(directory(), full);
    expect(await writePool(directory(), full, { ...seen, desired: 3 })).toBe(true);
    expect(await writePool(directory(), full, { ...seen, desired: 1 })).toBe(false);
    expect((await readPool(directory(), full)).desired).toBe(3);
  });

  it("is not guessed when it is damaged", async () => {
    await writePool(directory(), full, await readPool(directory(), full));
    await writeFile(join(directory(), "pool.json"), '{"version":1,"members":');
    await expect(readPool(directory(), full)).rejects.toThrow(/is not a record/);
    await expect(readPresent(full, home)).rejects.toThrow(/is not a record/);
  });
});

describe("what exists", () => {
  it("is without the hosts that are no members, which stay known to the others", async () => {
    const present = await readPresent(full, home);
    expect(present.app?.hosts).toEqual(["app1", "app2"]);
    expect(Object.keys(present.hosts)).not.toContain("app3");
    expect(present.candidates?.app).toEqual(["app1", "app2", "app3"]);
  });

  it("follows the members, without who drains", async () => {
    const seen = await readPool(directory(), full);
    const members = [
      { host: "app1", role: "draining" as const, protected: false },
      ...seen.members.slice(1),
      { host: "app3", role: "standby" as const, protected: false },
    ];
    await writePool(directory(), full, { ...seen, members });
    expect((await readPresent(full, home)).app?.hosts).toEqual(["app2", "app3"]);
  });

  it("keeps a host that is more than an app host", () => {
    const both = { ...full, cache: full.cache && { ...full.cache, hosts: ["data1", "data2", "app3"] } };
    expect(presentTopology(both, ["app1"]).app?.hosts).toEqual(["app1", "app3"]);
  });
});
