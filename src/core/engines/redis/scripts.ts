import type { ServiceTopology } from "../../topology/schema.ts";
import { tlsPaths } from "../tls.ts";
import { redisNodes, slotRanges } from "./layout.ts";
import { redisPaths } from "./paths.ts";

/** `redis-cli` with TLS; the password goes from the file to the environment, never into argv. */
export const clientScript = `#!/bin/sh
# Managed by Holdfast. redis-cli over TLS with the password: pass -h, -p and the command.
read -r REDISCLI_AUTH < ${redisPaths.password}
export REDISCLI_AUTH
exec redis-cli --no-auth-warning --tls --cacert ${tlsPaths("redis").ca} "$@"
`;

/** The layout as the script takes it: a line per node, "address port shard role first-slot last-slot". */
export function clusterLayout(topology: ServiceTopology): string {
  const nodes = redisNodes(topology);
  const ranges = slotRanges(new Set(nodes.map((node) => node.shard)).size);
  // Masters first: a replica has nobody to follow until its master has taken its slots.
  return ["master", "replica"]
    .flatMap((role) => nodes.filter((node) => node.role === role))
    .map(({ address, port, shard, role }) => {
      const range = ranges[shard] ?? { first: 0, last: -1 };
      return `${address} ${port} ${shard} ${role} ${range.first} ${range.last}`;
    })
    .join("\n");
}

/**
 * Forms the cluster and keeps its shape. Each pass compares what the nodes say with the layout and
 * does the first thing that is missing, so it can be cut anywhere and also repairs: a node that lost
 * its identity joins again, and masters that gathered on one host go back to their own.
 */
