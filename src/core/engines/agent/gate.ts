/** The nftables tables of a database-tier host, as files; agent/database/gate.ts changes what is in their sets. */

export const gateTable = "inet holdfast_gate";
export const gateSet = "open";
export const fenceTable = "inet holdfast_fence";
export const fenceSet = "dead";
export const silentSet = "silent";

export interface GatePorts {
  readonly postgres: number;
  readonly patroni: number;
  readonly etcd: number;
}

/** What the gate is for, on one host. */
export const gatePorts = (host: {
  readonly port: number;
  readonly patroniPort: number;
}): readonly number[] => [host.port, host.patroniPort];

/** Before the distribution's own filters, which may accept what this drops only afterwards. */
const priority = "filter - 10";

/**
 * The gate: PostgreSQL and Patroni's REST API reach nobody but the other database hosts unless the port is
 * in the set, whose elements the kernel removes by itself. Loading it again closes it.
 * @param peers addresses of the other database hosts: replication and Patroni are not the gate's business
 */
export function gateFile(ports: GatePorts, peers: readonly string[]): string {
  const both = `{ ${ports.postgres}, ${ports.patroni} }`;
  const others = `{ ${peers.join(", ")} }`;
  return `# Written by Holdfast. Loading it again closes the gate.
table ${gateTable}
delete table ${gateTable}
table ${gateTable} {
  set ${gateSet} {
    type inet_service
    flags timeout
  }
  chain input {
    type filter hook input priority ${priority}; policy accept;
    tcp dport ${both} tcp dport != @${gateSet} jump closed_in
  }
  chain closed_in {
    ip saddr ${others} accept
    # this host's own tools; PostgreSQL is closed to clients on this host too
    iif lo tcp dport ${ports.patroni} accept
    # a client that connects knows at once; one that is connected hears nothing, as from a dead host
    tcp flags syn / syn,ack reject with tcp reset
    drop
  }
  chain output {
    type filter hook output priority ${priority}; policy accept;
    tcp sport ${both} tcp sport != @${gateSet} jump closed_out
  }
  chain closed_out {
    ip daddr ${others} accept
    oif lo tcp sport ${ports.patroni} accept
    # acknowledges nothing
    tcp flags & rst == rst accept
    drop
  }
}
`;
}

/**
 * The fence: hosts that a majority declared dead. Who wants something of their PostgreSQL, Patroni or
 * etcd learns at once that there is nothing; and should they live, neither is heard from them. And what of this host
 * the others must not wait for.
 */
export function fenceFile(ports: GatePorts): string {
  const database = `{ ${ports.postgres}, ${ports.patroni} }`;
  return `# Written by Holdfast. Loading it again empties it.
table ${fenceTable}
delete table ${fenceTable}
table ${fenceTable} {
  set ${fenceSet} {
    type ipv4_addr
  }
  # of this host's ports: Patroni's, while it hands over
  set ${silentSet} {
    type inet_service
    flags timeout
  }
  chain input {
    type filter hook input priority ${priority}; policy accept;
    # among them those that this host's own rejections send it
    tcp flags & rst == rst accept
    # who is being answered hears the end of it
    tcp flags syn / syn,ack tcp dport @${silentSet} reject with tcp reset
    ip saddr @${fenceSet} tcp dport ${database} drop
    ip saddr @${fenceSet} tcp sport ${database} drop
  }
  chain output {
    type filter hook output priority ${priority}; policy accept;
    # etcd's peer port stays: a fenced host's member may well be alive, and the quorum needs it
    ip daddr @${fenceSet} tcp dport { ${ports.postgres}, ${ports.patroni}, ${ports.etcd} } reject with tcp reset
    ip daddr @${fenceSet} tcp sport ${database} drop
  }
}
`;
}
