export const nginxConfigPath = "/etc/nginx/nginx.conf";
