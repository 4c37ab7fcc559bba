/** Shared storage: where every app host sees the same files (the audit trail). */
import { Phase, type DesiredFile, type DesiredTask } from "../../plan/desired.ts";
import type { ServiceTopology } from "../../topology/schema.ts";
import { textFile } from "../base/files.ts";
import { type HostPart, serviceEngine } from "../engine.ts";
import { mountPart, type MountSource, mountUnitName } from "./mount.ts";

/**
 * Numeric id of the app's user on every host: a NAS knows users by number only. Between the ids that
 * Debian's and Red Hat's tools hand out from both ends of the system range (100 up, 999 down).
 */
const appUid = 640;

type Storage = NonNullable<ServiceTopology["storage"]>;

export const storage = serviceEngine({
  name: "storage",
  secrets: () => [],
  render: ({ topology }) => {
    const { storage } = topology;
    if (storage === undefined) return [];
    const { mount, source } = storage;
    return topology.app.hosts.map((host) =>
      source.kind === "local"
        ? localPart(topology, storage, host)
        : sharedPart(topology, mount, source, host),
    );
  },
});

/** Name of the systemd unit that mounts the shared storage; null when it is a plain directory. */
export function mountUnit({ storage }: ServiceTopology): string | null {
  return storage === undefined || storage.source.kind === "local" ? null : mountUnitName(storage.mount);
}

function localPart({ app }: ServiceTopology, { mount }: Storage, host: string): HostPart {
  return {
    host,
    users: [{ name: app.user, uid: appUid }],
    directories: [{ path: mount, mode: 0o750, owner: `${app.user}:${app.user}` }],
  };
}

function sharedPart(topology: ServiceTopology, mount: string, source: MountSource, host: string): HostPart {
  const { app } = topology;
  const part = mountPart({
    path: mount,
    source,
    title: "Shared storage",
    id: "storage",
    phase: Phase.storage,
    directory: { owner: `${app.user}:${app.user}`, mode: 0o750 },
  });
  return {
    host,
    ...part,
    users: [{ name: app.user, uid: appUid }],
    files: [...part.files, ...afterMount(app, mount)],
    tasks: [...part.tasks, ownerTask(app.user, mount)],
  };
}

/**
 * The app's units start after the mount: the unit of the topology, and by systemd's rule for dashes
 * every `<app>-*.service` that it pulls in. They want it but do not require it: a NAS that goes away
 * stops what needs it (the app refuses trail writes), not the whole service on all hosts at once.
 */
function afterMount(app: ServiceTopology["app"], mount: string): DesiredFile[] {
  const name = mountUnitName(mount);
  const text = `# Managed by Holdfast.
[Unit]
Wants=${name}
After=${name}
`;
  return [app.unit, `${app.name}-.service`].map((unit) =>
    textFile(`/etc/systemd/system/${unit}.d/holdfast-storage.conf`, text),
  );
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
