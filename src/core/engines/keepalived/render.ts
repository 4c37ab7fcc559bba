import { Phase } from "../../plan/desired.ts";
import type { Topology } from "../../topology/schema.ts";
import { addressOf } from "../address.ts";
import { dropIn, textFile } from "../base/files.ts";
import type { Engine, HostPart } from "../engine.ts";
import { priorityOf, restartDelayMs } from "./timing.ts";

const configPath = "/etc/keepalived/keepalived.conf";
const filterPath = "/etc/holdfast/vrrp.nft";

/**
 * Whether this host may hold the address: 0 it may, anything else FAULT. Written by the agent, which
 * knows whether HAProxy serves; keepalived only follows it.
 */
export const entryHealthFile = "/run/holdfast/entry-health";

/** Whether this host can move the Elastic IP: as the health file, written by the agent. */
export const addressFitFile = "/run/holdfast/address-fit";

/** Whether the Elastic IP is with another host: written by the agent. */
export const addressAwayFile = "/run/holdfast/address-away";
/** More than the priorities of the hosts differ by. */
const AWAY_WEIGHT = -20;

/** Where keepalived tells of its transitions; read by the agent. */
export const notifyFifo = "/run/holdfast/vrrp.fifo";
export const vrrpInstance = "entry";

/** keepalived on the entry hosts: who holds the virtual address, by unicast VRRPv3. */
export const keepalived: Engine = {
  name: "keepalived",
  secrets: () => [],
  render: ({ topology }) => topology.entry.hosts.map((host, index) => renderHost(topology, host, index)),
};

function renderHost(topology: Topology, host: string, index: number): HostPart {
  const tmpfiles = textFile("/etc/tmpfiles.d/holdfast-entry.conf", tmpfilesConfig(topology));
  const files = [
    textFile(filterPath, filterRules(topology, host)),
    textFile(configPath, keepalivedConfig(topology, host, index), {
      check: ["keepalived", "-t", "-f", "{file}"],
    }),
    dropIn("keepalived.service", unitDropIn(topology, host)),
  ];
  return {
    host,
    packages: ["keepalived", "nftables", "iputils-ping"],
    files: [tmpfiles, ...files],
    tasks: [
      {
        id: "entry-health-file",
        title: "make the entry's health file",
        phase: Phase.base,
        done: ["test", "-e", topology.entry.address.kind === "vip" ? entryHealthFile : notifyFifo],
        act: ["systemd-tmpfiles", "--create", "/etc/tmpfiles.d/holdfast.conf", tmpfiles.path],
      },
    ],
    units: [
      {
        name: "keepalived.service",
        phase: Phase.address,
        state: "running",
        files: files.map((file) => file.path),
        onChange: "reload",
        restartFiles: files.filter((file) => file.path !== configPath).map((file) => file.path),
        // The address must not be without a holder while both restart.
        serial: "keepalived",
      },
    ],
  };
}

/** keepalived takes a missing file for a healthy one, so it is healthy from the start: level with that, and visible. */
const tmpfilesConfig = ({ entry }: Topology): string => `# Written by Holdfast.
f ${entryHealthFile} 0644 root root - 0
${
  entry.address.kind === "vip"
    ? ""
    : `f ${addressFitFile} 0644 root root - 0
f ${addressAwayFile} 0644 root root - 0
p ${notifyFifo} 0600 root root -
`
}`;

function peersOf(topology: Topology, host: string): string[] {
  return topology.entry.hosts.filter((name) => name !== host).map((name) => addressOf(topology, name));
}

