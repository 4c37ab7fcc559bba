import type { ServiceTopology } from "../../topology/schema.ts";
import { appDirectory } from "../app/environment.ts";
import { backupDirectory, backupPeriodSeconds, backupSource, firstMonday } from "./place.ts";

/**
 * Makes, verifies and expires the backups of one app host. The package's own script writes each
 * under another name and renames it; what makes it one backup among others is here.
 */
export function appBackupScript(topology: ServiceTopology): string {
  const { backup, app } = topology;
  if (backup === undefined) throw new Error("no backup in the topology");
  const directory = backupDirectory(topology);
  const mounted = backupSource(topology) !== null;
  return `#!/bin/sh
# Managed by Holdfast. Usage: app-backup create|due|verify NAME
# create  a backup of this host, verified; the oldest beyond ${backup.keep} go. Prints its path
# due     exit 0 when the present period has no good backup of this host yet
# verify  exit 0 when every file of the backup is what its manifest says
set -eu
directory=${directory}
keep=${backup.keep}
period=${backupPeriodSeconds[backup.schedule]}
first=${firstMonday} # 1970-01-05: weeks begin on Mondays
host=$(hostname)
${
  mounted
    ? `
timeout 5 mountpoint -q "$directory" || {
  echo "app-backup: $directory is not mounted" >&2
  exit 1
}
`
    : ""
}
# Of this host, newest first. What is being written has a longer name.
names() {
  ls -1 "$directory" | grep -E "^\${host}_[0-9]{4}(-[0-9]{2}){2}-[0-9]{4}$" | sort -r
}

verify() {
  [ -f "$directory/$1/manifest.sha256" ] || {
    echo "app-backup: $directory/$1 is no complete backup" >&2
    return 1
  }
  (cd "$directory/$1" && sha256sum --check --strict --quiet manifest.sha256)
}

# "app1_2026-11-20-1504" -> the number of its period
period_of() {
  time=$(printf '%s\\n' "\${1##*_}" | sed -E 's/^(.{10})-(..)(..)$/\\1 \\2:\\3/')
  echo $((($(date -d "$time" +%s) - first) / period))
}

case "\${1:-}" in
create)
  mkdir -p /run/holdfast
  exec 9> /run/holdfast/app-backup.lock
  flock -n 9 || {
    echo "app-backup: another backup of this host is being made" >&2
    exit 1
  }
  # Under the lock nobody else writes here: what was left by one that was killed, writing or removing.
  find "$directory" -maxdepth 1 -name "\${host}_*.*" -exec rm -rf -- {} +
  # A name has minutes: the next backup is the next minute's.
  while [ -e "$directory/\${host}_$(date +%Y-%m-%d-%H%M)" ]; do sleep 1; done
  path=$(${appDirectory(app.name)}/current/scripts/backup "$directory")
  verify "\${path##*/}"
  # The newest is good: so the last good one is never among those that go.
  for name in $(names | tail -n "+$((keep + 1))"); do
    mv -T -- "$directory/$name" "$directory/$name.expired"
    rm -rf -- "$directory/$name.expired"
  done
  echo "$path"
  ;;
due)
  now=$((($(date +%s) - first) / period))
  for name in $(names); do
    [ "$(period_of "$name")" -ge "$now" ] || exit 0
    if verify "$name" > /dev/null 2>&1; then exit 1; fi
  done
  ;;
verify)
  verify "\${2:?which backup?}"
  ;;
*)
  sed -n 2,5p "$0" >&2
  exit 2
  ;;
esac
`;
}

export const appBackupService = (script: string): string => `# Managed by Holdfast.
[Unit]
Description=Backup of this app host

[Service]
Type=oneshot
ExecCondition=${script} due
ExecStart=${script} create
# clients come first
Nice=19
CPUWeight=20
IOWeight=20
`;
