/** Fakes for rendering: a blueprint's topology and a context whose secrets can be recognised. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { Engine, HostPart, RenderContext } from "../../src/core/engines/engine.ts";
import {
  isService,
  type ServiceTopology,
  topologySchema,
  type Topology,
} from "../../src/core/topology/schema.ts";

const root = join(import.meta.dirname, "../..");

/** The blueprint as parsed, with `change` applied to the raw file first. */
export function anyBlueprint(name: string, change: (raw: RawTopology) => void = () => {}): Topology {
  const raw: RawTopology = parse(readFileSync(join(root, "blueprints", `${name}.yaml`), "utf8"));
  change(raw);
  return topologySchema.parse(raw);
}

/** The same, of a whole service. */
export function blueprint(name = "privx-onprem", change?: (raw: RawTopology) => void): ServiceTopology {
  const topology = anyBlueprint(name, change);
  if (!isService(topology)) throw new Error(`${name} is no whole service`);
  return topology;
}
// Tests edit the file's raw shape freely; the schema judges the result.
// oxlint-disable-next-line typescript/no-explicit-any
type RawTopology = any;

/** Secrets are `<secret:name>`, certificates `<certificate:host>`; artifacts have constant digests. */
export function fakeContext(topology: Topology): RenderContext {
  return {
    topology,
    secret: (name) => `<secret:${name}>`,
    caCertificate: "<ca certificate>\n",
    hostCertificate: (host) => ({ certificate: `<certificate:${host}>\n`, key: `<key:${host}>\n` }),
    entryCertificate: { certificate: "<certificate:entry>\n", key: "<key:entry>\n" },
    elasticIp:
      topology.entry.address.kind === "vip"
        ? null
        : { allocationId: "eipalloc-0123456789abcdef0", endpoint: "http://203.0.113.3" },
    artifact: (name) => ({
      sha256: (name === "app" ? "a" : "b").repeat(64),
      version: name === "app" ? "1.0.0" : "0.1.0",
    }),
  };
}

/** The engine's parts; asking for an undeclared secret fails as it does in production. */
export function renderEngine(engine: Engine, topology: Topology): readonly HostPart[] {
  const declared = new Set(engine.secrets(topology));
  const context = fakeContext(topology);
  return engine.render({
    ...context,
    secret: (name) => {
      if (!declared.has(name)) throw new Error(`${engine.name} asked for undeclared secret ${name}`);
      return context.secret(name);
    },
  });
}
