/**
 * The plan: the difference between desired and observed, as ordered data. It holds no content and no
 * secret: steps name paths and units, and `run/perform.ts` looks the content up in what was rendered.
 */
import { Phase, type DesiredFile, type DesiredHost, type DesiredUnit } from "./desired.ts";
import type { ObservedFile, ObservedHost } from "./observed.ts";

export type UnitAction = "start" | "restart" | "reload" | "stop" | "mask" | "enable";

interface StepBase {
  readonly host: string;
  readonly phase: Phase;
  /** One line for people. */
  readonly summary: string;
}
export type Step = StepBase &
  (
    | { readonly kind: "packages"; readonly names: readonly string[] }
    | { readonly kind: "user"; readonly name: string }
    | { readonly kind: "directory"; readonly path: string }
    | {
        readonly kind: "file";
        readonly path: string;
        readonly change: "create" | "content" | "attributes";
        readonly drift: boolean;
      }
    | { readonly kind: "remove-file"; readonly path: string }
    | { readonly kind: "daemon-reload" }
    | { readonly kind: "unit"; readonly name: string; readonly action: UnitAction; readonly serial?: string }
    | { readonly kind: "remove-unit"; readonly name: string }
    | { readonly kind: "task"; readonly id: string }
  );

export interface Plan {
  readonly steps: readonly Step[];
}

/** sha256 by path of what a host should have; computed at the edge, where hashing lives. */
export type FileDigests = Readonly<Record<string, string>>;

const unitDirectory = "/etc/systemd/system/";

/** Steps that take one host from what was observed to what is desired, in the order to perform them. */
export function planHost(desired: DesiredHost, digests: FileDigests, observed: ObservedHost): Step[] {
  const steps = [
    ...removalSteps(desired, observed),
    ...baseSteps(desired, observed),
    ...desired.files.flatMap((file) =>
      fileStep(file, filePhase(file, desired), desired.host, digests, observed),
    ),
    ...unitSteps(desired, digests, observed),
    ...taskSteps(desired, observed),
  ];
  return withDaemonReload(orderByPhase(steps), observed);
}

/** Steps of every host, in phases. Hosts of a phase are independent of each other. */
export function planSteps(
  hosts: readonly {
    readonly desired: DesiredHost;
    readonly digests: FileDigests;
    readonly observed: ObservedHost;
  }[],
): Plan {
  return {
    steps: orderByPhase(hosts.flatMap((host) => planHost(host.desired, host.digests, host.observed))),
  };
}

/** Sorting is stable: within a phase the order per host stays as it was made. */
function orderByPhase(steps: readonly Step[]): Step[] {
  return [...steps].sort((a, b) => a.phase - b.phase);
}

function removalSteps(desired: DesiredHost, observed: ObservedHost): Step[] {
  const wantedUnits = new Set(desired.units.map((unit) => unit.name));
  const wantedFiles = new Set(desired.files.map((file) => file.path));
  const at = { host: desired.host, phase: Phase.base };
  return [
    ...observed.manifest.units
      .filter((name) => !wantedUnits.has(name))
      .map((name): Step => ({
        ...at,
        kind: "remove-unit",
        name,
        summary: `stop and disable ${name}: no longer in the topology`,
      })),
    ...Object.keys(observed.manifest.files)
      .filter((path) => !wantedFiles.has(path))
      .map((path): Step => ({
        ...at,
        kind: "remove-file",
        path,
        summary: `remove ${path}: no longer in the topology`,
      })),
  ];
}

function baseSteps(desired: DesiredHost, observed: ObservedHost): Step[] {
  const at = { host: desired.host, phase: Phase.base };
  const missing = desired.packages.filter((name) => !observed.packages.includes(name));
  const steps: Step[] = [];
  if (missing.length > 0) {
    steps.push({ ...at, kind: "packages", names: missing, summary: `install ${missing.join(", ")}` });
  }
  for (const { name } of desired.users.filter((user) => !observed.users.includes(user.name))) {
    steps.push({ ...at, kind: "user", name, summary: `create user ${name}` });
  }
  for (const directory of desired.directories) {
    const seen = observed.directories[directory.path];
    if (seen === undefined || seen.mode !== directory.mode || seen.owner !== directory.owner) {
      steps.push({ ...at, kind: "directory", path: directory.path, summary: `directory ${directory.path}` });
    }
  }
  return steps;
}

