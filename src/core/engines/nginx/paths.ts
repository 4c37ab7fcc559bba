export const nginxConfigPath = "/etc/nginx/nginx.conf";

/** What clients see, where nginx is the entry's engine. */
export const nginxEntryFiles = {
  directory: "/etc/holdfast/tls/nginx",
  certificate: "/etc/holdfast/tls/nginx/entry.pem",
  key: "/etc/holdfast/tls/nginx/entry.key",
} as const;
