/** One step of a plan made true on its host. Every kind may be cut anywhere and done again. */
import type { Content, DesiredFile, DesiredHost, DesiredTask, DesiredUnit } from "../core/plan/desired.ts";
import type { Step } from "../core/plan/steps.ts";
import { writeFile } from "../hosts/files.ts";
import { HoldfastError } from "../lib/errors.ts";
import { lastLines } from "../lib/exec.ts";
import type { Host } from "../ports.ts";
import { sha256, type Artifacts } from "./artifacts.ts";
import type { ManifestEditor } from "./manifest.ts";
import { appliedPath } from "./observe.ts";
import { changeUnit, removeUnit } from "./units.ts";

/** @throws HoldfastError when it cannot be done; HostUnreachable */
export async function performStep(
  step: Step,
  host: Host,
  manifest: ManifestEditor,
  {
    desired: all,
    artifacts,
  }: { readonly desired: ReadonlyMap<string, DesiredHost>; readonly artifacts: Artifacts },
): Promise<void> {
  const desired = found(all.get(step.host), `desired state of ${step.host}`);
  switch (step.kind) {
    case "packages":
      return installPackages(host, step.names);
    case "user":
      return createUser(host, desired, step.name);
    case "directory":
      return makeDirectory(host, desired, step.path);
    case "file": {
      const file = found(
        desired.files.find(({ path }) => path === step.path),
        step.path,
      );
      manifest.wrote(file.path, await putFile(host, file, artifacts));
      return;
    }
    case "remove-file":
      await must(host, ["rm", "-f", "--", step.path], `remove ${step.path}`);
      manifest.removedFile(step.path);
      return;
    case "daemon-reload":
      return must(host, ["systemctl", "daemon-reload"], "systemctl daemon-reload");
    case "unit": {
      const unit = found(
        desired.units.find(({ name }) => name === step.name),
        step.name,
      );
      const reads = ["start", "restart", "reload"].includes(step.action);
      // A unit that does not come up has read the new files all the same: going back to the old ones is a restart too.
      if (reads) await must(host, ["rm", "-f", "--", appliedPath(unit.name)], `forget ${unit.name}'s files`);
      await changeUnit(host, unit, step.action);
      if (reads) await recordApplied(host, desired, unit, artifacts);
      return;
    }
    case "remove-unit":
      await removeUnit(host, step.name);
      manifest.removedUnit(step.name);
      return;
    case "task":
      return runTask(
        host,
        found(
          desired.tasks.find(({ id }) => id === step.id),
          step.id,
        ),
      );
  }
}

export function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the plan names ${what}, which is not desired`);
  return value;
}

async function must(host: Host, argv: readonly string[], what: string, timeoutMs = 30_000): Promise<void> {
  const { code, stderr, stdout } = await host.run(argv, { timeoutMs });
  if (code !== 0) throw new HoldfastError(`${what} failed (exit ${code}): ${lastLines(stderr || stdout, 8)}`);
}

async function installPackages(host: Host, names: readonly string[]): Promise<void> {
  const argv = [
    "env",
    "DEBIAN_FRONTEND=noninteractive",
    "apt-get",
    "install",
    "-y",
    "--no-install-recommends",
    ...names,
  ];
  const { code, stderr } = await host.run(argv, { timeoutMs: 600_000 });
  if (code === 0) return;
  throw new HoldfastError(`the packages cannot be installed: ${lastLines(stderr, 3)}`, {
    fix: `install them on ${host.name} by hand (${names.join(" ")}), or give it a package source that has them`,
  });
}

async function createUser(host: Host, desired: DesiredHost, name: string): Promise<void> {
  const user = found(
    desired.users.find((user) => user.name === name),
    name,
  );
  const id = user.uid === undefined ? [] : ["--uid", String(user.uid)];
  const groups = user.groups === undefined ? [] : ["--groups", user.groups.join(",")];
  await must(
    host,
    [
      "useradd",
      "--system",
      "--user-group",
      "--no-create-home",
      "--shell",
      "/usr/sbin/nologin",
      ...id,
      ...groups,
      name,
    ],
    `create user ${name}`,
  );
}

async function makeDirectory(host: Host, desired: DesiredHost, path: string): Promise<void> {
  const directory = found(
    desired.directories.find((directory) => directory.path === path),
    path,
  );
  const [user = "root", group = "root"] = directory.owner.split(":");
  await must(
    host,
    ["install", "-d", "-m", directory.mode.toString(8), "-o", user, "-g", group, path],
    `directory ${path}`,
  );
}

export function contentBytes(content: Content, artifacts: Artifacts): Uint8Array | string {
  if (content.kind === "text") return content.text;
  const artifact = artifacts[content.artifact as keyof Artifacts];
  if (artifact?.sha256 !== content.sha256)
    throw new Error(`artifact ${content.artifact} changed while performing`);
  return artifact.bytes;
}

/** @returns the sha256 of what was written */
async function putFile(host: Host, file: DesiredFile, artifacts: Artifacts): Promise<string> {
  const content = contentBytes(file.content, artifacts);
  const { path, mode, owner } = file;
  await writeFile(host, {
    path,
    content,
    mode,
    owner,
    ...(file.check === undefined ? {} : { check: file.check }),
  });
  return sha256(content);
}

/** Says which files the unit now runs with: what decides about its next reload or restart. */
async function recordApplied(
  host: Host,
  desired: DesiredHost,
  unit: DesiredUnit,
  artifacts: Artifacts,
): Promise<void> {
  const lines = unit.files.map((path) => {
    const file = found(
      desired.files.find((file) => file.path === path),
      `${path}, which unit ${unit.name} reads`,
    );
    return `${sha256(contentBytes(file.content, artifacts))} ${path}\n`;
  });
  await writeFile(host, {
    path: appliedPath(unit.name),
    content: lines.join(""),
    mode: 0o644,
    owner: "root:root",
  });
}

async function runTask(host: Host, task: DesiredTask): Promise<void> {
  const probe = await host.run(task.done, { timeoutMs: 15_000 });
  if (probe.code === 0) return; // another host's task did it meanwhile
  const { code, stderr, stdout } = await host.run(task.act, { timeoutMs: task.timeoutMs ?? 120_000 });
  if (code !== 0) throw new HoldfastError(`it failed (exit ${code}): ${lastLines(stderr || stdout, 8)}`);
  const proof = await host.run(task.done, { timeoutMs: 15_000 });
  if (proof.code !== 0) {
    throw new HoldfastError(
      `it ended well, but its check still fails: ${lastLines(proof.stderr || proof.stdout || "no output", 8)}`,
    );
  }
}
