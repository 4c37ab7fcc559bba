/** Broken topologies: each is valid.yaml with some text replaced, and the codes that must be found. */

export interface BrokenCase {
  readonly name: string;
  readonly codes: readonly string[];
  /** Text of valid.yaml -> text that stands there instead; or a whole text. */
  readonly edits: Readonly<Record<string, string>> | { readonly whole: string };
}

const broken = (name: string, codes: string, edits: BrokenCase["edits"]): BrokenCase => ({
  name,
  codes: codes.split(" "),
  edits,
});

const network = "  subnet: 10.77.10.0/24";
const vip = "address: { vip: 10.77.10.10 }";
const lb2 = "{ zone: b, address: 10.77.10.12, memory: 1GiB }";

const entryAlone = (address: string): string => `holdfast: 1
name: nginx-eip
provider: { kind: lab }
network: { subnet: 10.77.20.0/24 }
zones: [a, b]
hosts:
  nginx1: { zone: a, address: 10.77.20.11, memory: 1GiB }
  nginx2: { zone: b, address: 10.77.20.12, memory: 1GiB }
objectives: { entry: { recoveryTime: 2s } }
entry:
  engine: nginx
  hosts: [nginx1, nginx2]
  address: { kind: elastic-ip, publicAddress: 198.51.100.10, ${address} }
`;

const syntax = [
  broken("tab-indents", "HF001", { "  kind: lab": "\tkind: lab" }),
  broken("open-bracket", "HF001", { "zones: [a, b, c]": "zones: [a, b, c" }),
  broken("open-quote", "HF001", { "name: privx-onprem": 'name: "privx-onprem' }),
  broken("colon-in-value", "HF001", { "unit: access-manager.target": "unit: access: manager" }),
  broken("wrong-indentation", "HF001", { "  name: access-manager": "   name: access-manager" }),
  broken("alias-without-anchor", "HF001", { "domain: access.example.test": "domain: *clients" }),
  broken("unknown-tag", "HF001", { "domain: access.example.test": "domain: !secret x" }),
  broken("two-documents", "HF001", { "entry:\n  hosts": "---\nentry:\n  hosts" }),
  broken("key-twice", "HF002", { "affinity: cookie": "affinity: cookie\n  affinity: source" }),
  broken("host-twice", "HF002", { [`lb2: ${lb2}`]: `lb1: ${lb2}`, "hosts: [lb1, lb2]": "hosts: [lb1]" }),
  broken("empty-file", "HF003", { whole: "" }),
  broken("only-comments", "HF003", { whole: "# nothing here yet\n" }),
  broken("a-list", "HF003", { whole: "- holdfast: 1\n" }),
  broken("a-text", "HF003", { whole: "privx-onprem\n" }),
];

