/** monitor-service: is this whole node fit for traffic? For operators and monitoring; balancers ask role-store. */
import { dig } from "../rest.ts";
import { type Context, localUrl, type Parts } from "../start.ts";

const API = "/monitor-service/api/v1";
const CALL_MS = 1_000;

export function createMonitor(context: Context): Parts {
  const { environment, rest, version } = context;
  const { nodeName: node } = environment;
  const others = [...environment.servicePorts.keys()].filter((name) => name !== context.service);

  const ask = async (name: string): Promise<readonly [string, { status: number; answer: unknown }]> => {
    const url = `${localUrl(environment, name)}/api/v1/status`;
    const answer = await rest.call("GET", url, { timeoutMs: CALL_MS }).catch(() => undefined);
    return [name, { status: answer?.status ?? 0, answer: answer?.body ?? "does not answer" }];
  };
  const instance = async (): Promise<{ fit: boolean; checks: object; services: object }> => {
    const services = Object.fromEntries(await Promise.all(others.map(ask)));
    const roleStore = services["role-store"]?.answer;
    const checks = {
      services: Object.values(services).every(({ status }) => status === 200),
      database: dig(roleStore, "checks", "database") === true,
      trail: dig(services["trail-store"]?.answer, "trail") === "ok",
      // Triggers only make updates faster: Redis being away is worth showing, not a reason to be unfit.
      redis: dig(roleStore, "redis") === true,
    };
    return { fit: checks.services && checks.database && checks.trail, checks, services };
  };
  return {
    routes: (service) => [
      {
        method: "GET",
        path: `${API}/status`,
        open: true,
        handle: () => ({
          status: service.draining ? 503 : 200,
          body: { service: context.service, node, version, state: service.draining ? "draining" : "ok" },
        }),
      },
      {
        method: "GET",
        path: `${API}/instance/status`,
        open: true,
        handle: async () => {
          const { fit, checks, services } = await instance();
          const state = service.draining ? "draining" : fit ? "ok" : "unfit";
          return { status: state === "ok" ? 200 : 503, body: { node, version, state, checks, services } };
        },
      },
    ],
    close: () => Promise.resolve(),
  };
}
