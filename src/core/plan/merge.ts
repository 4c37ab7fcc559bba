import type { Engine, HostPart, RenderContext } from "../engines/engine.ts";
import type { DesiredDirectory, DesiredFile, DesiredHost, DesiredUser } from "./desired.ts";

/**
 * What every host of the topology should have: the parts of all engines, merged per host.
 * @throws Error when two engines want the same path or unit on one host: a mistake in an engine, not of the operator.
 */
export function renderDesired(engines: readonly Engine[], context: RenderContext): DesiredHost[] {
  const parts = engines.flatMap((engine) => engine.render(context));
  return Object.keys(context.topology.hosts).map((host) =>
    mergeParts(
      host,
      parts.filter((part) => part.host === host),
    ),
  );
}

function mergeParts(host: string, parts: readonly HostPart[]): DesiredHost {
  const all = <K extends keyof Omit<DesiredHost, "host">>(key: K): DesiredHost[K][number][] =>
    parts.flatMap((part) => (part[key] ?? []) as DesiredHost[K][number][]);
  const desired: DesiredHost = {
    host,
    packages: [...new Set(all("packages"))].sort(),
    users: mergeUsers(all("users")),
    directories: uniqueBy(
      [...dropInDirectories(all("files")), ...all("directories")],
      (directory) => directory.path,
    ),
    files: all("files"),
    units: all("units"),
    tasks: all("tasks"),
  };
  refuseTwins(
    host,
    "file",
    desired.files.map((file) => file.path),
  );
  refuseTwins(
    host,
    "unit",
    desired.units.map((unit) => unit.name),
  );
  refuseTwins(
    host,
    "task",
    desired.tasks.map((task) => task.id),
  );
  return desired;
}

/** systemd's packages do not bring the directories of drop-ins along. */
function dropInDirectories(files: readonly DesiredFile[]): DesiredDirectory[] {
  return files
    .map((file) => /^\/etc\/systemd\/system\/[^/]+\.d(?=\/)/.exec(file.path)?.[0])
    .filter((path) => path !== undefined)
    .map((path) => ({ path, mode: 0o755, owner: "root:root" }));
}

function mergeUsers(users: readonly DesiredUser[]): DesiredUser[] {
  const byName = new Map<string, DesiredUser>();
  for (const user of users) {
    const known = byName.get(user.name);
    const groups = [...new Set([...(known?.groups ?? []), ...(user.groups ?? [])])];
    byName.set(user.name, { ...known, ...user, ...(groups.length > 0 ? { groups } : {}) });
  }
  return [...byName.values()];
}

function uniqueBy<T>(items: readonly T[], key: (item: T) => string): T[] {
  return [...new Map(items.map((item) => [key(item), item])).values()];
}

function refuseTwins(host: string, kind: string, keys: readonly string[]): void {
  const twin = keys.find((key, index) => keys.indexOf(key) !== index);
  if (twin !== undefined) throw new Error(`two engines want ${kind} ${twin} on host ${host}`);
}
