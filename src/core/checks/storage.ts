/** Rules: the shared storage and the backups. */
import type { Path } from "../topology/problem.ts";
import type { Topology } from "../topology/schema.ts";
import { type Rule, serviceRule } from "./rule.ts";

export const storageRules: readonly Rule[] = [
  serviceRule({
    code: "HF170",
    title: "Shared storage declared",
    severity: "warning",
    why: "The audit trail, and backups, need a place that all app hosts share.",
    fix: "Add `storage`, if the app keeps a trail.",
    check: ({ storage }) =>
      storage === undefined
        ? [
            {
              path: [],
              found: "no storage: the app hosts share no place for the audit trail",
              fix: "add storage with source nfs (or lab)",
            },
          ]
        : [],
  }),
  serviceRule({
    code: "HF171",
    title: "Audit trail on shared storage",
    severity: "error",
    why: "On a host's own disk each app host sees only its part of the trail, and it is lost with the host.",
    fix: "Use a NAS: `storage.source: { kind: nfs, server: …, export: … }`.",
    check: ({ storage }) =>
      storage?.source.kind === "local"
        ? [
            {
              path: ["storage", "source", "kind"],
              found: "local: the audit trail is lost with the host that wrote it",
              fix: "use nfs (in the lab: lab)",
            },
          ]
        : [],
  }),
  serviceRule({
    code: "HF172",
    title: "NFS mounts that lose no writes",
    severity: "error",
    why: "A `soft` mount returns an error to the app after a timeout, for writes that may or may not be on the server.",
    fix: "Use `hard`, as the default options do.",
    check: (topology) =>
      mountOptions(topology)?.includes("soft") === true
        ? [{ path: optionsPath, found: "soft: writes are lost when the server pauses", fix: "use hard" }]
        : [],
  }),
  serviceRule({
    code: "HF173",
    title: "Shared storage apart from the hosts that use it",
    severity: "error",
    why: "An NFS server on a host of the topology is a single host whose loss stops the trail, or the backups, for all.",
    fix: "Use a NAS that is redundant itself.",
    check: (topology) =>
      servers(topology).flatMap(({ server, path }) => {
        const host = Object.entries(topology.hosts).find(
          ([name, { address }]) => name === server || address === server,
        );
        if (host === undefined) return [];
        return [
          {
            path,
            found: `${server} is host ${host[0]} of this topology: its loss takes the storage along`,
            fix: "use a NAS outside of it",
          },
        ];
      }),
  }),
  serviceRule({
    code: "HF174",
    title: "Backups declared",
    severity: "error",
    why: "Replication copies a mistaken DELETE within milliseconds; only a backup brings the data back.",
    fix: "Add `backup` with a schedule and a target.",
    check: ({ backup }) =>
      backup === undefined
        ? [
            {
              path: [],
              found: "no backup: a mistake or an intruder's deletion is final",
              fix: "add backup with a target",
            },
          ]
        : [],
  }),
  serviceRule({
    code: "HF175",
    title: "Backups not only on the disks that they protect",
    severity: "error",
    why: "A backup on the host's own disk is lost with the disk.",
    fix: "Use `backup.target` nfs, or `storage` when that is a NAS.",
    check: ({ backup, storage }) => {
      const path = ["backup", "target", "kind"];
      if (backup?.target.kind === "local") {
        return [
          {
            path,
            found: "local: backups are lost with the disk that they protect",
            fix: "use nfs, or storage",
          },
        ];
      }
      if (backup?.target.kind !== "storage") return [];
      if (storage === undefined)
        return [{ path, found: "storage, but there is no storage", fix: "add storage, or use nfs" }];
      if (storage.source.kind !== "local") return [];
      return [{ path, found: "storage, but that is on the hosts' own disks", fix: "use nfs" }];
    },
  }),
  serviceRule({
    code: "HF176",
    title: "Backups kept long enough",
    severity: "warning",
    why: "Damage is often noticed days later: when the oldest backup is younger than the damage, it cannot be undone.",
    fix: "Keep backups for at least a week.",
    check: ({ backup }) => {
      if (backup === undefined) return [];
      const daysEach = { hourly: 1 / 24, daily: 1, weekly: 7 }[backup.schedule];
      const days = backup.keep * daysEach;
      if (days >= 7) return [];
      const found = `${backup.keep} ${backup.schedule} backup${backup.keep === 1 ? "" : "s"} reach back ${days < 1 ? `${Math.round(days * 24)} h` : `${Number(days.toFixed(1))} days`} only`;
      return [{ path: ["backup", "keep"], found, fix: `keep at least ${Math.ceil(7 / daysEach)}` }];
    },
  }),
  serviceRule({
    code: "HF177",
    title: "Backups often enough",
    severity: "warning",
    why: "After a disaster what was changed since the last backup of the app hosts' configuration is gone.",
    fix: "Use `schedule: daily`.",
    check: ({ backup }) =>
      backup?.schedule === "weekly"
        ? [
            {
              path: ["backup", "schedule"],
              found: "weekly: a restore may go back seven days",
              fix: "use daily",
            },
          ]
        : [],
  }),
  serviceRule({
    code: "HF178",
    title: "Backups apart from the audit trail",
    severity: "warning",
    why: "The same export holds the trail and its backup: one deletion or one broken array takes both.",
    fix: "Use another export, better another server.",
    check: ({ backup, storage }) => {
      if (backup?.target.kind !== "nfs" || storage?.source.kind !== "nfs") return [];
      const same =
        backup.target.server === storage.source.server && backup.target.export === storage.source.export;
      return same
        ? [
            {
              path: ["backup", "target", "export"],
              found: "the same export as the shared storage",
              fix: "use another export, better another server",
            },
          ]
        : [];
    },
  }),
  serviceRule({
    code: "HF179",
    title: "NFS mounts after the network",
    severity: "warning",
    why: "Without `_netdev` the mount may be tried before the network is up, and fails at boot.",
    fix: "Use `_netdev`, as the default options do.",
    check: (topology) =>
      mountOptions(topology)?.includes("_netdev") === false
        ? [
            {
              path: optionsPath,
              found: "without _netdev the mount may be tried before the network is up",
              fix: "add _netdev",
            },
          ]
        : [],
  }),
];

function servers({ storage, backup }: Topology): { server: string; path: Path }[] {
  return [
    ...(storage?.source.kind === "nfs"
      ? [{ server: storage.source.server, path: ["storage", "source", "server"] }]
      : []),
    ...(backup?.target.kind === "nfs"
      ? [{ server: backup.target.server, path: ["backup", "target", "server"] }]
      : []),
  ];
}

const optionsPath = ["storage", "source", "options"];

/** Undefined when the storage is no NFS mount. */
const mountOptions = ({ storage }: Topology): string[] | undefined =>
  storage?.source.kind === "nfs"
    ? storage.source.options.split(",").map((option) => option.trim())
    : undefined;
