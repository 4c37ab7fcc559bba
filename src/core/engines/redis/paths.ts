export const redisPaths = {
  directory: "/etc/holdfast/redis",
  dropIn: "/etc/systemd/system/redis-server@.service.d/holdfast.conf",
  /** `redis-cli` over TLS with the password; for root. */
  client: "/etc/holdfast/redis/redis-cli",
  cluster: "/etc/holdfast/redis/redis-cluster",
  /** What the cluster script keeps: a line per node. */
  layout: "/etc/holdfast/redis/layout",
  password: "/etc/holdfast/redis/password",
  config: (port: number): string => `/etc/redis/redis-${port}.conf`,
  data: (port: number): string => `/var/lib/redis/${port}`,
} as const;

/** The distribution's template unit reads /etc/redis/redis-<instance>.conf. */
export const redisUnit = (port: number): string => `redis-server@${port}.service`;