/** A file is written just before the first unit that reads it, so that a cut plan leaves old units with old files. */
function filePhase(file: DesiredFile, desired: DesiredHost): Phase {
  if (file.phase !== undefined) return file.phase;
  const phases = desired.units.filter((unit) => unit.files.includes(file.path)).map((unit) => unit.phase);
  return phases.length === 0 ? Phase.base : (Math.min(...phases) as Phase);
}

function fileStep(
  file: DesiredFile,
  phase: Phase,
  host: string,
  digests: FileDigests,
  observed: ObservedHost,
): Step[] {
  const seen = observed.files[file.path];
  const change = fileChange(file, digests, seen);
  if (change === null) return [];
  const drift = isDrift(file.path, change, seen, observed);
  const verb = change === "create" ? "create" : change === "content" ? "change" : "set mode and owner of";
  const summary = `${verb} ${file.path}${drift ? " (edited by hand)" : ""}`;
  return [{ host, phase, kind: "file", path: file.path, change, drift, summary }];
}

function fileChange(
  file: DesiredFile,
  digests: FileDigests,
  seen: ObservedFile | undefined,
): "create" | "content" | "attributes" | null {
  if (seen === undefined) return "create";
  if (seen.sha256 !== digests[file.path]) return "content";
  return seen.mode === file.mode && seen.owner === file.owner ? null : "attributes";
}

/** Drift: the host differs from what Holdfast last wrote there. Otherwise the topology (or Holdfast) changed. */
function isDrift(
  path: string,
  change: string,
  seen: ObservedFile | undefined,
  observed: ObservedHost,
): boolean {
  const written = observed.manifest.files[path];
  // Empty: a run that was killed had meant to write it (see run/manifest.ts).
  if (written === undefined || written === "") return false;
  return change === "attributes" || seen?.sha256 !== written;
}

function unitSteps(desired: DesiredHost, digests: FileDigests, observed: ObservedHost): Step[] {
  return desired.units.flatMap((unit) => {
    const at = { host: desired.host, phase: unit.phase, kind: "unit" as const, name: unit.name };
    return unitActions(unit, digests, observed).map(({ action, why }): Step => {
      const serial =
        unit.serial !== undefined && (action === "restart" || action === "reload")
          ? { serial: unit.serial }
          : {};
      return { ...at, action, ...serial, summary: `${action} ${unit.name}${why}` };
    });
  });
}

function unitActions(
  unit: DesiredUnit,
  digests: FileDigests,
  observed: ObservedHost,
): { action: UnitAction; why: string }[] {
  const seen = observed.units[unit.name];
  if (unit.state === "masked") return seen?.load === "masked" ? [] : [{ action: "mask", why: "" }];
  if (unit.state === "stopped") return seen?.active === "inactive" ? [] : [{ action: "stop", why: "" }];
  const enable = seen?.enabled === true ? [] : [{ action: "enable" as const, why: "" }];
  if (seen === undefined || seen.active !== "active") {
    return [...enable, { action: "start", why: seen?.active === "failed" ? ": it has failed" : "" }];
  }
  const changed = unit.files.filter((path) => seen.applied?.[path] !== digests[path]);
  if (changed.length === 0) return enable;
  const restart =
    unit.onChange === "restart" ||
    seen.applied === null ||
    changed.some((path) => unit.restartFiles?.includes(path));
  return [...enable, { action: restart ? "restart" : "reload", why: `: ${changed.join(", ")} changed` }];
}

function taskSteps(desired: DesiredHost, observed: ObservedHost): Step[] {
  return desired.tasks
    .filter((task) => !observed.tasksDone.includes(task.id))
    .map((task): Step => ({
      host: desired.host,
      phase: task.phase,
      kind: "task",
      id: task.id,
      summary: task.title,
    }));
}

/** systemd must read changed unit files before the next unit step of the host; never otherwise. */
function withDaemonReload(steps: readonly Step[], observed: ObservedHost): Step[] {
  let stale = Object.values(observed.units).some((unit) => unit.needsDaemonReload);
  return steps.flatMap((step): Step[] => {
    if ((step.kind === "file" || step.kind === "remove-file") && step.path.startsWith(unitDirectory))
      stale = true;
    if (step.kind !== "unit" || !stale) return [step];
    stale = false;
    return [
      {
        host: step.host,
        phase: step.phase,
        kind: "daemon-reload",
        summary: "systemd reads its unit files again",
      },
      step,
    ];
  });
}
