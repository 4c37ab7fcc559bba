import type { ServiceTopology } from "../../topology/schema.ts";
import { addressOf } from "../address.ts";
import { tlsPaths } from "../tls.ts";

const tls = tlsPaths("etcd");

/** `etcdctl` with the host's certificate. Paths are no secrets; the key itself is readable by root only. */
export const clientScript = `#!/bin/sh
# Managed by Holdfast. etcdctl with this host's certificate: pass --endpoints and the command.
export ETCDCTL_API=3
export ETCDCTL_CACERT=${tls.ca}
export ETCDCTL_CERT=${tls.certificate}
export ETCDCTL_KEY=${tls.key}
exec etcdctl "$@"
`;

/**
 * Runs before etcd starts. A member whose data directory is gone must not come back under its old
 * identity (it would have forgotten its votes; etcd refuses), so its place is taken out of the
 * cluster and added anew. Every prefix of this is safe to stop at: it starts from what the cluster says.
 */
export function prepareScript(topology: ServiceTopology, host: string): string {
  const others = topology.coordination.hosts
    .filter((name) => name !== host)
    .map((name) => `https://${addressOf(topology, name)}:2379`);
  return `#!/bin/sh
# Managed by Holdfast. Lets a member that lost its data directory rejoin the cluster.
set -eu
peer=https://${addressOf(topology, host)}:2380
runtime=/run/holdfast-etcd/environment

rm -f "$runtime"
[ -d "$ETCD_DATA_DIR/member" ] && exit 0

for endpoint in ${others.join(" ")}; do
  # etcdctl takes seconds to say that nobody listens, curl none.
  curl --silent --output /dev/null --max-time 2 --cacert ${tls.ca} --cert ${tls.certificate} --key ${tls.key} "$endpoint/version" || continue
  members=$(/etc/holdfast/etcd/etcdctl --endpoints="$endpoint" --dial-timeout=1s --command-timeout=2s member list) || continue
  # Lines: "id, started|unstarted, name, peer URLs, client URLs, learner"
  line=$(printf '%s\\n' "$members" | grep -F "$peer" || true)
  id=\${line%%,*}
  clients=$(printf '%s\\n' "$line" | cut -d, -f5 | tr -d ' ')
  state=$(printf '%s\\n' "$line" | cut -d, -f2 | tr -d ' ')

  # Named by the first bootstrap, but never started until now: it joins with state "new".
  if [ -n "$id" ] && [ "$state" = started ] && [ -z "$clients" ]; then exit 0; fi

  if [ -n "$id" ] && [ -n "$clients" ]; then
    echo "data directory $ETCD_DATA_DIR is empty but member $id has served: replacing the member" >&2
    /etc/holdfast/etcd/etcdctl --endpoints="$endpoint" --command-timeout=5s member remove "$id"
    id=
  fi
  if [ -z "$id" ]; then
    /etc/holdfast/etcd/etcdctl --endpoints="$endpoint" --command-timeout=5s member add "$ETCD_NAME" --peer-urls="$peer"
  fi
  echo ETCD_INITIAL_CLUSTER_STATE=existing > "$runtime"
  exit 0
done
# Nobody answers: this is the first boot of the cluster.
`;
}
