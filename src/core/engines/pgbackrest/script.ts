import type { ServiceTopology } from "../../topology/schema.ts";
import { backupPeriodSeconds, firstMonday } from "../backup/place.ts";
import { postgresPaths } from "../postgres/paths.ts";
import { stanza } from "./archive.ts";
import { databaseBackupUnit } from "./paths.ts";

/** Says whether a backup is due on this host, and makes the first one. */
export function databaseBackupScript(
  topology: ServiceTopology,
  schedule: keyof typeof backupPeriodSeconds,
): string {
  return `#!${postgresPaths.python}
"""Managed by Holdfast. Usage: database-backup due|prepared|prepare

due       exit 0 when this host leads, and the present period has no full backup yet
prepared  exit 0 when another host leads, or when there is a backup, or the first is being made
prepare   makes the stanza and the first backup; after a minute that goes on by itself
"""
import json
import os
import subprocess
import sys
import time

STANZA = "${stanza(topology)}"
PERIOD_S = ${backupPeriodSeconds[schedule]}
FIRST_S = ${firstMonday}  # 1970-01-05: weeks begin on Mondays
UNIT = "${databaseBackupUnit}.service"


def run(*argv, timeout=30):
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout)


def pgbackrest(*arguments, timeout=30):
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    return run(*user, "pgbackrest", "--stanza=" + STANZA, *arguments, timeout=timeout)


def leads():
    answer = run(
        "psql", "-XAtq", "-h", "/run/postgresql", "-p", "${topology.database.port}", "-U", "postgres", "-d", "postgres",
        "-c", "SELECT NOT pg_is_in_recovery()", timeout=8,
    )
    return answer.stdout.strip() == "t"


def information():
    """Of the repository: it must say something, or nobody knows whether a backup is due."""
    answer = pgbackrest("info", "--output=json", timeout=8)
    if answer.returncode != 0:
        raise SystemExit(answer.stderr.strip() or answer.stdout.strip())
    return next((stanza for stanza in json.loads(answer.stdout) if stanza["name"] == STANZA), None)


def good(stanza):
    return [backup for backup in (stanza or {}).get("backup", []) if not backup.get("error")]


def period(seconds):
    return (seconds - FIRST_S) // PERIOD_S


def due():
    if not leads():
        return False
    stanza = information()
    held = (stanza or {}).get("status", {}).get("lock", {}).get("backup", {}).get("held", False)
    full = [backup for backup in good(stanza) if backup["type"] == "full"]
    return not held and not any(period(backup["timestamp"]["start"]) == period(time.time()) for backup in full)


def prepared():
    if not leads() or good(information()):
        return True
    return run("systemctl", "is-active", UNIT).stdout.strip() == "activating"


def prepare():
    made = pgbackrest("stanza-create", timeout=60)
    # Without a backup nothing is lost when the stanza follows a cluster that was made anew.
    if made.returncode != 0 and not good(information()):
        made = pgbackrest("stanza-upgrade", timeout=60)
    if made.returncode != 0:
        raise SystemExit(made.stderr.strip() or made.stdout.strip())
    try:
        started = run("systemctl", "start", UNIT, timeout=60)
    except subprocess.TimeoutExpired:
        return
    if started.returncode != 0:
        raise SystemExit("the first backup failed: journalctl -u " + UNIT)


commands = {"due": due, "prepared": prepared, "prepare": lambda: prepare() or True}
if len(sys.argv) != 2 or sys.argv[1] not in commands:
    raise SystemExit(__doc__)
try:
    sys.exit(0 if commands[sys.argv[1]]() else 1)
except subprocess.TimeoutExpired as error:
    raise SystemExit(f"no answer: {error}")
`;
}
