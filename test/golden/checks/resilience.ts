import { cache, coordination, data4, database, type Case } from "./setup.ts";

export const resilienceCases: readonly Case[] = [
  {
    code: "HF101",
    path: "app.hosts",
    found: "one app host: its loss stops the service",
    edits: { "[app1, app2]": "[app1]" },
  },
  {
    code: "HF102",
    path: "entry.hosts",
    found: "one entry host: its loss cuts off all clients",
    edits: { "[lb1, lb2]": "[lb1]" },
  },
  {
    code: "HF103",
    path: "database.hosts",
    found: "one database host: nothing can take over from it",
    edits: { [database]: "database:\n  hosts: [data1]" },
  },
  {
    code: "HF104",
    path: "coordination.hosts",
    found: "2 etcd members: the loss of one stops every database failover",
    edits: { [coordination]: "coordination:\n  hosts: [data1, data2]" },
  },
  {
    code: "HF104",
    path: "coordination.hosts",
    found: "1 etcd member: the loss of one stops every database failover",
    edits: { [coordination]: "coordination:\n  hosts: [data1]" },
  },
  {
    code: "HF104",
    path: "coordination.hosts",
    found: "4 etcd members survive the loss of 1, as 3 would",
    edits: { ...data4, [coordination]: "coordination:\n  hosts: [data1, data2, data3, data4]" },
  },
  {
    code: "HF105",
    path: "app.hosts",
    found: "zone a has 2 of the 2 hosts (app1, app2): its loss stops the tier",
    edits: { "app2: { zone: b": "app2: { zone: a" },
  },
  {
    code: "HF105",
    path: "coordination.hosts",
    found: "zone a has 2 of the 3 hosts (data1, data3): its loss stops the tier",
    edits: { "data3: { zone: c": "data3: { zone: a" },
  },
  {
    code: "HF105",
    path: "cache.hosts",
    found: "zone a has 2 of the 3 hosts (data1, data3): its loss stops the tier",
    edits: { "data3: { zone: c": "data3: { zone: a" },
  },
  {
    code: "HF105",
    path: "zones",
    found: "one zone: its loss stops everything",
    edits: { "zones: [a, b, c]": "zones: [a]", "zone: b": "zone: a", "zone: c": "zone: a" },
  },
  {
    code: "HF106",
    path: "coordination.hosts",
    found: "7 etcd members",
    edits: { [coordination]: "coordination:\n  hosts: [data1, data2, data3, lb1, lb2, app1, app2]" },
  },
  {
    code: "HF107",
    path: "app.hosts",
    found: "uneven over the zones (a: 1, b: 3, c: 0)",
    edits: {
      "  app2:":
        "  app3: { zone: b, address: 10.77.10.23 }\n  app4: { zone: b, address: 10.77.10.24 }\n  app2:",
      "[app1, app2]": "[app1, app2, app3, app4]",
    },
  },
  {
    code: "HF108",
    path: "zones[3]",
    found: "no host stands in zone d",
    edits: { "[a, b, c]": "[a, b, c, d]" },
  },
  { code: "HF109", path: "hosts.data4", found: "no tier uses this host", edits: data4 },
  {
    code: "HF110",
    path: "coordination.hosts",
    found:
      "etcd shares data1, data2 with PostgreSQL: a burst of writes there can delay failovers or cause one",
    edits: {},
  },
  {
    code: "HF121",
    path: "objectives.database.dataLoss",
    found: "dataLoss is none, but there is no second database host to hold a copy",
    edits: { [database]: "database:\n  hosts: [data1]" },
  },
  {
    code: "HF122",
    path: "database.hosts",
    found:
      "exactly one replica: while it is away writes are acknowledged with one copy only (blocking them instead would stop the service)",
    edits: {},
  },
  {
    code: "HF123",
    path: "objectives.database.dataLoss",
    found: "bounded: a failover loses the acknowledged writes that no replica had yet",
    edits: { "dataLoss: none": "dataLoss: bounded" },
  },
  {
    code: "HF124",
    path: "database.parameters.fsync",
    found: "fsync is off: a crash can corrupt the database",
    edits: { "user: access_manager": "user: access_manager\n  parameters: { fsync: off }" },
  },
  {
    code: "HF124",
    path: "database.parameters.synchronous_commit",
    found: "synchronous_commit local acknowledges writes that no replica has on disk, but dataLoss is none",
    edits: { "user: access_manager": "user: access_manager\n  parameters: { synchronous_commit: local }" },
  },
  {
    code: "HF125",
    path: "database.parameters.ttl",
    found: "ttl is a setting of Patroni, not of PostgreSQL",
    edits: { "user: access_manager": "user: access_manager\n  parameters: { ttl: 5 }" },
  },
  {
    code: "HF131",
    path: "entry.address.advertInterval",
    found: "an address takeover lasts up to 4 s at advertInterval 1 s, the objective is 1 s",
    edits: { "vip: 10.77.10.10": "vip: 10.77.10.10, advertInterval: 1s" },
  },
  {
    code: "HF136",
    path: "objectives.entry.recoveryTime",
    found: "500 ms: a client whose SYN falls into the gap waits 1 s before it sends it again",
    edits: { "entry: { recoveryTime: 1s }": "entry: { recoveryTime: 500ms }" },
  },
  {
    code: "HF132",
    path: "entry.address.advertInterval",
    found: "20 ms: a busy host may miss three in a row and lose the address",
    edits: { "vip: 10.77.10.10": "vip: 10.77.10.10, advertInterval: 20ms" },
  },
  {
    code: "HF133",
    path: "app.health.interval",
    found: "a lost host is noticed after 6 s (2 × 3 s), the objective is 5 s",
    edits: { "method: GET": "method: GET\n    interval: 3s" },
  },
  {
    code: "HF137",
    path: "app.health.timeout",
    found: "a host that hangs is noticed after 5 s (2 × (500 ms + 2 s)), the objective is 1 s",
    edits: { "app: { recoveryTime: 5s }": "app: { recoveryTime: 1s }" },
  },
  {
    code: "HF134",
    path: "objectives.database.recoveryTime",
    found: "2 s, but a failover takes up to 3.2 s even when only PostgreSQL dies",
    edits: { "recoveryTime: 10s": "recoveryTime: 2s" },
  },
  {
    code: "HF138",
    path: "objectives.database.recoveryTime",
    found: "3.5 s holds when PostgreSQL dies (up to 3.2 s), not when its host does (up to 4 s)",
    edits: { "recoveryTime: 10s": "recoveryTime: 3500ms" },
  },
  {
    code: "HF135",
    path: "objectives.cache.recoveryTime",
    found: "1 s, but a failover of a Redis master takes 1.8 s",
    edits: { "cache: { recoveryTime: 5s }": "cache: { recoveryTime: 1s }" },
  },
  {
    code: "HF135",
    path: "objectives",
    found: "no objective for the cache: a drill of it has nothing to judge",
    edits: { "  cache: { recoveryTime: 5s }\n": "" },
  },
  {
    code: "HF135",
    path: "objectives.cache",
    found: "an objective for a cache, but there is no cache",
    edits: { [`${cache}\n`]: "" },
  },
];
