/**
 * A plan may be cut anywhere: by Ctrl-C, by kill -9, by a host that dies. Here the rendered blueprint
 * is "performed" on a model of the hosts, cut at random places, and planned anew until nothing is left.
 */
import { array, assert, nat, property } from "fast-check";
import { describe, expect, it } from "vitest";
import { engines } from "../../src/core/engines/registry.ts";
import type { DesiredHost } from "../../src/core/plan/desired.ts";
import { renderDesired } from "../../src/core/plan/merge.ts";
import {
  emptyHost,
  type Manifest,
  type ObservedHost,
  type ObservedUnit,
} from "../../src/core/plan/observed.ts";
import { planHost, planSteps, type FileDigests, type Step } from "../../src/core/plan/steps.ts";
import { sha256 } from "../../src/run/artifacts.ts";
import { blueprint, fakeContext } from "../support/render.ts";

const hosts = renderDesired(engines, fakeContext(blueprint()));
const digestsOf = (host: DesiredHost): FileDigests =>
  Object.fromEntries(
    host.files.map(({ path, content }) => [
      path,
      content.kind === "text" ? sha256(content.text) : content.sha256,
    ]),
  );

const unknownUnit: ObservedUnit = {
  load: "loaded",
  active: "inactive",
  enabled: false,
  needsDaemonReload: false,
  applied: null,
};

/** What a step does to a host, as far as the planner can see. */
function apply(observed: ObservedHost, step: Step, desired: DesiredHost, digests: FileDigests): ObservedHost {
  const manifest = (edit: Partial<Manifest>): Manifest => ({ ...observed.manifest, ...edit });
  switch (step.kind) {
    case "packages":
      return { ...observed, packages: [...observed.packages, ...step.names] };
    case "user":
      return { ...observed, users: [...observed.users, step.name] };
    case "directory": {
      const wanted = desired.directories.find((directory) => directory.path === step.path);
      if (wanted === undefined) throw new Error(`directory ${step.path} is not desired`);
      return { ...observed, directories: { ...observed.directories, [step.path]: wanted } };
    }
    case "file": {
      const wanted = desired.files.find((file) => file.path === step.path);
      const digest = digests[step.path];
      if (wanted === undefined || digest === undefined) throw new Error(`file ${step.path} is not desired`);
      const file = { sha256: digest, mode: wanted.mode, owner: wanted.owner };
      return {
        ...observed,
        files: { ...observed.files, [step.path]: file },
        manifest: manifest({ files: { ...observed.manifest.files, [step.path]: digest } }),
      };
    }
    case "remove-file": {
      const { [step.path]: _file, ...files } = observed.files;
      const { [step.path]: _mark, ...marks } = observed.manifest.files;
      return { ...observed, files, manifest: manifest({ files: marks }) };
    }
    case "daemon-reload": {
      const units = Object.entries(observed.units).map(([name, unit]) => [
        name,
        { ...unit, needsDaemonReload: false },
      ]);
      return { ...observed, units: Object.fromEntries(units) as ObservedHost["units"] };
    }
    case "unit": {
      const before = observed.units[step.name] ?? unknownUnit;
      return {
        ...observed,
        units: { ...observed.units, [step.name]: applyUnit(before, step, observed, desired) },
      };
    }
    case "remove-unit":
      return {
        ...observed,
        manifest: manifest({ units: observed.manifest.units.filter((unit) => unit !== step.name) }),
      };
    case "task":
      return { ...observed, tasksDone: [...observed.tasksDone, step.id] };
    default:
      return step satisfies never;
  }
}

/** A started unit runs with the files that are there now, whatever the plan thinks. */
function applyUnit(
  before: ObservedUnit,
  step: Step & { kind: "unit" },
  observed: ObservedHost,
  desired: DesiredHost,
): ObservedUnit {
  if (step.action === "enable") return { ...before, enabled: true };
  if (step.action === "mask") return { ...before, load: "masked" };
  if (step.action === "stop") return { ...before, active: "inactive" };
  const files = desired.units.find((unit) => unit.name === step.name)?.files ?? [];
  const applied = Object.fromEntries(files.map((path) => [path, observed.files[path]?.sha256 ?? "missing"]));
  return { ...before, active: "active", applied };
}

const runStep = (state: Map<string, ObservedHost>, step: Step): void => {
  const desired = hosts.find((host) => host.host === step.host);
  const observed = state.get(step.host);
  if (desired === undefined || observed === undefined) throw new Error(`unknown host ${step.host}`);
  state.set(step.host, apply(observed, step, desired, digestsOf(desired)));
};
const planOf = (state: Map<string, ObservedHost>): readonly Step[] =>
  planSteps(
    hosts.map((desired) => ({
      desired,
      digests: digestsOf(desired),
      observed: state.get(desired.host) ?? emptyHost(desired.host),
    })),
  ).steps;
const freshState = (): Map<string, ObservedHost> => new Map(hosts.map(({ host }) => [host, emptyHost(host)]));

describe("planning privx-onprem", () => {
  it("converges in one go, and then plans nothing", () => {
    const state = freshState();
    const steps = planOf(state);
    expect(steps.length).toBeGreaterThan(100);
    for (const step of steps) runStep(state, step);
    expect(planOf(state)).toEqual([]);
  });

  it("converges after a cut behind every single step, doing no step twice", () => {
    const state = freshState();
    const whole = planOf(state).length;
    let performed = 0;
    for (;;) {
      const [next] = planOf(state);
      if (next === undefined) break;
      runStep(state, next);
      performed += 1;
      expect(performed).toBeLessThanOrEqual(whole + hosts.length * 20); // daemon-reload may come once per cut
    }
    expect(planOf(state)).toEqual([]);
  });

  it("converges when hosts stop at different places of the plan, any number of times", () => {
    assert(
      property(array(array(nat(60), { minLength: 7, maxLength: 7 }), { maxLength: 6 }), (cuts) => {
        const state = freshState();
        for (const perHost of [...cuts, hosts.map(() => Number.POSITIVE_INFINITY)]) {
          const steps = planOf(state);
          hosts.forEach(({ host }, index) => {
            for (const step of steps.filter((step) => step.host === host).slice(0, perHost[index] ?? 0))
              runStep(state, step);
          });
        }
        expect(planOf(state)).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it("never starts a unit before the files that it reads are written", () => {
    for (const desired of hosts) {
      const seen = new Set<string>();
      for (const step of planHost(desired, digestsOf(desired), emptyHost(desired.host))) {
        if (step.kind === "file") seen.add(step.path);
        if (step.kind !== "unit" || step.action !== "start") continue;
        const files = desired.units.find((unit) => unit.name === step.name)?.files ?? [];
        expect(files.filter((path) => !seen.has(path))).toEqual([]);
      }
    }
  });

  it("leaves no secret and no content in the plan", () => {
    const text = JSON.stringify(planOf(freshState()));
    expect(text).not.toContain("<secret:");
    expect(text).not.toContain("PRIVATE KEY");
  });
});
