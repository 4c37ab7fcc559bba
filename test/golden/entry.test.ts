import { describe, expect, it } from "vitest";
import { agent } from "../../src/core/engines/agent/render.ts";
import { app } from "../../src/core/engines/app/render.ts";
import { base } from "../../src/core/engines/base/render.ts";
import { haproxy } from "../../src/core/engines/haproxy/render.ts";
import { keepalived } from "../../src/core/engines/keepalived/render.ts";
import { nginx } from "../../src/core/engines/nginx/render.ts";
import { matchGolden } from "../support/golden.ts";
import { anyBlueprint, blueprint, renderEngine } from "../support/render.ts";

const engines = [base, haproxy, nginx, keepalived, app, agent];

describe("privx-onprem as rendered", () => {
  it.each(engines.map((engine) => [engine.name, engine] as const))("%s", async (name, engine) => {
    const parts = renderEngine(engine, blueprint());
    expect(parts.length).toBeGreaterThan(0);
    await matchGolden("privx-onprem", name, parts);
  });
});

describe("nginx-eip as rendered", () => {
  const alone = [base, nginx, keepalived, agent];
  it.each(alone.map((engine) => [engine.name, engine] as const))("%s", async (name, engine) => {
    const parts = renderEngine(engine, anyBlueprint("nginx-eip"));
    expect(parts.map(({ host }) => host)).toEqual(["nginx1", "nginx2"]);
    await matchGolden("nginx-eip", name, parts);
  });
  it("the service's engines have nothing there", () => {
    const others = engines.filter((engine) => !alone.includes(engine));
    expect(others.flatMap((engine) => renderEngine(engine, anyBlueprint("nginx-eip")))).toEqual([]);
  });
});

describe("privx-onprem with other choices", () => {
  it("keeps clients by source address, through peers", async () => {
    const topology = blueprint("privx-onprem", (raw) => {
      raw.entry.affinity = "source";
      raw.entry.ports = { http: 8080, https: 8443 };
    });
    const parts = renderEngine(haproxy, topology).filter(({ host }) => topology.entry.hosts.includes(host));
    expect(parts.map(({ host }) => host)).toEqual(["lb1", "lb2"]);
    await matchGolden("source-affinity", "haproxy", parts);
  });

  it("asks a witness who has the Elastic IP", async () => {
    const topology = blueprint("privx-onprem", (raw) => {
      raw.entry.address = { kind: "elastic-ip", publicAddress: "198.51.100.10", witness: "required" };
    });
    const parts = renderEngine(agent, topology).filter(({ host }) => topology.entry.hosts.includes(host));
    expect(parts.map(({ host }) => host)).toEqual(["lb1", "lb2"]);
    await matchGolden("witness", "agent", parts);
  });
});
