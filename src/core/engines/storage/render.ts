/** Shared storage: where every app host sees the same files (the audit trail). */
import { Phase, type DesiredFile, type DesiredTask } from "../../plan/desired.ts";
import type { ServiceTopology } from "../../topology/schema.ts";
import { textFile } from "../base/files.ts";
import { type HostPart, serviceEngine } from "../engine.ts";
import { escapePath } from "./escape.ts";

/**
 * Numeric id of the app's user on every host: a NAS knows users by number only. Between the ids that
 * Debian's and Red Hat's tools hand out from both ends of the system range (100 up, 999 down).
 */
const appUid = 640;

/** Where the lab shows every machine the directory that stands for a NAS. */
const labNas = "/mnt/holdfast-nas";

type Storage = NonNullable<ServiceTopology["storage"]>;

export const storage = serviceEngine({
  name: "storage",
  secrets: () => [],
  render: ({ topology }) => {
    const { storage } = topology;
    if (storage === undefined) return [];
    return topology.app.hosts.map((host) =>
      storage.source.kind === "local"
        ? localPart(topology, storage, host)
        : mountPart(topology, storage, host),
    );
  },
});

/** Name of the systemd unit that mounts the shared storage; null when it is a plain directory. */
export function mountUnit({ storage }: ServiceTopology): string | null {
  return storage === undefined || storage.source.kind === "local"
    ? null
    : `${escapePath(storage.mount)}.mount`;
}

function localPart({ app }: ServiceTopology, { mount }: Storage, host: string): HostPart {
  return {
    host,
    users: [{ name: app.user, uid: appUid }],
    directories: [{ path: mount, mode: 0o750, owner: `${app.user}:${app.user}` }],
  };
}

function mountPart(topology: ServiceTopology, storage: Storage, host: string): HostPart {
  const { app } = topology;
  const { mount, source } = storage;
  const name = `${escapePath(mount)}.mount`;
  const path = `/etc/systemd/system/${name}`;
  return {
    host,
    packages: source.kind === "nfs" ? ["nfs-common"] : [],
    users: [{ name: app.user, uid: appUid }],
    directories:
      source.kind === "lab"
        ? [{ path: labDirectory(mount), mode: 0o750, owner: `${app.user}:${app.user}` }]
        : [],
    files: [textFile(path, mountUnitText(storage)), ...afterMount(app, mount)],
    units: [
      {
        name,
        phase: Phase.storage,
        state: "running",
        files: [path],
        onChange: "restart",
        ready: ["timeout", "5", "mountpoint", "-q", mount],
      },
    ],
    tasks: [mountPointTask(mount), ownerTask(app.user, mount)],
  };
}

/** In the lab each mount is a directory of the shared one, named after its path. */
const labDirectory = (mount: string): string => `${labNas}/${mount.slice(1).replaceAll("/", "-")}`;

function mountUnitText({ mount, source }: Storage): string {
  const nfs = source.kind === "nfs";
  const [what, type, options] = nfs
    ? [`${source.server}:${source.export}`, "nfs", source.options]
    : [labDirectory(mount), "none", "bind"];
  return `# Managed by Holdfast.
[Unit]
Description=Shared storage at ${mount}
${
  nfs
    ? "Wants=network-online.target\nAfter=network-online.target"
    : `# Without it the bind mount would show an empty directory of this host's own disk.\nAssertPathIsMountPoint=${labNas}`
}

[Mount]
What=${what}
Where=${mount}
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

/**
 * The app's units start after the mount: the unit of the topology, and by systemd's rule for dashes
 * every `<app>-*.service` that it pulls in. They want it but do not require it: a NAS that goes away
 * stops what needs it (the app refuses trail writes), not the whole service on all hosts at once.
 */
function afterMount(app: ServiceTopology["app"], mount: string): DesiredFile[] {
  const name = `${escapePath(mount)}.mount`;
  const text = `# Managed by Holdfast.
[Unit]
Wants=${name}
After=${name}
`;
  return [app.unit, `${app.name}-.service`].map((unit) =>
    textFile(`/etc/systemd/system/${unit}.d/holdfast-storage.conf`, text),
  );
}

/** While nothing is mounted, nobody but root can write (or even look) there: no trail on the local disk by mistake. */
function mountPointTask(mount: string): DesiredTask {
  const shell = (script: string): string[] => ["sh", "-c", script, "sh", mount];
  return {
    id: "storage-mount-point",
    title: `make ${mount} unusable while nothing is mounted`,
    phase: Phase.base,
    done: shell(`timeout 5 mountpoint -q "$1" || [ "$(stat -c %a "$1")" = 0 ]`),
    act: shell(`mkdir -p "$1" && chown root:root "$1" && chmod 0 "$1"`),
  };
}

/** The root of the shared storage belongs to the app's user, by number. */
function ownerTask(user: string, mount: string): DesiredTask {
  const shell = (script: string): string[] => ["sh", "-c", script, "sh", mount, user];
  return {
    id: "storage-owner",
    title: `give the shared storage at ${mount} to ${user}`,
    phase: Phase.storage, // after the unit of the same phase
    done: shell(`timeout 5 mountpoint -q "$1" && [ "$(timeout 5 stat -c %U "$1")" = "$2" ]`),
    act: shell(
      `timeout 20 chown "$2:$2" "$1" && timeout 20 chmod 0750 "$1" || { echo "the server does not let root change the owner of $1: make the exported directory belong to user id ${appUid} there" >&2; exit 1; }`,
    ),
  };
}
