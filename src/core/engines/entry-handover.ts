/**
 * Moving the virtual address between two healthy hosts without a failed request: scripts, run as root.
 *
 * A connection belongs to the host that accepted it, so the address may move only when the old holder has
 * none left, and clients go on connecting meanwhile. So the old holder passes the packets of connections
 * that begin from now on to the new one, unchanged but for their link address; that one has the address on
 * its loopback already, and answers clients directly. The old one's own connections end by a reload, which
 * closes each after the answer in hand. Then VRRP moves an address that nobody uses there any more.
 */
import { clientAddress, type Topology } from "../topology/schema.ts";
import { entryListeners } from "./entry-socket.ts";

/** Should whoever asked for the handover die, the hosts undo their part after this, s. */
export const UNDO_AFTER_S = 60;
const unit = "holdfast-handover";
const table = "netdev holdfast_handover";

/** A host's part of the handover: begun, and ended by level, whether it had begun or not. */
export interface HandoverPart {
  readonly begin: string;
  readonly end: string;
}

/** On the host that is to hold the address: it may receive for it, and must not be asked for it yet (ARP). */
export function receive(topology: Topology): HandoverPart {
  const { interface: name } = topology.network;
  const address = `${clientAddress(topology)}/32`;
  const settings = `net.ipv4.conf.${name}`;
  const undo = `ip address del ${address} dev lo 2>/dev/null
sysctl --quiet --write ${settings}.arp_ignore=0 ${settings}.arp_announce=0`;
  return guarded(
    `sysctl --quiet --write ${settings}.arp_ignore=1 ${settings}.arp_announce=2
ip address replace ${address} dev lo`,
    undo,
  );
}

/**
 * On the host that holds the address: new connections go to the other one. Frames carry this host's own
 * link address as their source, or switches would look for the clients behind it.
 */
export function pass(
  topology: Topology,
  link: { readonly own: string; readonly other: string },
): HandoverPart {
  const address = clientAddress(topology);
  const ports = entryListeners(topology)
    .map(({ port }) => port)
    .join(", ");
  const rules = `table ${table} {
  set passed { type ipv4_addr . inet_service . inet_service; flags dynamic,timeout; timeout 5m; }
  chain ingress {
    type filter hook ingress device "${topology.network.interface}" priority 0; policy accept;
    ip daddr ${address} tcp dport { ${ports} } tcp flags & (syn | ack) == syn add @passed { ip saddr . tcp sport . tcp dport }
    ip daddr ${address} ip saddr . tcp sport . tcp dport @passed ether saddr set ${link.own} ether daddr set ${link.other} fwd to "${topology.network.interface}"
  }
}`;
  return guarded(`nft -f - <<'END'\n${rules}\nEND`, `nft delete table ${table} 2>/dev/null`);
}

/** Prints how many connections clients have with the proxy of this host through the address. */
export const countConnections = (topology: Topology): string =>
  `ss -Htn state established src ${clientAddress(topology)} | wc -l`;

function guarded(begin: string, undo: string): HandoverPart {
  const script = `${undo}\ntrue`;
  return {
    begin: `set -eu
systemctl stop ${unit}.timer 2>/dev/null || true
systemd-run --quiet --collect --unit=${unit} --on-active=${UNDO_AFTER_S} --timer-property=AccuracySec=1s /bin/sh -c '${script}'
${begin}`,
    end: `systemctl stop ${unit}.timer 2>/dev/null\n${script}`,
  };
}
