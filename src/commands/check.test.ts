import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { recordedIo } from "../../test/support/io.ts";
import { ExitStatus } from "../lib/errors.ts";
import { run } from "./check.ts";
import { loadTopology, refuseErrors } from "./load.ts";

let directory: string;
let blueprint: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "holdfast-check-test-"));
  blueprint = await readFile(resolve(import.meta.dirname, "../../blueprints/privx-onprem.yaml"), "utf8");
  // The package as the blueprint names it, so that the result does not depend on what has been built.
  await mkdir(join(directory, "dist"));
  await mkdir(join(directory, "work"));
  await writeFile(join(directory, "dist/access-manager-1.0.0.tar.gz"), "");
});
afterEach(() => rm(directory, { recursive: true }));

const workDirectory = (): string => join(directory, "work");
const write = (text: string): Promise<void> => writeFile(join(workDirectory(), "holdfast.yaml"), text);

test("a good file: exit 0, accepted findings with their reasons", async () => {
  await write(blueprint);
  const io = recordedIo(workDirectory());
  expect(await run([], io)).toBe(ExitStatus.ok);
  expect(io.lines.at(-1)).toMatch(/holdfast\.yaml: 0 errors, \d warnings?, 2 accepted$/);
  expect(io.lines.join("\n")).toContain("accepted: two database hosts, as the guide has");
});

test("an error: exit 2, with place, caret and fix", async () => {
  await write(blueprint.replace("hosts: [app1, app2]", "hosts: [app1]"));
  const io = recordedIo(workDirectory());
  expect(await run(["holdfast.yaml"], io)).toBe(ExitStatus.usage);
  const output = io.lines.join("\n");
  expect(output).toContain(
    "holdfast.yaml:40:10: error HF101 app.hosts: one app host: its loss stops the service\n" +
      "    40 |   hosts: [app1]\n" +
      "       |          ^\n" +
      "    fix: add a second, in another zone",
  );
  const loaded = await loadTopology(undefined, io);
  expect(() => {
    refuseErrors(loaded);
  }).toThrow(/has 1 error\n.*HF101/s);
});

test("an invalid file: exit 2 with every mistake; loading it throws them all", async () => {
  await write(blueprint.replace("vip: 10.77.10.10", "vip: x").replace("holdfast: 1", "holdfast: 2"));
  const io = recordedIo(workDirectory());
  expect(await run([], io)).toBe(ExitStatus.usage);
  expect(io.lines.at(-1)).toMatch(/2 errors, 0 warnings, 0 accepted$/);
  await expect(loadTopology(undefined, io)).rejects.toMatchObject({
    message: expect.stringMatching(/is not a valid topology: 2 mistakes\n.*HF010.*HF008/s) as string,
    exitStatus: ExitStatus.usage,
  });
});

test("--json: one line per problem and one for the whole", async () => {
  await write(blueprint.replace("hosts: [app1, app2]", "hosts: [app1]"));
  const io = recordedIo(workDirectory(), true);
  await run(["--json"], io);
  const events = io.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(events).toContainEqual({
    type: "problem",
    code: "HF101",
    severity: "error",
    path: "app.hosts",
    file: join(workDirectory(), "holdfast.yaml"),
    line: 40,
    column: 10,
    found: "one app host: its loss stops the service",
    fix: "add a second, in another zone",
  });
  expect(events.at(-1)).toMatchObject({ type: "check", valid: true, errors: 1, accepted: 2 });
});

test("the package is looked for beside the topology file", async () => {
  await write(blueprint);
  await rm(join(directory, "dist"), { recursive: true });
  const io = recordedIo(workDirectory());
  expect(await run([], io)).toBe(ExitStatus.usage);
  const file = join(directory, "dist/access-manager-1.0.0.tar.gz");
  expect(io.lines.join("\n")).toContain(`HF146 app.package: ${file} cannot be read: no such file`);
});

test("a blueprint by its name", async () => {
  const loaded = await loadTopology("privx-onprem", recordedIo(workDirectory()));
  expect(loaded.topology.name).toBe("privx-onprem");
  expect(loaded.file).toBe(resolve(import.meta.dirname, "../../blueprints/privx-onprem.yaml"));
});

test.each([
  [undefined, /^there is no .*work\/holdfast\.yaml$/, "holdfast init <blueprint>"],
  ["other.yaml", /^there is no .*other\.yaml$/, "privx-onprem"],
  ["privx-onprme", /^there is no blueprint "privx-onprme"$/, "did you mean privx-onprem?"],
  ["..", /^cannot read .*EISDIR/, "privx-onprem"],
])("no file %s", async (argument, found, fix) => {
  await expect(loadTopology(argument, recordedIo(workDirectory()))).rejects.toMatchObject({
    message: expect.stringMatching(found) as string,
    fix: expect.stringContaining(fix) as string,
    exitStatus: ExitStatus.usage,
  });
});
