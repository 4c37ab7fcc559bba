/** Rules: health checks, services and package of the app. */
import type { ServiceTopology } from "../topology/schema.ts";
import { type Finding, type Rule, serviceRule } from "./rule.ts";
import { seconds } from "./tiers.ts";

/** Whether nginx sends the path to a service (and not to the static files, or nowhere). */
const servedByService = ({ app }: ServiceTopology, path: string): boolean =>
  app.services.some(({ prefix }) => path.startsWith(prefix));

const prefixes = ({ app }: ServiceTopology): string => app.services.map(({ prefix }) => prefix).join(", ");

export const appRules: readonly Rule[] = [
  serviceRule({
    code: "HF141",
    title: "Health path asks a service",
    severity: "error",
    why: "nginx answers a path of the static files with 200 although every service is dead, so a dead host stays in the pool; a path that nothing serves keeps a good host out of it.",
    fix: "Use the status path of a service, such as /role-store/api/v1/status.",
    check: (topology) => {
      const { path } = topology.app.health;
      if (servedByService(topology, path)) return [];
      const answer =
        topology.app.static === undefined
          ? "no service has a prefix of it: every host would be out of the pool"
          : "nginx answers it from the static files even when all services are dead";
      return [
        {
          path: ["app", "health", "path"],
          found: `${path}: ${answer}`,
          fix: `use a path under ${prefixes(topology)}`,
        },
      ];
    },
  }),
  serviceRule({
    code: "HF142",
    title: "Health method that reaches the service",
    severity: "warning",
    why: "OPTIONS is often answered by a framework's CORS handling before the service's own code runs.",
    fix: "Use GET (or HEAD).",
    check: ({ app }) =>
      app.health.method === "OPTIONS"
        ? [
            {
              path: ["app", "health", "method"],
              found: "OPTIONS may be answered without asking the service",
              fix: "use GET",
            },
          ]
        : [],
  }),
  serviceRule({
    code: "HF143",
    title: "Health checks neither nervous nor rare",
    severity: "warning",
    why: "With `fall: 1` one lost packet takes a host out. Checks more often than every 100 ms are a load of their own; rarer than every 10 s they notice a loss too late to matter.",
    fix: "Use fall 2 or 3 and an interval from 100ms to 10s.",
    check: ({ app }) => {
      const { interval, fall } = app.health;
      const findings: Finding[] = [];
      if (fall === 1) {
        findings.push({
          path: ["app", "health", "fall"],
          found: "1: one lost packet takes a host out of the pool",
          fix: "use 2",
        });
      }
      if (interval < 100 || interval > 10_000) {
        const found = `${seconds(interval)} is ${interval < 100 ? "a load of its own" : "too rare to notice a loss in time"}`;
        findings.push({ path: ["app", "health", "interval"], found, fix: "use 500ms" });
      }
      return findings;
    },
  }),
  serviceRule({
    code: "HF144",
    title: "Workload for drills",
    severity: "warning",
    why: "`holdfast drill` measures what clients see by sending the app's own requests; without them nothing can be proven.",
    fix: "Add `app.workload` with the paths read, write and readBack.",
    check: ({ app }) =>
      app.workload === undefined
        ? [
            {
              path: ["app"],
              found: "no workload: drills have nothing to send",
              fix: "add workload with read, write and readBack",
            },
          ]
        : [],
  }),
  serviceRule({
    code: "HF145",
    title: "Workload paths ask a service",
    severity: "error",
    why: "A path that the static files answer is served even when the app is down: the drill would measure nginx.",
    fix: "Use paths under a service's prefix.",
    check: (topology) =>
      workloadPaths(topology.app.workload ?? {})
        .filter(({ path }) => !servedByService(topology, path))
        .map(({ keys, path }) => ({
          path: ["app", "workload", ...keys],
          found: `${path} is under no service's prefix`,
          fix: `use a path under ${prefixes(topology)}`,
        })),
  }),
  serviceRule({
    code: "HF146",
    title: "Package readable and named by its version",
    severity: "error",
    why: "`up` installs the app from it; the version in the name decides where it is unpacked and whether it is already installed.",
    fix: "Build or copy the archive to where `app.package` says, named `<app>-<version>.tar.gz`.",
    check: ({ app }, { package: archive }) => {
      const path = ["app", "package"];
      const base = app.package.split("/").at(-1) ?? "";
      const named =
        base.startsWith(`${app.name}-`) && /^\d.*\.tar\.gz$/.test(base.slice(app.name.length + 1));
      if (!named) {
        return [
          {
            path,
            found: `${base} is not named ${app.name}-<version>.tar.gz`,
            fix: "name it after app.name and its version",
          },
        ];
      }
      if (archive?.unreadable === undefined) return [];
      return [
        {
          path,
          found: `${archive.file} cannot be read: ${archive.unreadable}`,
          fix: "build the package (npm run build), or correct the path",
        },
      ];
    },
  }),
];

type Workload = { readonly [key: string]: string | Workload | undefined };

const workloadPaths = (workload: Workload): { readonly keys: string[]; readonly path: string }[] =>
  Object.entries(workload).flatMap(([key, value]) => {
    if (value === undefined) return [];
    if (typeof value === "string") return [{ keys: [key], path: value }];
    return workloadPaths(value).map(({ keys, path }) => ({ keys: [key, ...keys], path }));
  });
