/**
 * Programs that keepalived calls in place of the guide's nginx-ha-check and nginx-ha-notify. They are
 * sh, because keepalived starts one every 3 s: Node would take 50 ms of CPU each time.
 */
import { guideVariables, type GuideSettings } from "./guide-settings.ts";

export interface ProgramPaths {
  /** Node and the bundle. */
  readonly node: string;
  readonly bundle: string;
  readonly notifyFifo: string;
  readonly fitFile: string;
}

export const programPaths: ProgramPaths = {
  node: "/opt/holdfast/node",
  bundle: "/opt/holdfast/holdfast.cjs",
  notifyFifo: "/run/holdfast/nginx-ha-notify.fifo",
  fitFile: "/run/holdfast/address-fit",
};

/** Where distributions' keepalived packages and the guide keep them: Debian and Ubuntu, RHEL and its family. */
export const programDirectories = ["/usr/lib/keepalived", "/usr/libexec/keepalived"] as const;

/** What both begin with: logging as the guide's, and a service manager whichever there is. */
const common = `PATH=/bin:/sbin:/usr/bin:/usr/sbin:/usr/local/bin
export PATH

say() {
    if [ -n "$dry_run" ]; then echo "$*"; else logger -t nginx-ha-keepalived -- "$*" || :; fi
}

with_systemd() { [ -d /run/systemd/system ]; }
`;

/**
 * nginx-ha-check: exit 0 when nginx runs and this host can move the address, as a vrrp_script.
 */
export function checkProgram(paths: ProgramPaths = programPaths): string {
  return `#!/bin/sh
# nginx-ha-check, called by keepalived every few seconds: 0 when this host is fit to be master.
# By hand:  nginx-ha-check --dry-run    says what it finds

# Optional: an http:// or https:// URL that nginx answers with 2xx or 3xx while it serves.
# Without one, a running nginx is a healthy one.
CHECK_URL=

${common}
dry_run=
case "\${1-}" in
    --dry-run) dry_run=1 ;;
    "") ;;
    *) echo "usage: nginx-ha-check [--dry-run]" >&2; exit 2 ;;
esac

nginx_runs() {
    if with_systemd; then systemctl is-active --quiet nginx; else service nginx status >/dev/null 2>&1; fi
}

nginx_answers() {
    if command -v curl >/dev/null 2>&1; then
        curl --silent --insecure --fail --max-time 2 --output /dev/null "$CHECK_URL"
    else
        wget -q --no-check-certificate --tries=1 --timeout=2 -O /dev/null "$CHECK_URL"
    fi
}

fail() {
    # Every 3 s, so keepalived's own log of the change is enough.
    [ -z "$dry_run" ] || echo "not fit: $1"
    exit 1
}

nginx_runs || fail "nginx does not run"
[ -z "$CHECK_URL" ] || nginx_answers || fail "$CHECK_URL does not answer"
# Written by the agent while EC2 refuses it: the other host can take the address, this one cannot.
fit=
[ ! -r ${paths.fitFile} ] || read -r fit <${paths.fitFile} || :
[ "$fit" != 1 ] || fail "the agent cannot move the address: ${paths.node} ${paths.bundle} address status"
[ -z "$dry_run" ] || echo "fit: nginx runs\${CHECK_URL:+, $CHECK_URL answers}, and the agent can move the address or is not there"
exit 0
`;
}

/**
 * nginx-ha-notify TYPE NAME STATE [PRIORITY]: hands the transition to the running agent; without one it
 * starts a controller of its own, which ends when the address is where it should be. It changes nothing
 * itself: what it was told may be old by now, and the controller asks keepalived.
 */
export function notifyProgram(settings: GuideSettings, paths: ProgramPaths = programPaths): string {
  return `#!/bin/sh
# nginx-ha-notify, called by keepalived on transitions: moves the Elastic IP to the master.
# By hand:  nginx-ha-notify --dry-run INSTANCE VI_1 MASTER    checks each step and changes nothing
#           cat /var/run/nginx-ha-keepalived.state
#           ${paths.node} ${paths.bundle} address status

#############--USER DEFINED VARIABLES SET HERE--##############
${settingLines(settings)}
###############################################################

${common}
usage() { echo "usage: nginx-ha-notify [--dry-run] TYPE NAME STATE [PRIORITY]" >&2; exit 2; }

dry_run=
if [ "\${1-}" = --dry-run ]; then dry_run=1; shift; fi
[ $# -ge 3 ] || usage
type=$1 name=$2 state=$3
case "$state" in
    MASTER|BACKUP|FAULT|STOP) ;;
    *) say "unknown state '$state'"; exit 1 ;;
esac
say "transition to state '$state' on VRRP $type '$name'"

if [ -n "$dry_run" ]; then
    exec ${paths.node} ${paths.bundle} address check --settings "$0"
fi

# As the guide's script: a master whose nginx was stopped starts it. In the background, since it may take long.
if [ "$state" = MASTER ]; then
    if with_systemd; then systemctl start --no-block nginx; else service nginx start; fi </dev/null >/dev/null 2>&1 &
fi

# A running agent holds the FIFO open. Where nobody reads, opening it fails at once; a FIFO that is not
# there is not made. One short line is written as a whole or not at all.
if printf '%s "%s" %s\\n' "$type" "$name" "$state" |
    dd of=${paths.notifyFifo} oflag=nonblock conv=nocreat,notrunc status=none 2>/dev/null; then
    exit 0
fi

# keepalived says goodbye: nothing is to be moved here any more.
[ "$state" != STOP ] || exit 0
say "no agent runs: starting a controller until the address is where it should be"
setsid sh -c '"$@" 2>&1 | logger -t nginx-ha-keepalived' sh \\
    ${paths.node} ${paths.bundle} address run --settings "$0" --until-settled </dev/null >/dev/null 2>&1 &
exit 0
`;
}

const comments: Partial<Record<(typeof guideVariables)[number], string>> = {
  AWS_ACCESS_KEY_ID: "# Only without an IAM role; this file is then to be readable by root only",
  AWS_DEFAULT_REGION: "# The region",
  HA_NODE_1: "# The private DNS names of the two instances",
  ALLOCATION_ID: "# The Elastic IP's allocation id",
  PROBE_PORT: "# Optional: the TCP port that tells whether the other node serves (default: 443, or else 80)",
};
const optional = new Set<string>([
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "PROBE_PORT",
  "AWS_ENDPOINT_URL_EC2",
]);

function settingLines(settings: GuideSettings): string {
  return guideVariables
    .flatMap((name) => {
      const value = settings[name];
      const exported = name.startsWith("AWS_") ? "export " : "";
      // Single quotes: a secret may hold anything but one, as the reader of settings has made sure.
      const line = `${exported}${name}=${value === undefined ? "" : `'${value}'`}`;
      const shown = value === undefined && optional.has(name) ? `#${line}` : line;
      const comment = comments[name];
      return comment === undefined ? [shown] : [comment, shown];
    })
    .join("\n");
}
