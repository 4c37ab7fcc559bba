/**
 * Patroni comes from PyPI into its own virtualenv: Debian 12's 3.0.2 can let a returning primary
 * overwrite the leader key and lose acknowledged writes (fixed in 3.0.3).
 */
export const patroniVersion = "4.1.5";
export const patroniRequirements = [`patroni[etcd3]==${patroniVersion}`, "psycopg2-binary==2.9.10"] as const;
export const patroniHome = "/opt/patroni";
