/** PostgreSQL under Patroni: one primary, streaming replicas, no hand in between. */
import { Phase, type DesiredFile, type DesiredTask, type DesiredUnit } from "../../plan/desired.ts";
import type { ServiceTopology } from "../../topology/schema.ts";
import { serviceEngine, type HostPart, type ServiceContext } from "../engine.ts";
import { addressOf } from "../address.ts";
import { secretFile, textFile } from "../base/files.ts";
import { tlsParts, tlsPaths } from "../tls.ts";
import { dynamicConfig } from "./dynamic.ts";
import { dataDirectory, postgresPaths, restPort } from "./paths.ts";
import { patroniConfig, patroniUnit } from "./patroni.ts";
import { appDatabaseScript, clusterScript } from "./scripts.ts";
import { patroniHome, patroniRequirements, patroniVersion } from "./versions.ts";

export const postgres = serviceEngine({
  name: "postgres",
  secrets: () => ["postgres-superuser", "postgres-replication", "postgres-rewind", "app-database"],
  render: (context) => context.topology.database.hosts.map((host) => renderHost(context, host)),
});

function renderHost(context: ServiceContext, host: string): HostPart {
  const { topology } = context;
  const { version, hosts } = topology.database;
  const tls = tlsParts(context, host, "postgres", "postgres");
  // One host works for the whole cluster.
  const deputy = host === hosts[0];
  return {
    host,
    packages: [`postgresql-${version}`, `postgresql-client-${version}`, "python3-venv", "curl"],
    directories: [
      ...tls.directories,
      { path: "/etc/patroni", mode: 0o755, owner: "root:root" },
      { path: postgresPaths.directory, mode: 0o755, owner: "root:root" },
      { path: `/var/lib/postgresql/${version}`, mode: 0o755, owner: "postgres:postgres" },
      { path: dataDirectory(version), mode: 0o700, owner: "postgres:postgres" },
    ],
    files: [
      ...tls.files,
      configFile(context, host),
      textFile(postgresPaths.unit, patroniUnit(topology)),
      ...(deputy ? deputyFiles(context) : []),
    ],
    units: [...debianUnits(version), patroniService(topology, host)],
    tasks: [installTask, ...(deputy ? deputyTasks(topology) : [])],
  };
}

function configFile(context: ServiceContext, host: string): DesiredFile {
  return {
    ...secretFile(postgresPaths.config, patroniConfig(context, host), {
      mode: 0o640,
      owner: "root:postgres",
    }),
    // The ports are taken when Patroni already runs: -i. etcd must answer: it is one phase earlier.
    check: [postgresPaths.patroni, "--validate-config", "--ignore-listen-port", "{file}"],
  };
}

/** The distribution starts a cluster of its own on the same port when the package is installed. */
function debianUnits(version: number): readonly DesiredUnit[] {
  return ["postgresql.service", `postgresql@${version}-main.service`].map((name) => ({
    name,
    phase: Phase.base,
    state: "masked",
    files: [],
    onChange: "restart",
  }));
}

function patroniService(topology: ServiceTopology, host: string): DesiredUnit {
  const tls = tlsPaths("postgres");
  return {
    name: "patroni.service",
    phase: Phase.data,
    state: "running",
    files: [postgresPaths.config, postgresPaths.unit, tls.ca, tls.certificate, tls.key],
    // A restart of Patroni restarts PostgreSQL; SIGHUP rereads settings, access rules and certificates.
    onChange: "reload",
    restartFiles: [postgresPaths.unit],
    // Leading, or streaming without much lag: the next host may be restarted.
    ready: [
      "curl",
      "--silent",
      "--show-error",
      "--fail",
      "--max-time",
      "3",
      "--cacert",
      tls.ca,
      `https://${addressOf(topology, host)}:${restPort}/readiness`,
    ],
    // A replica's first start copies the whole database.
    readyTimeoutMs: 300_000,
    serial: "postgres",
  };
}

function deputyFiles({ topology, secret }: ServiceContext): readonly DesiredFile[] {
  return [
    textFile(postgresPaths.cluster, clusterScript(topology), { mode: 0o755 }),
    textFile(postgresPaths.appDatabase, appDatabaseScript(topology), { mode: 0o755 }),
    secretFile(postgresPaths.superuserPassfile, `*:*:*:postgres:${secret("postgres-superuser")}\n`),
    secretFile(postgresPaths.appPassfile, `*:*:*:${topology.database.user}:${secret("app-database")}\n`),
  ];
}

/** Does nothing where an image brought Patroni along. */
const installTask: DesiredTask = {
  id: "patroni-install",
  title: `install Patroni ${patroniVersion} in ${patroniHome}`,
  phase: Phase.base,
  done: ["sh", "-c", `ls -d ${patroniHome}/lib/python3*/site-packages/patroni-${patroniVersion}.dist-info`],
  act: [
    "sh",
    "-c",
    `python3 -m venv ${patroniHome} && ${patroniHome}/bin/pip install --quiet --no-cache-dir ${patroniRequirements.map((requirement) => `'${requirement}'`).join(" ")}`,
  ],
  timeoutMs: 300_000,
};

function deputyTasks(topology: ServiceTopology): readonly DesiredTask[] {
  const { database } = topology;
  // What is wanted goes along as an argument: a plan is made while the host still has the old files.
  const settings = JSON.stringify(dynamicConfig(topology));
  return [
    clusterTask(
      "postgres-ready",
      "wait until every database host leads or streams",
      [postgresPaths.cluster, "ready", settings],
      [postgresPaths.cluster, "wait", settings],
    ),
    clusterTask(
      "patroni-config",
      "apply cluster-wide database settings",
      [postgresPaths.cluster, "configured", settings],
      [postgresPaths.cluster, "configure", settings],
    ),
    clusterTask(
      "app-database",
      `create database ${database.name} and its role`,
      [postgresPaths.appDatabase, "check", database.name, database.user],
      [postgresPaths.appDatabase, "create", database.name, database.user],
    ),
  ];
}

function clusterTask(
  id: string,
  title: string,
  done: readonly string[],
  act: readonly string[],
): DesiredTask {
  return { id, title, phase: Phase.dataReady, done, act, timeoutMs: 300_000 };
}
