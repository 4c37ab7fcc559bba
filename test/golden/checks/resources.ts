import { backupTarget, cache, database, facts, nfs, storageSource, type Case } from "./setup.ts";

export const resourceCases: readonly Case[] = [
  {
    code: "HF171",
    path: "storage.source.kind",
    found: "local: the audit trail is lost with the host that wrote it",
    edits: { [storageSource]: "source: { kind: local }" },
  },
  {
    code: "HF170",
    path: "",
    found: "no storage: the app hosts share no place for the audit trail",
    edits: { [`storage:\n  mount: /var/privx/audit\n  ${storageSource}\n`]: "" },
  },
  {
    code: "HF172",
    path: "storage.source.options",
    found: "soft: writes are lost when the server pauses",
    edits: nfs("soft,_netdev"),
  },
  {
    code: "HF179",
    path: "storage.source.options",
    found: "without _netdev the mount may be tried before the network is up",
    edits: nfs("hard"),
  },
  {
    code: "HF173",
    path: "storage.source.server",
    found: "data3 is host data3 of this topology: its loss takes the storage along",
    edits: { [storageSource]: "source: { kind: nfs, server: data3, export: /trail }" },
  },
  {
    code: "HF174",
    path: "",
    found: "no backup: a mistake or an intruder's deletion is final",
    edits: { [`backup:\n  schedule: daily\n  ${backupTarget}\n`]: "" },
  },
  {
    code: "HF175",
    path: "backup.target.kind",
    found: "local: backups are lost with the disk that they protect",
    edits: { [backupTarget]: "target: { kind: local }" },
  },
  {
    code: "HF175",
    path: "backup.target.kind",
    found: "storage, but that is on the hosts' own disks",
    edits: { [storageSource]: "source: { kind: local }" },
  },
  {
    code: "HF176",
    path: "backup.keep",
    found: "3 daily backups reach back 3 days only",
    edits: { "schedule: daily": "schedule: daily\n  keep: 3" },
  },
  {
    code: "HF177",
    path: "backup.schedule",
    found: "weekly: a restore may go back seven days",
    edits: { "schedule: daily": "schedule: weekly" },
  },
  {
    code: "HF178",
    path: "backup.target.export",
    found: "the same export as the shared storage",
    edits: {
      [storageSource]: "source: { kind: nfs, server: nas, export: /vol }",
      [backupTarget]: "target: { kind: nfs, server: nas, export: /vol }",
    },
  },
  {
    code: "HF181",
    path: "cache.mode",
    found: "single: nothing takes over when its host is lost",
    edits: { [cache]: `${cache}\n  mode: single` },
  },
  {
    code: "HF182",
    path: "cache.hosts",
    found: "2 Redis masters: a cluster needs three to agree on a failover",
    edits: { [cache]: "cache:\n  hosts: [data1, data2]" },
  },
  {
    code: "HF183",
    path: "cache.hosts[0]",
    found: "the replica of data1's master is on lb1, in the same zone a",
    edits: { [cache]: "cache:\n  hosts: [data1, lb1, data2, data3]" },
  },
  {
    code: "HF184",
    path: "",
    found: "no cache: app hosts notice each other's changes late",
    edits: { [`${cache}\n`]: "" },
  },
  {
    code: "HF191",
    path: "hosts.data3.memory",
    found: "512 MiB, but its engines need 632 MiB (Redis 344 MiB, etcd 192 MiB, system 96 MiB)",
    edits: { "address: 10.77.10.33, memory: 2GiB": "address: 10.77.10.33, memory: 512MiB" },
  },
  {
    code: "HF196",
    path: "hosts.data3.memory",
    found: "640 MiB is tight: its engines need 632 MiB (Redis 344 MiB, etcd 192 MiB, system 96 MiB)",
    edits: { "address: 10.77.10.33, memory: 2GiB": "address: 10.77.10.33, memory: 640MiB" },
  },
  {
    code: "HF192",
    path: "database.maxConnections",
    found: "300 busy connections take 2.3 GiB of 4 GiB",
    edits: { "user: access_manager": "user: access_manager\n  maxConnections: 300" },
  },
  {
    code: "HF193",
    path: "database.hosts",
    found: "memory from 4 GiB to 8 GiB: the smaller must carry the larger one's load after a failover",
    edits: { "address: 10.77.10.31, memory: 4GiB": "address: 10.77.10.31, memory: 8GiB" },
  },
  {
    code: "HF194",
    path: "provider",
    found: "the lab's machines may need 6.4 GiB, this machine has 4 GiB",
    edits: { "user: access_manager": "user: access_manager\n  parameters: { shared_buffers: 256MB }" },
    facts: { ...facts, machine: { memory: 4 * 1024 ** 3 } },
  },
  {
    code: "HF195",
    path: "database.version",
    found: "the lab has no packages of PostgreSQL 17",
    edits: { [database]: `${database}\n  version: 17` },
  },
];
