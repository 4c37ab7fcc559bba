import type { DesiredFile, DesiredUnit, Phase } from "../plan/desired.ts";
import type { Topology } from "../topology/schema.ts";
import { textFile } from "./base/files.ts";

/**
 * The entry's listening sockets are systemd's, not the proxy's: when that crashes they stay, new
 * connections wait in their queue for the fraction of a second until it is back, and the address need
 * not move. The proxy inherits them as file descriptors.
 */
export const entrySocket = "holdfast-entry.socket";

const unitPath = `/etc/systemd/system/${entrySocket}`;

/** What listens, in the order of the descriptors that the proxy inherits: 3, 4. */
export function entryListeners({
  entry,
}: Topology): readonly { readonly port: number; readonly fd: number }[] {
  const { http, https } = entry.ports;
  return [https, ...(http === null ? [] : [http])].map((port, index) => ({ port, fd: 3 + index }));
}

/** The socket unit of an entry host, and its file. `service` inherits; `phase` is the service's. */
export function entrySocketPart(
  topology: Topology,
  service: string,
  phase: Phase,
): { readonly file: DesiredFile; readonly unit: DesiredUnit } {
  const file = textFile(unitPath, socketFile(topology, service));
  const unit: DesiredUnit = {
    name: entrySocket,
    phase,
    state: "running",
    files: [file.path],
    // The service stops and starts with it: a socket cannot change under who has inherited it.
    onChange: "restart",
  };
  return { file, unit };
}

const socketFile = (topology: Topology, service: string): string => `# Written by Holdfast.
[Unit]
Description=The entry's ports, held while ${service} is away

[Socket]
Service=${service}
# every address, so that the clients' one needs no rebinding when it comes. Their order is that of the descriptors
${entryListeners(topology)
  .map(({ port }) => `ListenStream=0.0.0.0:${port}`)
  .join("\n")}
# as many as come in a second at most: they wait while the proxy is started again
Backlog=4096

[Install]
WantedBy=sockets.target
`;

/** For the service's drop-in: it needs the socket unit, and is back at once after a crash. */
export const heldByServices = {
  unit: `# its listening sockets; systemd holds them
Requires=${entrySocket}
After=${entrySocket}`,
  service: `Sockets=${entrySocket}`,
} as const;
