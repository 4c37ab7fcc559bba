import type { DesiredDirectory, DesiredTask } from "../../plan/desired.ts";
import { Phase } from "../../plan/desired.ts";
import { everyHost } from "../../topology/pool.ts";
import type { Topology } from "../../topology/schema.ts";
import type { Engine } from "../engine.ts";
import { textFile } from "./files.ts";

/** What every host has before any engine: Holdfast's directories, host names, kernel settings. */
export const base: Engine = {
  name: "base",
  secrets: () => [],
  render: ({ topology }) =>
    Object.keys(topology.hosts).map((host) => ({
      host,
      packages: ["ca-certificates", "curl", "iproute2", "procps", "socat"],
      directories: directories(),
      files: [
        textFile("/etc/hosts", hostsFile(topology, host)),
        textFile(tmpfilesPath, tmpfiles),
        textFile(sysctlPath, sysctlFile()),
      ],
      tasks: [runtimeDirectory, kernelSettings()],
    })),
};

function directories(): DesiredDirectory[] {
  return [
    "/etc/holdfast",
    "/etc/holdfast/tls",
    "/opt/holdfast",
    "/var/lib/holdfast",
    "/var/lib/holdfast/applied",
    "/var/lib/holdfast/packages",
  ].map((path) => ({ path, mode: 0o755, owner: "root:root" }));
}

/** Names must resolve while every name server is down, so the hosts of the topology know each other by file. */
function hostsFile(topology: Topology, host: string): string {
  const others = Object.entries(everyHost(topology)).map(([name, { address }]) => `${address} ${name}`);
  return `${[
    "# Written by Holdfast.",
    "127.0.0.1 localhost",
    "::1 localhost ip6-localhost ip6-loopback",
    `# ${host} is known by its own address too, as the others know it`,
    ...others,
  ].join("\n")}\n`;
}

const tmpfilesPath = "/etc/tmpfiles.d/holdfast.conf";
const tmpfiles = `# Written by Holdfast.
d /run/holdfast 0755 root root -
`;

/** /run is empty after a boot, when systemd makes the directory; on the first `up` this does. */
const runtimeDirectory: DesiredTask = {
  id: "runtime-directory",
  title: "make /run/holdfast",
  phase: Phase.base,
  done: ["test", "-d", "/run/holdfast"],
  act: ["systemd-tmpfiles", "--create", tmpfilesPath],
};

const sysctlPath = "/etc/sysctl.d/90-holdfast.conf";

/** Kernel settings, each with its reason. Only net.*: a container may set no other. */
const sysctls: readonly { readonly key: string; readonly value: string; readonly why: string }[] = [
  {
    key: "net.ipv4.tcp_retries2",
    value: "6",
    why: "unacknowledged data to a vanished host: give up after about 25 s (default 15: about 15 minutes)",
  },
  {
    key: "net.ipv4.tcp_syn_retries",
    value: "3",
    why: "connecting to a vanished host: give up after 15 s (default 6: 127 s)",
  },
  {
    key: "net.ipv4.tcp_keepalive_time",
    value: "10",
    why: "idle connections with keep-alive: first probe after 10 s (default 2 hours)",
  },
  { key: "net.ipv4.tcp_keepalive_intvl", value: "2", why: "then every 2 s (default 75 s)" },
  { key: "net.ipv4.tcp_keepalive_probes", value: "3", why: "dead after three unanswered (default 9)" },
];

function sysctlFile(): string {
  const lines = sysctls.flatMap(({ key, value, why }) => [`# ${why}`, `${key} = ${value}`]);
  return `# Written by Holdfast: dead peers are noticed in seconds, not minutes.\n${lines.join("\n")}\n`;
}

function kernelSettings(): DesiredTask {
  const probes = sysctls.map(({ key, value }) => `[ "$(sysctl -n ${key})" = ${value} ]`);
  return {
    id: "kernel-settings",
    title: "apply kernel settings",
    phase: Phase.base,
    done: ["sh", "-c", probes.join(" && ")],
    act: ["sysctl", "--quiet", "--load", sysctlPath],
  };
}
