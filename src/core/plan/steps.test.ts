import { describe, expect, it } from "vitest";
import { Phase, type DesiredHost } from "./desired.ts";
import { emptyHost, type ObservedHost } from "./observed.ts";
import { planHost } from "./steps.ts";

const text = (text: string) => ({ kind: "text" as const, text });
const config = "/etc/x/x.conf";
const certificate = "/etc/x/cert.pem";
const desired: DesiredHost = {
  host: "h1",
  packages: ["x"],
  users: [{ name: "x" }],
  directories: [{ path: "/etc/x", mode: 0o755, owner: "root:root" }],
  files: [
    { path: config, content: text("new"), mode: 0o644, owner: "root:root", secret: false },
    { path: certificate, content: text("pem"), mode: 0o600, owner: "x:x", secret: true },
    {
      path: "/etc/systemd/system/x.service",
      content: text("[Unit]"),
      mode: 0o644,
      owner: "root:root",
      secret: false,
    },
  ],
  units: [
    {
      name: "x.service",
      phase: Phase.data,
      state: "running",
      files: [config, certificate, "/etc/systemd/system/x.service"],
      onChange: "reload",
      restartFiles: [certificate],
      serial: "x",
    },
  ],
  tasks: [{ id: "form", title: "form the cluster", phase: Phase.dataReady, done: ["true"], act: ["true"] }],
};
const digests = { [config]: "c1", [certificate]: "p1", "/etc/systemd/system/x.service": "u1" };
const fresh = emptyHost("h1");
const converged: ObservedHost = {
  ...fresh,
  packages: ["x"],
  users: ["x"],
  directories: { "/etc/x": { mode: 0o755, owner: "root:root" } },
  files: {
    [config]: { sha256: "c1", mode: 0o644, owner: "root:root" },
    [certificate]: { sha256: "p1", mode: 0o600, owner: "x:x" },
    "/etc/systemd/system/x.service": { sha256: "u1", mode: 0o644, owner: "root:root" },
  },
  units: {
    "x.service": {
      load: "loaded",
      active: "active",
      enabled: true,
      needsDaemonReload: false,
      applied: digests,
    },
  },
  tasksDone: ["form"],
  manifest: { files: digests, units: ["x.service"] },
};
const brief = (observed: ObservedHost, host = desired) =>
  planHost(host, digests, observed).map((step) =>
    step.kind === "unit"
      ? `${step.action} ${step.name}`
      : "path" in step
        ? `${step.kind} ${step.path}`
        : step.kind,
  );

describe("planHost", () => {
  it("does everything on a fresh host, files before the unit that reads them, the task last", () => {
    expect(brief(fresh)).toEqual([
      "packages",
      "user",
      "directory /etc/x",
      `file ${config}`,
      `file ${certificate}`,
      "file /etc/systemd/system/x.service",
      "daemon-reload",
      "enable x.service",
      "start x.service",
      "task",
    ]);
  });

  it("plans nothing for a converged host", () => {
    expect(brief(converged)).toEqual([]);
  });

  it("reloads when only a reloadable file changed", () => {
    const observed = {
      ...converged,
      files: { ...converged.files, [config]: { sha256: "c0", mode: 0o644, owner: "root:root" } },
    };
    const unit = converged.units["x.service"];
    if (unit === undefined) throw new Error("fixture");
    const running = {
      ...observed,
      units: { "x.service": { ...unit, applied: { ...digests, [config]: "c0" } } },
    };
    expect(brief(running)).toEqual([`file ${config}`, "reload x.service"]);
  });

  it("still reloads when the plan was cut between the file and the unit", () => {
    const unit = converged.units["x.service"];
    if (unit === undefined) throw new Error("fixture");
    const cut = {
      ...converged,
      units: { "x.service": { ...unit, applied: { ...digests, [config]: "c0" } } },
    };
    expect(brief(cut)).toEqual(["reload x.service"]);
  });

  it("restarts one host at a time when a file needs it", () => {
    const unit = converged.units["x.service"];
    if (unit === undefined) throw new Error("fixture");
    const cut = {
      ...converged,
      units: { "x.service": { ...unit, applied: { ...digests, [certificate]: "p0" } } },
    };
    expect(planHost(desired, digests, cut)).toMatchObject([{ action: "restart", serial: "x" }]);
  });

  it("tells a hand-edited file from one whose topology changed", () => {
    const edited = {
      ...converged,
      files: { ...converged.files, [config]: { sha256: "zz", mode: 0o644, owner: "root:root" } },
    };
    expect(planHost(desired, digests, edited)).toMatchObject([{ kind: "file", drift: true }]);
    const older = { ...edited, manifest: { files: { ...digests, [config]: "zz" }, units: ["x.service"] } };
    expect(planHost(desired, digests, older)).toMatchObject([{ kind: "file", drift: false }]);
  });

  it("removes what left the topology, and only that", () => {
    const observed = {
      ...converged,
      manifest: { files: { ...digests, "/etc/y.conf": "y" }, units: ["x.service", "y.service"] },
    };
    expect(brief(observed)).toEqual(["remove-unit", "remove-file /etc/y.conf"]);
  });
});
