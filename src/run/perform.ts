import type { Content, DesiredFile, DesiredHost, DesiredTask, DesiredUnit } from "../core/plan/desired.ts";
import type { Plan, Step } from "../core/plan/steps.ts";
import { writeFile } from "../hosts/files.ts";
import { HoldfastError, HostUnreachable } from "../lib/errors.ts";
import type { Host, Reporter } from "../ports.ts";
import { sha256, type Artifacts } from "./artifacts.ts";
import { changeUnit, removeUnit } from "./units.ts";
import type { Journal } from "./journal.ts";
import { appliedPath, manifestPath } from "./observe.ts";

export interface PerformContext {
  readonly hosts: ReadonlyMap<string, Host>;
  readonly desired: ReadonlyMap<string, DesiredHost>;
  readonly artifacts: Artifacts;
  readonly journal: Journal;
  readonly reporter: Reporter;
  /** Checked between steps: Ctrl-C stops at a safe point. */
  readonly signal: AbortSignal;
  /** Called before each step; tests cut the plan here. */
  readonly beforeStep?: (step: Step) => void;
}

/** What became of the hosts: those that failed are named with their error, the others went on to the phase's end. */
export async function perform(plan: Plan, context: PerformContext): Promise<void> {
  const serial = serialQueue();
  for (const phase of phasesOf(plan)) {
    const hosts = [...new Set(phase.map((step) => step.host))];
    const results = await Promise.allSettled(
      hosts.map((host) =>
        performOnHost(
          phase.filter((step) => step.host === host),
          context,
          serial,
        ),
      ),
    );
    const failures = results.flatMap((result) =>
      result.status === "rejected" ? [result.reason as Error] : [],
    );
    if (failures.length > 0) throw firstOf(failures);
  }
}

function phasesOf(plan: Plan): Step[][] {
  const byPhase = Map.groupBy(plan.steps, (step) => step.phase);
  return [...byPhase.entries()].sort(([a], [b]) => a - b).map(([, steps]) => steps);
}

/** One error is thrown as it is; several are told together, since an operator wants to fix them together. */
function firstOf(failures: readonly Error[]): Error {
  const [first] = failures;
  const unexpected = failures.find((failure) => !(failure instanceof HoldfastError));
  if (unexpected !== undefined) return unexpected;
  if (failures.length === 1 && first !== undefined) return first;
  const fixes = [...new Set((failures as HoldfastError[]).flatMap((failure) => failure.fix ?? []))];
  return new HoldfastError(failures.map((failure) => failure.message).join("\n"), {
    ...(fixes.length > 0 ? { fix: fixes.join("\n") } : {}),
  });
}

async function performOnHost(
  steps: readonly Step[],
  context: PerformContext,
  serial: SerialQueue,
): Promise<void> {
  for (const step of steps) {
    if (context.signal.aborted) {
      throw new HoldfastError("interrupted", {
        fix: "run the same command again: it continues from what is there",
      });
    }
    context.beforeStep?.(step);
    await context.journal.write({ step: stepId(step), event: "start" });
    const key = step.kind === "unit" ? step.serial : undefined;
    try {
      await (key === undefined ? performStep(step, context) : serial(key, () => performStep(step, context)));
    } catch (error) {
      await context.journal.write({ step: stepId(step), event: "failed", error: (error as Error).message });
      throw withPlace(step, error);
    }
    await context.journal.write({ step: stepId(step), event: "done" });
    context.reporter.event({ type: "step", host: step.host, summary: step.summary });
  }
}

function stepId(step: Step): string {
  const { host, kind } = step;
  const key = "path" in step ? step.path : "name" in step ? step.name : "id" in step ? step.id : "";
  return `${host} ${kind} ${key}`.trim();
}

function withPlace(step: Step, error: unknown): unknown {
  if (!(error instanceof HoldfastError)) return error;
  if (error instanceof HostUnreachable) {
    return new HoldfastError(`${error.message} (while performing: ${step.summary})`, {
      fix:
        error.fix ??
        `bring ${step.host} back (or take it out of the topology) and run the same command again`,
      cause: error,
    });
  }
  return new HoldfastError(`${step.host}: ${step.summary}: ${error.message}`, {
    ...(error.fix === undefined ? {} : { fix: error.fix }),
    cause: error,
  });
}