export const clusterScript = `#!/bin/bash
# Managed by Holdfast. Usage: redis-cluster check|form|keep LAYOUT
# check  exit 0 when the cluster serves every slot and every node has its place
# form   makes it so; may be cut anywhere and run again
# keep   makes it so again and again, as soon as all nodes answer; does not end
set -u

# A line per node: address port shard role first-slot last-slot
layout=\${2:-}

deadline=$((SECONDS + 110)) # the task that runs this has 120 s
declare -A id view

cli() { # address port command...
  local address=$1 port=$2
  shift 2
  timeout 3 ${redisPaths.client} -e -h "$address" -p "$port" "$@" < /dev/null
}

fail() {
  problem=$*
  return 1
}

# What every node says of itself and of the others. Lines of view: "id address:port@bus flags master ... slots"
look() {
  local address port rest
  while read -r address port rest; do
    id[$address:$port]=$(cli "$address" "$port" cluster myid) || { fail "$address:$port does not answer"; return; }
    view[$address:$port]=$(cli "$address" "$port" cluster nodes) || { fail "$address:$port does not answer"; return; }
  done <<< "$layout"
}

# Every node knows every other by its present identity, and nobody else.
acquainted() {
  local node other line
  for node in "\${!id[@]}"; do
    for other in "\${!id[@]}"; do
      line=$(grep "^\${id[$other]} $other@" <<< "\${view[$node]}") || { fail "$node does not know $other"; return; }
      [[ $line == *handshake* || $line == *noaddr* ]] && { fail "$node is still meeting $other"; return; }
    done
    [ "$(grep -c . <<< "\${view[$node]}")" = "\${#id[@]}" ] || { fail "$node remembers nodes that are gone"; return; }
  done
}

introduce() {
  local node other known stranger
  # Identities that no process has any more keep an address occupied in the tables of the others.
  for node in "\${!id[@]}"; do
    while read -r known stranger; do
      [[ " \${id[*]} " == *" $known "* || $stranger == *handshake* ]] || cli "\${node%:*}" "\${node#*:}" cluster forget "$known" > /dev/null
    done < <(cut -d' ' -f1,3 <<< "\${view[$node]}")
  done
  for other in "\${!id[@]}"; do
    [ "$other" = "$first" ] && continue
    # Both directions: a node that lost its table would not believe the other alone.
    grep -q "^\${id[$other]} $other@" <<< "\${view[$first]}" && grep -q "^\${id[$first]} $first@" <<< "\${view[$other]}" ||
      cli "\${first%:*}" "\${first#*:}" cluster meet "\${other%:*}" "\${other#*:}" > /dev/null
  done
}

# Identity of the node that serves a slot, as the first node sees it.
owner_of() { # slot
  awk -v slot="$1" '{ for (i = 9; i <= NF; i++) if ($i !~ /^\\[/) { split($i, r, "-"); if (r[1] <= slot && slot <= (r[2] == "" ? r[1] : r[2])) print $1 } }' <<< "\${view[$first]}"
}

field() { # node, field of its own line: 3 flags, 4 master
  grep myself <<< "\${view[$1]}" | cut -d' ' -f"$2"
}

# The first thing that is out of place, and (form) the command that puts it right.
place() {
  local act=$1 address port shard role low high node owner state
  while read -r address port shard role low high; do
    node=$address:$port
    owner=$(owner_of "$low")
    if [ -z "$owner" ]; then
      problem="nobody serves slots $low-$high"
      # Only the shard's own master takes them, and only while it is one.
      [ "$act" = form ] && [ "$role" = master ] && [[ $(field "$node" 3) == *master* ]] && cli "$address" "$port" cluster addslotsrange "$low" "$high" > /dev/null
      return 1
    fi
    if [ "\${id[$node]}" != "$owner" ] && [ "$(field "$node" 4)" != "$owner" ]; then
      problem="$node does not follow the master of slots $low-$high"
      [ "$act" = form ] && cli "$address" "$port" cluster replicate "$owner" > /dev/null
      return 1
    fi
    if [ "$role" = master ] && [ "\${id[$node]}" != "$owner" ]; then
      problem="slots $low-$high are served by another host than $address"
      # Hand-over between living nodes: nothing is lost. Two masters on one host would fall together,
      # and with them the majority that elects replicas.
      [ "$act" = form ] && cli "$address" "$port" cluster failover > /dev/null
      return 1
    fi
  done <<< "$layout"
}

serving() {
  local node info
  for node in "\${!id[@]}"; do
    info=$(cli "\${node%:*}" "\${node#*:}" cluster info) || { fail "$node does not answer"; return; }
    [[ $info == *cluster_state:ok* && $info == *cluster_slots_ok:16384* && $info == *cluster_known_nodes:\${#id[@]}* ]] ||
      { fail "$node: $(grep -E 'state|slots_ok|known' <<< "$info" | tr -d '\\r' | tr '\\n' ' ')"; return; }
  done
}

# The same in one question, as the first node sees it: cheap enough to be asked all the time.
settled() {
  local nodes line address port role rest
  nodes=$(cli "\${first%:*}" "\${first#*:}" cluster nodes) || return
  while read -r address port _ role rest; do
    line=$(grep " $address:$port@" <<< "$nodes") || return
    [[ $line == *" connected"* && $line != *fail* ]] || return
    [[ $role != master || $line == *master* ]] || return
  done <<< "$layout"
}

read -r address port _ <<< "$layout"
first=$address:$port
problem=

case "\${layout:+\${1:-}}" in
check)
  look && acquainted && place check && serving || { echo "$problem" >&2; exit 1; }
  ;;
form)
  while [ $SECONDS -lt $deadline ]; do
    if look; then
      if ! acquainted; then introduce
      elif place form && serving; then exit 0
      fi
    fi
    sleep 0.2
  done
  echo "$problem" >&2
  exit 1
  ;;
keep)
  while sleep 5; do
    # A host that comes back finds its masters on another: two there would fall together, and with
    # them the majority that elects replicas.
    settled || { look && if acquainted; then place form; else introduce; fi; }
  done
  ;;
*)
  sed -n 2,5p "$0" >&2
  exit 2
  ;;
esac
`;