const shape = [
  broken("unknown-key-misspelt", "HF004", { [network]: "  subnett: 10.77.10.0/24" }),
  broken("unknown-key-at-top", "HF004", { "zones: [a": "zonse: [a" }),
  broken("unknown-key-elsewhere", "HF004", { "affinity: cookie": "affinity: cookie\n  vip: 10.77.10.10" }),
  broken("unknown-key-nowhere", "HF004", { "affinity: cookie": "affinity: cookie\n  colour: blue" }),
  broken("unknown-key-in-union", "HF004", { "source: { kind: lab }": "source: { kind: lab, server: nas1 }" }),
  broken("unknown-key-case", "HF004", { "readBack:": "readback:" }),
  broken("missing-vip", "HF005", { [vip]: "address: {}" }),
  broken("missing-public-address", "HF005", { [vip]: "address: { kind: elastic-ip }" }),
  broken("unknown-address-kind", "HF007", { [vip]: "address: { kind: eip, vip: 10.77.10.10 }" }),
  broken("vip-with-elastic-ip", "HF004 HF005", { [vip]: "address: { kind: elastic-ip, vip: 10.77.10.10 }" }),
  broken("missing-section", "HF005", { "coordination:\n  hosts: [data1, data2, data3]\n": "" }),
  broken("missing-in-list", "HF005", { "prefix: /role-store/, port: 8441": "port: 8441" }),
  broken("missing-kind", "HF005", { "source: { kind: lab }": "source: {}" }),
  broken("missing-nfs-server", "HF005", { "source: { kind: lab }": "source: { kind: nfs, export: /vol }" }),
  broken("value-empty", "HF006", { "user: access-manager": "user:" }),
  broken("section-empty", "HF006", {
    "provider:\n  kind: lab # local systemd machines on this Linux host": "provider:",
  }),
  broken("text-for-list", "HF006", { "hosts: [lb1, lb2]": "hosts: lb1" }),
  broken("list-for-text", "HF006", {
    "path: /role-store/api/v1/status": "path: [/role-store/api/v1/status]",
  }),
  broken("number-for-text", "HF006", { "domain: access.example.test": "domain: 10" }),
  broken("text-for-number", "HF006", { "port: 8441": 'port: "8441"' }),
  broken("word-for-number", "HF006", { "port: 8441": "port: https" }),
  broken("fraction-for-port", "HF006", { "port: 8441": "port: 8441.5" }),
  broken("number-for-duration", "HF006", { "entry: { recoveryTime: 1s }": "entry: { recoveryTime: 1 }" }),
  broken("mapping-for-parameter", "HF006", {
    "name: access_manager": "name: access_manager\n  parameters: { work_mem: { size: 1 } }",
  }),
  broken("enum-misspelt", "HF007", { "affinity: cookie": "affinity: cookies" }),
  broken("enum-other", "HF007", { "schedule: daily": "schedule: yearly" }),
  broken("enum-case", "HF007", { "method: GET": "method: get" }),
  broken("unknown-provider", "HF007", { "kind: lab # local": "kind: aws # local" }),
  broken("unknown-storage-kind", "HF007", {
    "source: { kind: lab }": "source: { kind: nsf, server: a, export: /b }",
  }),
  broken("duration-without-unit", "HF008", { "recoveryTime: 10s": 'recoveryTime: "10"' }),
  broken("size-in-decimal-units", "HF008", { [lb2]: "{ zone: b, address: 10.77.10.12, memory: 1GB }" }),
  broken("address-not-ipv4", "HF008", { "address: 10.77.10.12": "address: 10.77.10.300" }),
  broken("address-ipv6", "HF008", { "vip: 10.77.10.10": 'vip: "fd00::10"' }),
  broken("subnet-without-prefix", "HF008", { [network]: "  subnet: 10.77.10.0" }),
  broken("name-with-capitals", "HF008", { "name: privx-onprem": "name: PrivX" }),
  broken("host-name-invalid", "HF008 HF008 HF020", {
    "lb2: { zone: b, address: 10.77.10.12, memory: 1GiB }":
      "LB_2: { zone: b, address: 10.77.10.12, memory: 1G }",
  }),
  broken("prefix-without-slash", "HF008", { "prefix: /role-store/": "prefix: /role-store" }),
  broken("unit-without-suffix", "HF008", { "unit: access-manager.target": "unit: access-manager" }),
  broken("identifier-with-dash", "HF008", { "name: access_manager": "name: access-manager2" }),
  broken("read-back-without-id", "HF008", {
    "/role-store/api/v1/entries/{id}": "/role-store/api/v1/entries",
  }),
  broken("domain-with-scheme", "HF008", {
    "domain: access.example.test": "domain: https://access.example.test",
  }),
  broken("relative-mount", "HF008", { "mount: /var/privx/audit": "mount: var/privx/audit" }),
  broken("port-too-large", "HF009", { "port: 8441": "port: 84410" }),
  broken("no-hosts", "HF009", { "hosts: [app1, app2]": "hosts: []" }),
  broken("reason-too-short", "HF009", {
    "reason: two database hosts, as the guide has; a lost replica must be repaired at once": "reason: yes",
  }),
  broken("too-few-connections", "HF009", {
    "user: access_manager": "user: access_manager\n  maxConnections: 5",
  }),
  broken("duration-of-nothing", "HF009", { "app: { recoveryTime: 1s }": "app: { recoveryTime: 0s }" }),
  broken("advertisement-too-fine", "HF009", { [vip]: "address: { vip: 10.77.10.10, advertInterval: 55ms }" }),
  broken("cache-without-limit", "HF009", {
    "cache:\n  hosts: [data1, data2, data3]": "cache:\n  hosts: [data1, data2, data3]\n  maxMemory: 0MiB",
  }),
  broken("name-too-long", "HF008", { "name: privx-onprem": "name: a-name-that-is-far-too-long-for-it" }),
  broken("format-of-the-future", "HF010", { "holdfast: 1": "holdfast: 2" }),
];

