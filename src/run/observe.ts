import type { DesiredHost } from "../core/plan/desired.ts";
import type { Manifest, Observed, ObservedFile, ObservedHost, ObservedUnit } from "../core/plan/observed.ts";
import { HostUnreachable } from "../lib/errors.ts";
import type { Host } from "../ports.ts";

export const manifestPath = "/var/lib/holdfast/manifest.json";
export const appliedPath = (unit: string): string => `/var/lib/holdfast/applied/${unit}`;

const emptyManifest: Manifest = { files: {}, units: [] };

/** Looks at everything of `desired` on the host in one round trip. An unreachable host is data. */
export async function observeHost(host: Host, desired: DesiredHost): Promise<Observed> {
  try {
    const script = observeScript(desired);
    // Task probes may each take up to 10 s (see below); a healthy host answers in well under a second.
    const timeoutMs = 30_000 + 10_000 * desired.tasks.length;
    const { stdout } = await host.run(["/bin/sh", "-s"], { stdin: script, timeoutMs });
    return parseObservation(desired.host, stdout);
  } catch (error) {
    if (error instanceof HostUnreachable) return { host: desired.host, reachable: false, why: error.message };
    throw error;
  }
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const quoteAll = (texts: readonly string[]): string => texts.map(quote).join(" ");

/** A POSIX shell script that prints one tab-separated record per line: kind, then fields. */
export function observeScript(desired: DesiredHost): string {
  const lines = ["exec 2>/dev/null", "tab=$(printf '\\t')"];
  if (desired.packages.length > 0) {
    lines.push(
      `dpkg-query -W -f 'package\\t\${Package}\\t\${db:Status-Status}\\n' ${quoteAll(desired.packages)}`,
    );
  }
  for (const { name } of desired.users)
    lines.push(`getent passwd ${quote(name)} >/dev/null && printf 'user\\t%s\\n' ${quote(name)}`);
  const directories = desired.directories.map((directory) => directory.path);
  if (directories.length > 0)
    lines.push(`stat -c "directory$tab%a$tab%U:%G$tab%F$tab%n" -- ${quoteAll(directories)}`);
  const files = desired.files.map((file) => file.path);
  if (files.length > 0) {
    lines.push(`stat -c "file$tab%a$tab%U:%G$tab%F$tab%n" -- ${quoteAll(files)}`);
    // --zero: otherwise a name with a backslash (a mount unit's) is written escaped.
    lines.push(
      `sha256sum --zero -- ${quoteAll(files)} | tr '\\0' '\\n' | sed "s/^\\([0-9a-f]*\\)  /sha256$tab\\1$tab/"`,
    );
  }
  for (const { name } of desired.units) {
    const prefix = quote(name.replaceAll(/[\\/&]/g, "\\$&"));
    const applied = quote(appliedPath(name));
    lines.push(
      `systemctl show -p LoadState -p ActiveState -p UnitFileState -p NeedDaemonReload -- ${quote(name)} | sed "s/^/unit$tab"${prefix}"$tab/"`,
      `test -f ${applied} && sed "s/^/applied$tab"${prefix}"$tab/" ${applied}`,
    );
  }
  lines.push(`test -f ${manifestPath} && printf 'manifest\\t%s\\n' "$(cat ${manifestPath})"`);
  for (const task of desired.tasks) {
    lines.push(
      `timeout 10 ${quoteAll(task.done)} >/dev/null </dev/null && printf 'task\\t%s\\n' ${quote(task.id)}`,
    );
  }
  // The exit status of the last probe is not the script's.
  return `${lines.join("\n")}\nexit 0\n`;
}

export function parseObservation(host: string, output: string): ObservedHost {
  const records = output.split("\n").map((line) => line.split("\t"));
  const of = (kind: string): string[][] =>
    records.filter((record) => record[0] === kind).map((record) => record.slice(1));
  const sha256 = new Map(of("sha256").map(([digest = "", path = ""]) => [path, digest]));
  const directories: Record<string, { mode: number; owner: string }> = {};
  for (const [mode = "", owner = "", type, path = ""] of of("directory")) {
    if (type === "directory") directories[path] = { mode: Number.parseInt(mode, 8), owner };
  }
  const files: Record<string, ObservedFile> = {};
  for (const [mode = "", owner = "", , path = ""] of of("file")) {
    files[path] = { sha256: sha256.get(path) ?? "", mode: Number.parseInt(mode, 8), owner };
  }
  const [manifest] = of("manifest");
  return {
    host,
    reachable: true,
    packages: of("package").flatMap(([name = "", status]) => (status === "installed" ? [name] : [])),
    users: of("user").map(([name = ""]) => name),
    directories,
    files,
    units: parseUnits(of("unit"), of("applied")),
    tasksDone: of("task").map(([id = ""]) => id),
    manifest: manifest === undefined ? emptyManifest : parseManifest(manifest.join("\t")),
  };
}

function parseUnits(
  properties: readonly string[][],
  applied: readonly string[][],
): Record<string, ObservedUnit> {
  const units: Record<string, ObservedUnit> = {};
  for (const name of new Set(properties.map(([unit = ""]) => unit))) {
    const own = new Map(
      properties
        .filter(([unit]) => unit === name)
        .map(([, line = ""]) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
    const marks = applied.filter(([unit]) => unit === name).map(([, line = ""]) => line.split(" "));
    units[name] = {
      load: own.get("LoadState") ?? "not-found",
      active: own.get("ActiveState") ?? "inactive",
      enabled: ["enabled", "static", "generated", "alias", "indirect"].includes(
        own.get("UnitFileState") ?? "",
      ),
      needsDaemonReload: own.get("NeedDaemonReload") === "yes",
      applied:
        marks.length === 0
          ? null
          : Object.fromEntries(marks.map(([digest = "", path = ""]) => [path, digest])),
    };
  }
  return units;
}

/** A manifest that cannot be read counts as none: everything is then compared by content, and nothing is removed. */
function parseManifest(text: string): Manifest {
  try {
    return JSON.parse(text) as Manifest;
  } catch {
    return emptyManifest;
  }
}
