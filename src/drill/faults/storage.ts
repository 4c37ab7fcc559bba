/** Faults of the shared storage as one app host sees it. Promise: another app host serves. */
import { mountUnit } from "../../core/engines/storage/render.ts";
import type { ServiceTopology } from "../../core/topology/schema.ts";
import type { Machine } from "../../ports.ts";
import { type Attack, type Fault, needsTwo, serviceFault } from "../fault.ts";
import { quote } from "../guard.ts";
import { damageHost } from "./damage.ts";
import { busiestApp } from "./targets.ts";

type Damage = (host: Machine, mount: string, topology: ServiceTopology) => Attack;

interface StorageFault {
  readonly name: string;
  readonly holdMs: number;
  readonly title: string;
  readonly proves: string;
  readonly damage: Damage;
}

/** How many file systems lie on each other at a place. */
const layers = (mount: string): string =>
  `[ "$(awk -v m=${quote(mount)} '$5 == m' /proc/self/mountinfo | wc -l)"`;
const uncover = (mount: string): string => `${layers(mount)} -gt 1 ] && umount --lazy ${quote(mount)}`;

const unmounted: Damage = (host, mount, topology) =>
  damageHost(host, {
    id: "storage",
    // Lazily, as a server that went away: open files stay open.
    inject: `umount --lazy ${quote(mount)}`,
    undo: `mountpoint -q ${quote(mount)} || systemctl start ${quote(mountUnit(topology) ?? "")}`,
    shows: `! mountpoint -q ${quote(mount)}`,
    proof: `nothing is mounted at ${mount}`,
    healing: `mounting ${mount} on ${host.name} again`,
  });

/** A read-only view laid over the mount: unlike a remount it also shows in the services' own name spaces. */
const readOnly: Damage = (host, mount) => {
  const view = "/run/holdfast-drill/read-only";
  return damageHost(host, {
    id: "storage",
    inject: `mkdir -p ${view}
mount --bind ${quote(mount)} ${view}
mount --make-private ${view}
mount -o remount,ro,bind ${view}
mount --bind ${view} ${quote(mount)}`,
    undo: `${uncover(mount)}\numount --lazy ${view}\nrmdir ${view}`,
    shows: `! touch ${quote(`${mount}/.holdfast-drill`)} 2>/dev/null && ${layers(mount)} -gt 1 ]`,
    proof: `${mount} is read-only`,
    healing: `making ${mount} on ${host.name} writable again`,
  });
};

/** A small full file system laid over the mount: the real storage may be the disk of somebody else. */
const full: Damage = (host, mount, { app }) =>
  damageHost(host, {
    id: "storage",
    inject: `mount -t tmpfs -o "size=64k,mode=0750,uid=$(id -u ${quote(app.user)}),gid=$(id -g ${quote(app.user)})" holdfast-drill ${quote(mount)}
head --bytes=1M /dev/zero > ${quote(`${mount}/.filler`)} 2>/dev/null || true`,
    undo: uncover(mount),
    shows: `[ "$(stat --file-system --format=%a ${quote(mount)})" = 0 ]`,
    proof: `no space left at ${mount}`,
    healing: `giving ${mount} on ${host.name} its space back`,
  });

const table: readonly StorageFault[] = [
  {
    name: "storage-unmounted",
    holdMs: 6000,
    title: "the shared storage gone from one app host",
    proves: "an app host without the trail's storage gives its clients to one that has it",
    damage: unmounted,
  },
  {
    name: "storage-read-only",
    holdMs: 6000,
    title: "the shared storage read-only on one app host",
    proves: "an app host that cannot write the trail gives its clients to one that can",
    damage: readOnly,
  },
  {
    name: "storage-full",
    holdMs: 6000,
    title: "the shared storage full for one app host",
    proves: "an app host that finds no space for the trail gives its clients to one that does",
    damage: full,
  },
];

export const storageFaults: readonly Fault[] = table.map(({ damage, ...fault }) =>
  serviceFault({
    ...fault,
    tier: "storage",
    applies: (topology) =>
      mountUnit(topology) === null
        ? "the topology has no mounted storage"
        : needsTwo(topology.app.hosts, "the app"),
    async prepare(context) {
      return damage(await busiestApp(context), context.topology.storage?.mount ?? "", context.topology);
    },
  }),
);
