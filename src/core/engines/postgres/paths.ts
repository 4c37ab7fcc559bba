import { patroniHome } from "./versions.ts";

export const postgresPaths = {
  patroni: `${patroniHome}/bin/patroni`,
  python: `${patroniHome}/bin/python3`,
  config: "/etc/patroni/patroni.yml",
  unit: "/etc/systemd/system/patroni.service",
  directory: "/etc/holdfast/postgres",
  cluster: "/etc/holdfast/postgres/patroni-cluster",
  appDatabase: "/etc/holdfast/postgres/app-database",
  superuserPassfile: "/etc/holdfast/postgres/superuser.pgpass",
  appPassfile: "/etc/holdfast/postgres/app.pgpass",
} as const;

export const restPort = 8008;

export const dataDirectory = (version: number): string => `/var/lib/postgresql/${version}/holdfast`;
export const binDirectory = (version: number): string => `/usr/lib/postgresql/${version}/bin`;