const references = [
  broken("host-not-defined", "HF020", { "hosts: [app1, app2]": "hosts: [app1, apq2]" }),
  broken("host-named-like-a-builtin", "HF020", { "hosts: [app1, app2]": "hosts: [app1, constructor]" }),
  broken("zone-not-declared", "HF021", { "{ zone: c,": "{ zone: d," }),
  broken("host-twice-in-tier", "HF022", { "hosts: [lb1, lb2]": "hosts: [lb1, lb2, lb1]" }),
  broken("more-etcd-members-than-hosts", "HF022 HF022", {
    "coordination:\n  hosts: [data1, data2, data3]":
      "coordination:\n  hosts: [data1, data2, data3, data3, data3]",
  }),
  broken("address-twice", "HF023", { "address: 10.77.10.12": "address: 10.77.10.11" }),
  broken("address-outside-subnet", "HF024", { "address: 10.77.10.12": "address: 10.77.11.12" }),
  broken("address-is-broadcast", "HF025", { "address: 10.77.10.12": "address: 10.77.10.255" }),
  broken("address-is-network", "HF025", { "address: 10.77.10.12": "address: 10.77.10.0" }),
  broken("vip-outside-subnet", "HF026", { "vip: 10.77.10.10": "vip: 10.78.10.10" }),
  broken("vip-is-broadcast", "HF025", { "vip: 10.77.10.10": "vip: 10.77.10.255" }),
  broken("vip-is-a-host", "HF027", { "vip: 10.77.10.10": "vip: 10.77.10.31" }),
  broken("services-on-one-port", "HF028", { "port: 8442": "port: 8441" }),
  broken("service-on-nginx-port", "HF028", { "port: 8442": "port: 443" }),
  broken("entry-and-app-on-one-host", "HF028", { "hosts: [app1, app2]": "hosts: [lb1, app2]" }),
  broken("app-and-database-on-one-host", "HF028", { "hosts: [app1, app2]": "hosts: [data1, app2]" }),
  // … and its replica's on the agent's
  broken("redis-on-patronis-port", "HF028 HF028", {
    "cache:\n  hosts: [data1, data2, data3]": "cache:\n  hosts: [data1, data2, data3]\n  port: 8008",
  }),
  broken("service-name-twice", "HF029", { "name: trail-store,": "name: role-store," }),
  broken("service-prefix-twice", "HF029", { "prefix: /trail-store/": "prefix: /role-store/" }),
  broken("zone-twice", "HF030", { "zones: [a, b, c]": "zones: [a, b, c, b]" }),
  broken("subnet-with-host-bits", "HF031", { [network]: "  subnet: 10.77.10.1/24" }),
  broken("subnet-too-small", "HF024 HF024 HF024 HF024 HF024 HF032", { [network]: "  subnet: 10.77.10.8/29" }),
  broken("subnet-of-loopback", "HF033", {
    [network]: "  subnet: 127.0.0.0/8",
    "10.77.10.": "127.77.10.",
  }),
  broken("service-at-root-with-ui", "HF034", { "prefix: /role-store/": "prefix: /" }),
  broken("mount-over-system", "HF035", { "mount: /var/privx/audit": "mount: /var/lib/" }),
  broken("mount-at-root", "HF035", { "mount: /var/privx/audit": "mount: /" }),
  broken("database-reserved", "HF036 HF036", {
    "name: access_manager\n  user: access_manager": "name: postgres\n  user: pg_monitor",
  }),
  broken("parameter-managed", "HF037 HF037", {
    "user: access_manager": "user: access_manager\n  parameters: { max_connections: 300, ssl: off }",
  }),
  broken("app-runs-as-root", "HF038", { "user: access-manager": "user: root" }),
  broken("app-behind-nginx", "HF039", { "entry:\n  hosts": "entry:\n  engine: nginx\n  hosts" }),
  broken("elastic-ip-in-subnet", "HF040", {
    [vip]: "address: { kind: elastic-ip, publicAddress: 10.77.10.10 }",
  }),
  broken("elastic-ip-among-clients", "HF040", {
    [vip]: "address: { kind: elastic-ip, publicAddress: 203.0.113.7 }",
  }),
  broken("witness-without-etcd", "HF041", { whole: entryAlone("witness: required") }),
  broken("objective-missing", "HF005", { "  app: { recoveryTime: 1s }\n": "" }),
];

const together = [
  broken("many-mistakes-at-once", "HF004 HF021 HF008 HF020 HF026 HF007 HF009 HF006", {
    "name: privx-onprem": "name: privx-onprem\nowner: me",
    "{ zone: c,": "{ zone: d,",
    "app: { recoveryTime: 1s }": "app: { recoveryTime: soon }",
    "hosts: [lb1, lb2]": "hosts: [lb1, lb3]",
    "vip: 10.77.10.10": "vip: 10.0.0.1",
    "affinity: cookie": "affinity: sticky",
    "port: 8443": "port: 0",
    "database:\n  hosts: [data1, data2]": "database:\n  hosts: data1",
  }),
];

export const brokenCases: readonly BrokenCase[] = [...syntax, ...shape, ...references, ...together];

/** @throws Error when an edit does not apply: the case would test nothing. */
export function applyEdits(text: string, edits: BrokenCase["edits"]): string {
  if ("whole" in edits && typeof edits.whole === "string") return edits.whole;
  return Object.entries(edits).reduce((result, [from, to]) => {
    if (!result.includes(from)) throw new Error(`valid.yaml has no ${JSON.stringify(from)}`);
    return result.replaceAll(from, to);
  }, text);
}
