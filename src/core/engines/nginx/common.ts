/** What nginx has in common on app hosts and on the hosts of an entry that stands alone. */

export const mainLines = `user www-data;
worker_processes auto;
worker_rlimit_nofile 20000;
pid /run/nginx.pid;
error_log syslog:server=unix:/dev/log,facility=daemon,tag=nginx,nohostname warn;`;

export const eventsSection = `events {
    worker_connections 8192;
}`;

/** Inside `http`. */
export const httpLines = `    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
    server_tokens off;`;

/** Inside `http`. */
export const tlsLines = ({
  certificate,
  key,
}: {
  readonly certificate: string;
  readonly key: string;
}): string => `    ssl_certificate ${certificate};
    ssl_certificate_key ${key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:TLS:10m;
    ssl_session_timeout 1h;
    ssl_session_tickets off;`;