/** Every keyword stands on its own line: keepalived 2.2.7 does not read two from one. */
function keepalivedConfig(topology: Topology, host: string, index: number): string {
  const { routerId, advertInterval } = topology.entry.address;
  return `# Written by Holdfast.
global_defs {
    router_id ${host}
    enable_script_security
    vrrp_version 3
    # only advertisements of the peers named below count
    vrrp_check_unicast_src
    # after a healed partition the winner says so again; without it neighbours kept a stale ARP entry for 40 s
    vrrp_higher_prio_send_advert true
    vrrp_garp_lower_prio_repeat 2
    # real-time priority as soon as the machine is too busy to advertise in time
    max_auto_priority 50
${notifyLine(topology)}}

track_file entry_health {
    file ${entryHealthFile}
    weight 0
    init_file 0
}

${elasticIpFiles(topology)}vrrp_instance ${vrrpInstance} {
    # nobody starts as master and nobody takes the address back: it moves only when its holder fails
    state BACKUP
    nopreempt
    interface ${topology.network.interface}
    virtual_router_id ${routerId}
    priority ${priorityOf(index)}
    advert_int ${advertInterval / 1000}
    # neighbours that missed the first announcement hear it again
    garp_master_delay 1
    garp_master_repeat 2
    garp_master_refresh 10
    unicast_src_ip ${addressOf(topology, host)}
    unicast_peer {
${peersOf(topology, host)
  .map((address) => `        ${address}`)
  .join("\n")}
    }
    # weight 0: a fault gives the address away at once, with an advertisement of priority 0
    track_file {
        entry_health weight 0
${topology.entry.address.kind === "vip" ? "" : `        address_fit weight 0\n        address_away weight ${AWAY_WEIGHT}\n`}    }
${virtualAddress(topology)}}
`;
}

/** An Elastic IP is on no interface: the agent hears of the roles and associates it. */
const notifyLine = ({ entry }: Topology): string =>
  entry.address.kind === "vip"
    ? ""
    : `    # no scripts, but a FIFO counts as one and is refused without a user
    script_user root
    # the agent reads from it who is master
    vrrp_notify_fifo ${notifyFifo}
`;

/**
 * A master that EC2 refuses would keep the address from a peer that could take it. And of two masters, after
 * a split, the one that has the address stays it, whatever the hosts' own priorities: nothing moves.
 */
const elasticIpFiles = ({ entry }: Topology): string =>
  entry.address.kind === "vip"
    ? ""
    : `track_file address_fit {
    file ${addressFitFile}
    weight 0
    init_file 0
}

track_file address_away {
    file ${addressAwayFile}
    weight ${AWAY_WEIGHT}
    init_file 0
}

`;

/** VRRPv3 is not without an address. Of the loopback, so that it is seen by nobody and routes nothing. */
const NOBODYS_ADDRESS = "127.0.0.112/32 dev lo";

function virtualAddress({ entry, network }: Topology): string {
  const { address } = entry;
  const place = address.kind === "vip" ? `${address.vip}/32 dev ${network.interface}` : NOBODYS_ADDRESS;
  return `    virtual_ipaddress {
        ${place}
    }
`;
}

/** VRRPv3 has no authentication: who may speak it is decided by source address, before keepalived sees it. */
function filterRules(topology: Topology, host: string): string {
  return `# Written by Holdfast. The first two lines make loading it again replace the table in one transaction.
table inet holdfast_vrrp
delete table inet holdfast_vrrp
table inet holdfast_vrrp {
    chain input {
        type filter hook input priority filter; policy accept;
${peersOf(topology, host)
  .map((address) => `        ip protocol 112 ip saddr ${address} accept`)
  .join("\n")}
        meta l4proto 112 drop
    }
}
`;
}

const unitDropIn = (topology: Topology, host: string): string => `# Written by Holdfast.
[Unit]
# at boot the address comes when there is a proxy behind it
After=${topology.entry.engine}.service
StartLimitIntervalSec=0

[Service]
# its VRRP process tells systemd too when it is ready
NotifyAccess=all
ExecStartPre=/usr/sbin/nft -f ${filterPath}
# A holder that saw this host vanish asks for its link address once a second only, so its advertisements
# would not arrive for up to a second, and this host would take the address from it: say hello first.
${peersOf(topology, host)
  .map((address) => `ExecStartPre=-/usr/bin/ping -q -c 1 -W 1 ${address}`)
  .join("\n")}
Restart=always
# A crash leaves the address on the interface and a start removes it: just after a peer has taken over.
RestartSec=${restartDelayMs(topology)}ms
`;
