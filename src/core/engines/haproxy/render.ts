import type { DesiredFile, DesiredTask, DesiredUnit } from "../../plan/desired.ts";
import { Phase } from "../../plan/desired.ts";
import type { ServiceTopology } from "../../topology/schema.ts";
import { dropIn, secretFile, textFile } from "../base/files.ts";
import { type HostPart, serviceEngine, type ServiceContext } from "../engine.ts";
import { databaseSections } from "./database.ts";
import { entryListeners, entrySocketPart, heldByServices } from "../entry-socket.ts";
import { bindVariable, entrySections } from "./entry.ts";
import { commonSections, monitorSection } from "./global.ts";
import { haproxyFiles } from "./paths.ts";

/**
 * HAProxy, one configuration per host with the sections of the host's roles: *entry* (TLS, the pool
 * of app hosts) and *database proxy* (on app hosts: the local way to whichever host is primary).
 */
export const haproxy = serviceEngine({
  name: "haproxy",
  secrets: () => [],
  render: (context) =>
    Object.keys(context.topology.hosts).flatMap((host) => {
      const roles = rolesOf(context.topology, host);
      return roles.entry || roles.databaseProxy ? [renderHost(context, host, roles)] : [];
    }),
});

interface Roles {
  readonly entry: boolean;
  readonly databaseProxy: boolean;
}

const rolesOf = (topology: ServiceTopology, host: string): Roles => ({
  entry: topology.entry.hosts.includes(host),
  databaseProxy: topology.app.hosts.includes(host),
});

function renderHost(context: ServiceContext, host: string, roles: Roles): HostPart {
  const { topology } = context;
  const sections = [
    ...commonSections(topology, host, {
      peers: roles.entry && usesPeers(topology),
      pool: roles.entry,
    }),
    ...(roles.entry ? entrySections(topology, host) : []),
    ...(roles.databaseProxy ? databaseSections(topology) : []),
    monitorSection,
  ];
  // The TLS files first: the configuration's check reads them.
  const files = [
    ...tlsFiles(context, host, roles),
    textFile(haproxyFiles.config, `# Written by Holdfast.\n${sections.join("\n\n")}\n`, {
      check: [...checkCommand(topology, roles), "-f", "{file}"],
    }),
    dropIn("haproxy.service", unitDropIn(topology, roles)),
  ];
  const socket = roles.entry ? entrySocketPart(topology, "haproxy.service", phaseOf(roles)) : null;
  return {
    host,
    packages: ["haproxy"],
    directories: [{ path: haproxyFiles.tlsDirectory, mode: 0o700, owner: "root:root" }],
    files: [...files, ...(socket === null ? [] : [socket.file])],
    units: [...(socket === null ? [] : [socket.unit]), unit(files, roles)],
    tasks: roles.databaseProxy ? [primaryReachable] : [],
  };
}

const usesPeers = (topology: ServiceTopology): boolean => topology.entry.affinity === "source";

/** HAProxy's master reads them as root before its workers drop to their own user; no one else needs them. */
function tlsFiles(context: ServiceContext, host: string, roles: Roles): DesiredFile[] {
  const own = context.hostCertificate(host);
  const entry = context.entryCertificate;
  const pair = (path: string, { certificate, key }: typeof own): DesiredFile =>
    secretFile(path, `${certificate.trimEnd()}\n${key.trimEnd()}\n`);
  return [
    textFile(haproxyFiles.ca, context.caCertificate),
    pair(haproxyFiles.hostPair, own),
    ...(roles.entry ? [pair(haproxyFiles.entryPair, entry)] : []),
  ];
}

/** A check inherits no sockets: for it HAProxy would listen itself. */
function checkCommand(topology: ServiceTopology, roles: Roles): string[] {
  const command = ["haproxy", "-c", "-q"];
  if (!roles.entry) return command;
  const listeners = entryListeners(topology);
  return ["/usr/bin/env", ...listeners.map(({ port }) => `${bindVariable(port)}=:${port}`), ...command];
}

/** A crashed proxy is back at once on an entry host, in a tenth of a second elsewhere, however often it crashes. */
function unitDropIn(topology: ServiceTopology, roles: Roles): string {
  const held = roles.entry ? heldByServices : null;
  return `# Written by Holdfast.
[Unit]
StartLimitIntervalSec=0
${held === null ? "" : `${held.unit}\n`}
[Service]
${held === null ? "" : `${held.service}\n${inherited(topology, roles)}\n`}Restart=always
RestartSec=${held === null ? "100ms" : "0"}
# among the last to be killed for memory
OOMScoreAdjust=-500
# two descriptors for each of at most 8,000 connections, and checks and listeners: it refuses to start with fewer
LimitNOFILE=20000
`;
}

const inherited = (topology: ServiceTopology, roles: Roles): string =>
  `Environment=${entryListeners(topology)
    .map(({ port, fd }) => `${bindVariable(port)}=fd@${fd}`)
    .join(" ")}
# a file that says of no server: HAProxy warns when there is none
ExecStartPre=/bin/sh -c '[ -e ${haproxyFiles.serverState} ] || echo 1 > ${haproxyFiles.serverState}'
# the distribution's, with the variables as a check needs them
ExecReload=
ExecReload=${checkCommand(topology, roles).join(" ")} -f $CONFIG
ExecReload=/bin/kill -USR2 $MAINPID`;

/** The app's post-install reaches the database through the proxy, so that comes up before the app. */
const phaseOf = (roles: Roles): Phase => (roles.databaseProxy ? Phase.dataReady : Phase.entry);

function unit(files: readonly DesiredFile[], roles: Roles): DesiredUnit {
  return {
    name: "haproxy.service",
    phase: phaseOf(roles),
    state: "running",
    files: files.map((file) => file.path),
    onChange: "reload",
    restartFiles: files.filter((file) => file.path.startsWith("/etc/systemd/")).map((file) => file.path),
    ready: ["curl", "-fsS", "-o", "/dev/null", "--max-time", "2", "http://127.0.0.1:8404/healthz"],
  };
}

const primaryUp = `curl -fsS --max-time 2 'http://127.0.0.1:8404/stats;csv' |
awk -F, '$1 == "database_primary" && $2 == "BACKEND" && $18 == "UP" { up = 1 } END { exit !up }'`;

/** Holds what needs the database back until the proxy has found a primary. */
const primaryReachable: DesiredTask = {
  id: "database-primary-reachable",
  title: "wait until the database proxy has found the primary",
  phase: Phase.dataReady,
  done: ["sh", "-c", primaryUp],
  act: ["sh", "-c", `i=0; until ${primaryUp}; do i=$((i + 1)); [ $i -lt 600 ] || exit 1; sleep 0.2; done`],
  timeoutMs: 180_000,
};
