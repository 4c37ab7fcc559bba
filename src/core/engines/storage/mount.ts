/** A mount of shared storage on a host: its unit, and its mount point while nothing is mounted. */
import { Phase, type DesiredTask, type DesiredUnit } from "../../plan/desired.ts";
import type { ServiceTopology } from "../../topology/schema.ts";
import { textFile } from "../base/files.ts";
import type { HostPart } from "../engine.ts";
import { escapePath } from "./escape.ts";

/** Where the lab shows every machine the directory that stands for a NAS. */
const labNas = "/mnt/holdfast-nas";

/** What is mounted: a directory of the lab's NAS, or an NFS export. */
export type MountSource = Exclude<
  NonNullable<ServiceTopology["storage"]>["source"],
  { readonly kind: "local" }
>;

export interface Mount {
  readonly path: string;
  readonly source: MountSource;
  /** What it is, in the unit's description: "Shared storage". */
  readonly title: string;
  /** Prefix of its tasks' ids: "storage". */
  readonly id: string;
  readonly phase: Phase;
  /** Of the directory that stands for the export in the lab; owner as "user:group". */
  readonly directory: { readonly owner: string; readonly mode: number };
}

export const mountUnitName = (path: string): string => `${escapePath(path)}.mount`;

/** The unit that mounts it, and what it needs. The mount point is nobody's until then. */
export function mountPart({ path, source, title, id, phase, directory }: Mount): {
  readonly packages: NonNullable<HostPart["packages"]>;
  readonly directories: NonNullable<HostPart["directories"]>;
  readonly files: NonNullable<HostPart["files"]>;
  readonly units: readonly DesiredUnit[];
  readonly tasks: readonly DesiredTask[];
} {
  const unit = `/etc/systemd/system/${mountUnitName(path)}`;
  return {
    packages: source.kind === "nfs" ? ["nfs-common"] : [],
    directories: source.kind === "lab" ? [{ path: labDirectory(path), ...directory }] : [],
    files: [textFile(unit, unitText(path, source, title))],
    units: [
      {
        name: mountUnitName(path),
        phase,
        state: "running",
        files: [unit],
        onChange: "restart",
        ready: ["timeout", "5", "mountpoint", "-q", path],
      },
    ],
    tasks: [mountPointTask(path, id)],
  };
}

/** In the lab each mount is a directory of the shared one, named after its path. */
const labDirectory = (mount: string): string => `${labNas}/${mount.slice(1).replaceAll("/", "-")}`;

function unitText(path: string, source: MountSource, title: string): string {
  const nfs = source.kind === "nfs";
  const [what, type, options] = nfs
    ? [`${source.server}:${source.export}`, "nfs", source.options]
    : [labDirectory(path), "none", "bind"];
  return `# Managed by Holdfast.
[Unit]
Description=${title} at ${path}
${
  nfs
    ? "Wants=network-online.target\nAfter=network-online.target"
    : `# Without it the bind mount would show an empty directory of this host's own disk.\nAssertPathIsMountPoint=${labNas}`
}

[Mount]
What=${what}
Where=${path}
Type=${type}
Options=${options}
# A server that does not answer must hold up neither the boot nor the shutdown.
TimeoutSec=30s
LazyUnmount=yes
ForceUnmount=yes

[Install]
WantedBy=multi-user.target
`;
}

/** While nothing is mounted, nobody but root can write (or even look) there: nothing on the local disk by mistake. */
function mountPointTask(path: string, id: string): DesiredTask {
  const shell = (script: string): string[] => ["sh", "-c", script, "sh", path];
  return {
    id: `${id}-mount-point`,
    title: `make ${path} unusable while nothing is mounted`,
    phase: Phase.base,
    done: shell(`timeout 5 mountpoint -q "$1" || [ "$(stat -c %a "$1")" = 0 ]`),
    act: shell(`mkdir -p "$1" && chown root:root "$1" && chmod 0 "$1"`),
  };
}
