import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { recordedIo } from "../../test/support/io.ts";
import { parseTopology } from "../core/topology/parse.ts";
import { ExitStatus } from "../lib/errors.ts";
import { run } from "./init.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "holdfast-init-test-"));
});
afterEach(() => rm(directory, { recursive: true }));

const blueprintFile = resolve(import.meta.dirname, "../../blueprints/privx-onprem.yaml");
const written = (name = "holdfast.yaml"): Promise<string> => readFile(join(directory, name), "utf8");
const init = (...args: string[]): Promise<number> => run(args, recordedIo(directory));

const comments = (text: string): string[] => text.match(/#(?! yaml-language).*$/gm) ?? [];

test("writes the blueprint with its comments, and nothing else", async () => {
  expect(await init("privx-onprem")).toBe(ExitStatus.ok);
  const text = await written();
  expect(comments(text)).toEqual(comments(await readFile(blueprintFile, "utf8")));
  expect(comments(text).length).toBeGreaterThan(5);
  expect(await readdir(directory)).toEqual(["holdfast.yaml"]);
});

test("paths in the file still lead to the same files", async () => {
  await init("privx-onprem", "--output", "new.yaml");
  const { topology } = parseTopology(await written("new.yaml"), "new.yaml");
  expect(resolve(directory, topology?.app?.package ?? "")).toBe(
    resolve(dirname(blueprintFile), "../dist/access-manager-1.0.0.tar.gz"),
  );
  const schema = /\$schema=(\S+)/.exec(await written("new.yaml"))?.[1] ?? "";
  expect((await stat(resolve(directory, schema))).isFile()).toBe(true);
});

test("another name and subnet: every address moves, the file stays valid", async () => {
  await init("privx-onprem", "--name", "blue", "--subnet", "172.20.0.0/16");
  const text = await written();
  expect(text).not.toContain("10.77.10.");
  const { topology, problems } = parseTopology(text, "holdfast.yaml");
  expect(problems).toEqual([]);
  expect(topology?.name).toBe("blue");
  expect(topology?.entry.address).toMatchObject({ vip: "172.20.0.10" });
  expect(topology?.hosts["data3"]?.address).toBe("172.20.0.33");
});

test("an existing file is kept unless --force is given", async () => {
  await writeFile(join(directory, "holdfast.yaml"), "mine");
  await expect(init("privx-onprem")).rejects.toMatchObject({
    message: `${join(directory, "holdfast.yaml")} exists already`,
    fix: "choose another --output, or add --force to replace it",
    exitStatus: ExitStatus.usage,
  });
  expect(await written()).toBe("mine");
  expect(await readdir(directory)).toEqual(["holdfast.yaml"]);
  await init("privx-onprem", "--force");
  expect(await written()).toContain("holdfast: 1");
});

test.each([
  [[], "which blueprint?", "blueprints: nginx-eip, privx-onprem"],
  [["privx-onprom"], 'there is no blueprint "privx-onprom"', "did you mean privx-onprem?"],
  [["../package"], 'there is no blueprint "../package"', "blueprints: nginx-eip, privx-onprem"],
  [["privx-onprem", "--nmae", "x"], "Unknown option '--nmae'", "did you mean --name?"],
  [["privx-onprem", "--name", "Blue"], "--name Blue: must be lower-case", "choose another name"],
  [["privx-onprem", "--subnet", "10.1"], "--subnet 10.1: must be an IPv4 subnet", "10.77.20.0/24"],
  [["privx-onprem", "--subnet", "10.1.0.0/28"], "--subnet 10.1.0.0/28 is too small", "as large as"],
  [["privx-onprem", "--subnet", "10.1.0.5/24"], "10.1.0.5/24 names a host", "another --subnet"],
  [["privx-onprem", "--subnet", "127.0.0.0/24"], "is the loopback network", "another --subnet"],
  [["privx-onprem", "--output", "no/such/x.yaml"], "there is no directory", "create it first"],
])("init %j is refused", async (args, found, fix) => {
  await expect(init(...args)).rejects.toMatchObject({
    message: expect.stringContaining(found) as string,
    fix: expect.stringContaining(fix) as string,
    exitStatus: ExitStatus.usage,
  });
  expect(await readdir(directory)).toEqual([]);
});
