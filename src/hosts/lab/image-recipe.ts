import { patroniRequirements } from "../../core/engines/postgres/versions.ts";

/**
 * What the lab machines' base image is made of. A change of anything here, or of Node's version,
 * makes a new image beside the old one: running machines keep the tree they were started from.
 */
export const recipe = {
  release: "bookworm",
  packages: [
    // the system itself
    "systemd",
    "systemd-sysv",
    "dbus",
    "iproute2",
    "nftables",
    "procps",
    "iputils-ping",
    "kmod",
    "ca-certificates",
    "curl",
    "socat",
    "openssl",
    "logrotate",
    // the engines
    "haproxy",
    "nginx-light",
    "keepalived",
    "etcd-server",
    "etcd-client",
    "redis-server",
    "redis-tools",
    "postgresql-15",
    "postgresql-client-15",
    "pgbackrest",
    "python3",
    "python3-venv",
  ],
  python: patroniRequirements,
  /** Raise when build steps change without a change of the lists above. */
  revision: 1,
} as const;

/** Free space that a build needs: the tree is 0.9 GB, packages and pip's downloads lie beside it while it is made. */
export const buildSpaceBytes = 2.5 * 1024 ** 3;

/**
 * Engine units: off until Holdfast starts them, whatever their packages' install scripts think.
 * Debian also links the SysV scripts, which systemd would turn into units of the same names.
 */
export const disabledUnits = [
  "haproxy.service",
  "nginx.service",
  "keepalived.service",
  "etcd.service",
  "redis-server.service",
  "postgresql.service",
  "nftables.service",
];

/** What a short-lived machine without a console, hardware or a way to the internet does not need: boots faster without. */
export const maskedUnits = [
  "apt-daily.timer",
  "apt-daily-upgrade.timer",
  "apt-daily.service",
  "apt-daily-upgrade.service",
  "dpkg-db-backup.timer",
  "e2scrub_all.timer",
  "e2scrub_reap.service",
  "fstrim.timer",
  "logrotate.timer",
  "console-getty.service",
  "getty.target",
  "systemd-networkd.service",
  "systemd-networkd.socket",
  "systemd-resolved.service",
  "systemd-timesyncd.service",
  "systemd-logind.service",
  "udev.service",
  "systemd-udevd.service",
  "systemd-udev-trigger.service",
  "systemd-firstboot.service",
  "systemd-homed.service",
  "systemd-userdbd.socket",
  "modprobe@.service",
  "systemd-pstore.service",
];

/** Persistent, so that the journal of before a power-off can be read after it; bounded, so that a lab cannot fill the disk. */
export const journaldConf = `[Journal]
Storage=persistent
SystemMaxUse=64M
ForwardToSyslog=no
# A drill's load must not make journald drop the very lines that explain its result.
RateLimitIntervalSec=0
`;
