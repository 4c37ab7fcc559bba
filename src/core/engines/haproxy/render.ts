import type { DesiredFile, DesiredTask, DesiredUnit } from "../../plan/desired.ts";
import { Phase } from "../../plan/desired.ts";
import type { Topology } from "../../topology/schema.ts";
import { dropIn, secretFile, textFile } from "../base/files.ts";
import type { Engine, HostPart, RenderContext } from "../engine.ts";
import { databaseSections } from "./database.ts";
import { entrySections } from "./entry.ts";
import { commonSections, monitorSection } from "./global.ts";
import { haproxyFiles } from "./paths.ts";

/**
 * HAProxy, one configuration per host with the sections of the host's roles: *entry* (TLS, the pool
 * of app hosts) and *database proxy* (on app hosts: the local way to whichever host is primary).
 */
export const haproxy: Engine = {
  name: "haproxy",
  secrets: () => [],
  render: (context) =>
    Object.keys(context.topology.hosts).flatMap((host) => {
      const roles = rolesOf(context.topology, host);
      return roles.entry || roles.databaseProxy ? [renderHost(context, host, roles)] : [];
    }),
};

interface Roles {
  readonly entry: boolean;
  readonly databaseProxy: boolean;
}

const rolesOf = (topology: Topology, host: string): Roles => ({
  entry: topology.entry.hosts.includes(host),
  databaseProxy: topology.app.hosts.includes(host),
});

function renderHost(context: RenderContext, host: string, roles: Roles): HostPart {
  const { topology } = context;
  const sections = [
    ...commonSections(topology, host, { peers: roles.entry && usesPeers(topology) }),
    ...(roles.entry ? entrySections(topology, host) : []),
    ...(roles.databaseProxy ? databaseSections(topology) : []),
    monitorSection,
  ];
  // The TLS files first: the configuration's check reads them.
  const files = [
    ...tlsFiles(context, host, roles),
    textFile(haproxyFiles.config, `# Written by Holdfast.\n${sections.join("\n\n")}\n`, {
      check: ["haproxy", "-c", "-q", "-f", "{file}"],
    }),
    dropIn("haproxy.service", unitDropIn),
  ];
  return {
    host,
    packages: ["haproxy"],
    directories: [{ path: haproxyFiles.tlsDirectory, mode: 0o700, owner: "root:root" }],
    files,
    units: [unit(files, roles)],
    tasks: roles.databaseProxy ? [primaryReachable] : [],
  };
}

const usesPeers = (topology: Topology): boolean => topology.entry.affinity === "source";

/** HAProxy's master reads them as root before its workers drop to their own user; no one else needs them. */
function tlsFiles(context: RenderContext, host: string, roles: Roles): DesiredFile[] {
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

/** A crashed proxy is back in a tenth of a second, however often it crashes. */
const unitDropIn = `# Written by Holdfast.
[Unit]
StartLimitIntervalSec=0

[Service]
Restart=always
RestartSec=100ms
# among the last to be killed for memory
OOMScoreAdjust=-500
# two descriptors for each of at most 8,000 connections, and checks and listeners: it refuses to start with fewer
LimitNOFILE=20000
`;

function unit(files: readonly DesiredFile[], roles: Roles): DesiredUnit {
  return {
    name: "haproxy.service",
    // The app's post-install reaches the database through the proxy, so that comes up before the app.
    phase: roles.databaseProxy ? Phase.dataReady : Phase.entry,
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