async function performStep(step: Step, context: PerformContext): Promise<void> {
  const host = found(context.hosts.get(step.host), `host ${step.host}`);
  const desired = found(context.desired.get(step.host), `desired state of ${step.host}`);
  switch (step.kind) {
    case "packages":
      return installPackages(host, step.names);
    case "user":
      return createUser(host, desired, step.name);
    case "directory":
      return makeDirectory(host, desired, step.path);
    case "file":
      return putFile(
        host,
        found(
          desired.files.find((file) => file.path === step.path),
          step.path,
        ),
        context.artifacts,
      );
    case "remove-file":
      await must(host, ["rm", "-f", "--", step.path], `remove ${step.path}`);
      return forget(host, { file: step.path });
    case "daemon-reload":
      return must(host, ["systemctl", "daemon-reload"], "systemctl daemon-reload");
    case "unit": {
      const unit = found(
        desired.units.find((unit) => unit.name === step.name),
        step.name,
      );
      await changeUnit(host, unit, step.action);
      if (["start", "restart", "reload"].includes(step.action))
        await recordApplied(host, desired, unit, context.artifacts);
      return;
    }
    case "remove-unit":
      await removeUnit(host, step.name);
      return forget(host, { unit: step.name });
    case "task":
      return runTask(
        host,
        found(
          desired.tasks.find((task) => task.id === step.id),
          step.id,
        ),
      );
  }
}

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the plan names ${what}, which is not desired`);
  return value;
}

async function must(host: Host, argv: readonly string[], what: string, timeoutMs = 30_000): Promise<void> {
  const { code, stderr, stdout } = await host.run(argv, { timeoutMs });
  if (code !== 0) throw new HoldfastError(`${what} failed (exit ${code}): ${tail(stderr || stdout)}`);
}

const tail = (text: string, lines = 8): string => text.trimEnd().split("\n").slice(-lines).join("\n");

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
  throw new HoldfastError(`the packages cannot be installed: ${tail(stderr, 3)}`, {
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
  if (artifact.sha256 !== content.sha256)
    throw new Error(`artifact ${content.artifact} changed while performing`);
  return artifact.bytes;
}

async function putFile(host: Host, file: DesiredFile, artifacts: Artifacts): Promise<void> {
  const content = contentBytes(file.content, artifacts);
  const { path, mode, owner } = file;
  await writeFile(host, {
    path,
    content,
    mode,
    owner,
    ...(file.check === undefined ? {} : { check: file.check }),
  });
  await editManifest(host, (manifest) => {
    manifest.files[path] = sha256(content);
  });
}

interface MutableManifest {
  files: Record<string, string>;
  units: string[];
}

/** Steps of one host never run at once, so read and write need no lock of their own. */
async function editManifest(host: Host, edit: (manifest: MutableManifest) => void): Promise<void> {
  const { code, stdout } = await host.run(["cat", manifestPath]);
  let manifest: MutableManifest = { files: {}, units: [] };
  if (code === 0) {
    try {
      manifest = JSON.parse(stdout) as MutableManifest;
    } catch {
      // Written by rename, so only a broken disk does this: start anew, nothing is removed for it.
    }
  }
  edit(manifest);
  await writeFile(host, {
    path: manifestPath,
    content: `${JSON.stringify(manifest)}\n`,
    mode: 0o600,
    owner: "root:root",
  });
}

const forget = (host: Host, what: { file?: string; unit?: string }): Promise<void> =>
  editManifest(host, (manifest) => {
    if (what.file !== undefined) delete manifest.files[what.file];
    manifest.units = manifest.units.filter((unit) => unit !== what.unit);
  });

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
  await editManifest(host, (manifest) => {
    manifest.units = [...new Set([...manifest.units, unit.name])];
  });
}

async function runTask(host: Host, task: DesiredTask): Promise<void> {
  const probe = await host.run(task.done, { timeoutMs: 15_000 });
  if (probe.code === 0) return; // another host's task did it meanwhile
  const { code, stderr, stdout } = await host.run(task.act, { timeoutMs: task.timeoutMs ?? 120_000 });
  if (code !== 0) throw new HoldfastError(`it failed (exit ${code}): ${tail(stderr || stdout)}`);
  const proof = await host.run(task.done, { timeoutMs: 15_000 });
  if (proof.code !== 0) {
    throw new HoldfastError(
      `it ended well, but its check still fails: ${tail(proof.stderr || proof.stdout || "no output")}`,
    );
  }
}

type SerialQueue = (key: string, work: () => Promise<void>) => Promise<void>;

/** Work with the same key runs one at a time, in the order it came; a failure stops what waits behind it. */
function serialQueue(): SerialQueue {
  const tails = new Map<string, Promise<void>>();
  return (key, work) => {
    const next = (tails.get(key) ?? Promise.resolve()).then(work);
    tails.set(key, next);
    return next;
  };
}
