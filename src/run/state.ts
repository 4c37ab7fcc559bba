import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Certificate, RenderContext } from "../core/engines/engine.ts";
import { engines, secretNames } from "../core/engines/registry.ts";
import type { DesiredHost } from "../core/plan/desired.ts";
import { renderDesired } from "../core/plan/merge.ts";
import type { FileDigests } from "../core/plan/steps.ts";
import type { Topology } from "../core/topology/schema.ts";
import { HoldfastError } from "../lib/errors.ts";
import { version } from "../lib/version.ts";
import { elasticIpOf } from "./provider.ts";
import { packageVersion, readArtifact, sha256, type Artifacts } from "./artifacts.ts";
import { loadCertificates, type Certificates } from "./certificates.ts";
import { contentBytes } from "./apply.ts";
import { loadSecrets, type Secrets } from "./secrets.ts";

/** What a topology is rendered with, and the result: everything `up` needs besides the hosts. */
export interface TopologyState {
  readonly directory: string;
  readonly secrets: Secrets;
  readonly certificates: Certificates;
  readonly artifacts: Artifacts;
  readonly desired: ReadonlyMap<string, DesiredHost>;
  readonly digests: ReadonlyMap<string, FileDigests>;
}

export const stateDirectory = (home: string, topology: string): string => join(home, "topologies", topology);

/**
 * Reads (and makes, where missing) the secrets and certificates of a topology, and renders it.
 * `file` is the topology file: paths in it are relative to it. `root` is where Holdfast's dist/ is.
 */
export async function loadState(
  topology: Topology,
  file: string,
  root: string,
  home: string,
): Promise<TopologyState> {
  const directory = stateDirectory(home, topology.name);
  const artifacts = await readArtifacts(topology, file, root);
  const secrets = await loadSecrets(directory, secretNames(topology));
  const certificates = await loadCertificates(directory, topology, await operatorCertificate(topology, file));
  const desired = renderDesired(engines, renderContext(topology, secrets, certificates, artifacts));
  const digests = desired.map((host): [string, FileDigests] => [
    host.host,
    Object.fromEntries(host.files.map((file) => [file.path, sha256(contentBytes(file.content, artifacts))])),
  ]);
  return {
    directory,
    secrets,
    certificates,
    artifacts,
    desired: new Map(desired.map((host) => [host.host, host])),
    digests: new Map(digests),
  };
}

async function readArtifacts(topology: Topology, file: string, root: string): Promise<Artifacts> {
  const holdfast = await readArtifact(join(root, "dist/holdfast.cjs"), version, "build it: npm run build");
  const { app } = topology;
  if (app === undefined) return { holdfast };
  const archive = resolve(dirname(file), app.package);
  return {
    holdfast,
    app: await readArtifact(
      archive,
      packageVersion(archive, app.name),
      "build the package, or correct app.package in the topology",
    ),
  };
}

async function operatorCertificate(topology: Topology, file: string): Promise<Certificate | null> {
  const { tls } = topology.entry;
  if (tls.source !== "files") return null;
  const read = (path: string): Promise<string> => readFile(resolve(dirname(file), path), "utf8");
  const [certificate, key] = await Promise.all([read(tls.certificate), read(tls.key)]);
  if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) {
    throw new HoldfastError(`the key ${tls.key} does not belong to the certificate ${tls.certificate}`, {
      fix: "give both files of the same pair in entry.tls",
    });
  }
  return { certificate, key };
}

function renderContext(
  topology: Topology,
  secrets: Secrets,
  certificates: Certificates,
  artifacts: Artifacts,
): RenderContext {
  return {
    topology,
    secret: (name) => {
      const secret = secrets.get(name);
      if (secret === undefined) throw new Error(`no engine declared the secret ${name}`);
      return secret;
    },
    caCertificate: certificates.caCertificate,
    hostCertificate: (host) => {
      const pair = certificates.hosts.get(host);
      if (pair === undefined) throw new Error(`no certificate for host ${host}`);
      return pair;
    },
    entryCertificate: certificates.entry,
    elasticIp: elasticIpOf(topology),
    artifact(name) {
      const artifact = artifacts[name];
      if (artifact === undefined) throw new Error(`the topology has no artifact ${name}`);
      return artifact;
    },
  };
}
