import type { ServiceTopology } from "../../topology/schema.ts";
import { addressOf } from "../address.ts";
import { tlsPaths } from "../tls.ts";
import { postgresPaths, restPort } from "./paths.ts";

const tls = tlsPaths("postgres");

/** Looks at the Patroni cluster through its REST API and changes its cluster-wide settings. */
export function clusterScript(topology: ServiceTopology): string {
  const members = Object.fromEntries(
    topology.database.hosts.map((host) => [host, `https://${addressOf(topology, host)}:${restPort}`]),
  );
  return `#!${postgresPaths.python}
"""Managed by Holdfast. Usage: patroni-cluster ready|wait|configured|configure SETTINGS

ready       exit 0 when there is a leader and every other member streams from it
wait        the same, waiting for it
configured  exit 0 when etcd has the settings and all members run with them
configure   makes it so: only what differs is sent; members that need it restart one by one

SETTINGS is Patroni's dynamic configuration as it should be, as JSON.
"""
import json
import ssl
import sys
import time
import urllib.request

MEMBERS = ${JSON.stringify(members)}
DEADLINE_S = 280  # the task that runs this has 300
TLS = ssl.create_default_context(cafile="${tls.ca}")
TLS.load_cert_chain("${tls.certificate}", "${tls.key}")


def call(url, method="GET", body=None, timeout=3):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, method=method, data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout, context=TLS) as response:
        return response.read().decode()


def from_any(path, method="GET", body=None):
    """Every member answers for the whole cluster: ask until one does."""
    errors = []
    for name, url in MEMBERS.items():
        try:
            return call(url + path, method, body)
        except OSError as error:
            errors.append(f"{name}: {error}")
    raise OSError("; ".join(errors))


def members():
    return {member["name"]: member for member in json.loads(from_any("/cluster"))["members"]}


def missing():
    """What keeps the cluster from being whole; empty when it is."""
    seen = members()
    problems = []
    if not any(m["role"] == "leader" and m["state"] == "running" for m in seen.values()):
        problems.append("no member leads")
    for name in MEMBERS:
        member = seen.get(name)
        if member is None:
            problems.append(f"{name} has not joined")
        elif member["role"] != "leader" and member["state"] != "streaming":
            problems.append(f"{name} is {member['state']}, not streaming")
    standbys = [m for m in seen.values() if m["role"] in ("sync_standby", "quorum_standby")]
    if WANTED["synchronous_mode"] and len(MEMBERS) > 1 and not standbys:
        problems.append("no standby is synchronous")
    return problems


def difference(want, have):
    """The PATCH that makes have equal to want. Keys that want does not know belong to operators (pause, ...)."""
    patch = {}
    for key, value in want.items():
        if isinstance(value, dict):
            inner = difference(value, have.get(key) or {})
            if key == "parameters":  # all of these are ours: what is no longer wanted goes
                inner.update({name: None for name in have.get(key) or {} if name not in value})
            if inner:
                patch[key] = inner
        elif have.get(key) != value:
            patch[key] = value
    return patch


def unconfigured():
    """What keeps the members from running with the wanted settings; empty when they do."""
    patch = difference(WANTED, json.loads(from_any("/config")))
    if patch:
        return ["settings differ: " + json.dumps(patch)]
    return [f"{name} must restart to use its settings" for name, m in members().items() if m.get("pending_restart")]


def unsettled():
    return unconfigured() or missing()


def configure_step():
    patch = difference(WANTED, json.loads(from_any("/config")))
    if patch:
        from_any("/config", "PATCH", patch)
        time.sleep(3)  # members read it within a loop of theirs (loop_wait, 1 s) and then say whether they must restart
    # A replica first; the leader only when the others could take over from it. What shrinks needs the
    # leader first: Patroni then leaves the replica pending, and a later step restarts it again.
    pending = [name for name, m in members().items() if m.get("pending_restart")]
    for name in sorted(pending, key=lambda name: members()[name]["role"] == "leader"):
        until(missing)
        call(MEMBERS[name] + "/restart", "POST", {"restart_pending": True}, timeout=120)
        time.sleep(2)


def until(problems, step=lambda: None):
    """Polls until nothing is left; errors of a cluster in motion (a failover, a restart) are part of waiting."""
    last = []
    while time.monotonic() < END:
        try:
            last = problems()
            if not last:
                return
            step()
        except (OSError, ValueError, KeyError) as error:
            last = [str(error)]
        time.sleep(0.5)
    raise SystemExit("; ".join(last))


def now(problems):
    try:
        found = problems()
    except (OSError, ValueError, KeyError) as error:
        found = [str(error)]
    if found:
        raise SystemExit("; ".join(found))


END = time.monotonic() + DEADLINE_S
commands = {
    "ready": lambda: now(missing),
    "wait": lambda: until(missing),
    "configured": lambda: now(unconfigured),
    "configure": lambda: until(unsettled, configure_step),
}
if len(sys.argv) != 3 or sys.argv[1] not in commands:
    raise SystemExit(__doc__)
WANTED = json.loads(sys.argv[2])
commands[sys.argv[1]]()
`;
}

/** Creates the app's role and database on the current primary, wherever it is. */
export function appDatabaseScript(topology: ServiceTopology): string {
  const { database } = topology;
  const hosts = database.hosts.map((host) => addressOf(topology, host)).join(",");
  const connection = `host=${hosts} port=${database.port} target_session_attrs=read-write connect_timeout=3 sslmode=verify-full sslrootcert=${tls.ca}`;
  return `#!/bin/sh
# Managed by Holdfast. Usage: app-database check|create DATABASE ROLE
# check   exit 0 when the role can log in with its password and owns the database
# create  makes it so; may be run again
set -eu
primary="${connection}"
[ $# = 3 ] || set -- help - -
database=$2
role=$3

case "$1" in
check)
  export PGPASSFILE=${postgresPaths.appPassfile}
  owned=$(psql -XAtq "$primary dbname=$database user=$role" \\
    -c "SELECT pg_get_userbyid(datdba) = current_user FROM pg_database WHERE datname = current_database()")
  [ "$owned" = t ]
  ;;
create)
  export PGPASSFILE=${postgresPaths.superuserPassfile}
  # The password is in a statement: keep the server from logging it, even when the statement fails.
  export PGOPTIONS="-c log_min_error_statement=panic -c log_statement=none -c log_min_duration_statement=-1"
  psql -Xq -v ON_ERROR_STOP=1 -v VERBOSITY=terse -v database="$database" -v role="$role" \\
    "$primary dbname=postgres user=postgres" <<'SQL'
\\set password \`cut -d: -f5- ${postgresPaths.appPassfile}\`
SELECT format('CREATE ROLE %I', :'role')
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \\gexec
ALTER ROLE :"role" LOGIN PASSWORD :'password';
SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'role')
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \\gexec
ALTER DATABASE :"database" OWNER TO :"role";
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
SQL
  # libpq gives up when the replica that it asks first has not replayed the new database yet.
  unset PGOPTIONS # the app's role may not set these
  tries=50
  until "$0" check "$database" "$role"; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || exit 1
    sleep 0.2
  done
  ;;
*)
  sed -n 2,4p "$0" >&2
  exit 2
  ;;
esac
`;
}
