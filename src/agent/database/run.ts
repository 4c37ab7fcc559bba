/** What a host of the database tier runs, put together: lease, probes, and who may ask. */
import { setTimeout as sleep } from "node:timers/promises";
import type { DatabaseConfig } from "../../core/engines/agent/config.ts";
import { gatePorts } from "../../core/engines/agent/gate.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { readOwn } from "../../lib/etcd.ts";
import type { Reporter } from "../../ports.ts";
import { Etcd } from "./etcd.ts";
import { Gate } from "./gate.ts";
import { serveHealth } from "./health.ts";
import { LeaseLoop, newIncarnation } from "./loop.ts";
import { Peers } from "./peers.ts";
import { PostgresProbe } from "./postgres.ts";
import { releaseGate } from "./release.ts";
import { probeSettings, watchPostgres } from "./watch.ts";

/** For etcd and nft together with what the state machine waits for them, ms. */
const REQUEST_MS = 900;
const RETRY_MS = 1000;

interface Options {
  readonly signal: AbortSignal;
  readonly reporter: Reporter;
}

/**
 * Until `signal` aborts and the other agents can do without this one. What cannot be started (a port is
 * taken, a file is not there yet) is told, and tried again: the host's other loops go on.
 */
export async function runDatabaseLoop(config: DatabaseConfig, options: Options): Promise<void> {
  const { signal, reporter } = options;
  let lastProblem = "";
  while (!signal.aborted) {
    try {
      return await runOnce(config, options);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      if (error.message !== lastProblem) reporter.warn(`database: ${error.message}`);
      lastProblem = error.message;
    }
    await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** For a host without a living agent: see release.ts. @throws HoldfastError when it cannot even try */
export async function runRelease(config: DatabaseConfig, { signal, reporter }: Options): Promise<void> {
  const { self, members, postgres, healthPort } = config;
  if (postgres === undefined) return;
  await using parts = new AsyncDisposableStack();
  const gate = openGate(config);
  parts.defer(() => gate.end());
  const etcd = await openEtcd(config);
  parts.defer(() => etcd.close());
  const probe = parts.adopt(new PostgresProbe(probeSettings(postgres)), (it) => it.close());
  const address = members.find(({ name }) => name === self)?.address ?? "";
  const agentLives = (): Promise<boolean> =>
    fetch(`http://${address}:${healthPort}/status`, { signal: AbortSignal.timeout(REQUEST_MS) }).then(
      ({ ok }) => ok,
      () => false,
    );
  await releaseGate(config, { gate, etcd, probe: () => probe.ask(), agentLives, reporter, signal });
}

function openGate({ postgres, fenceFile }: DatabaseConfig): Gate {
  return new Gate(
    {
      gate: postgres === undefined ? null : { file: postgres.gateFile, marker: postgres.marker },
      fence: fenceFile,
    },
    postgres === undefined ? [] : gatePorts(postgres),
    { requestMs: REQUEST_MS, now: () => performance.now() },
  );
}

const openEtcd = ({ etcd }: DatabaseConfig): Promise<Etcd> =>
  Etcd.open({
    endpoints: etcd.endpoints,
    tls: etcd,
    leaderKey: etcd.leaderKey,
    recordPrefix: etcd.recordPrefix,
    requestMs: REQUEST_MS,
  });

async function runOnce(config: DatabaseConfig, { signal, reporter }: Options): Promise<void> {
  const { self, members, postgres } = config;
  const incarnation = newIncarnation();
  const key = await readKey(config.keyFile);
  await using parts = new AsyncDisposableStack();
  const gate = openGate(config);
  parts.defer(() => gate.stop());
  await gate.start();
  const armed = await gate.armed();
  const etcd = await openEtcd(config);
  parts.defer(() => etcd.close());
  const peers = await Peers.open({ self, members, port: config.heartbeatPort, incarnation, key }, (message) =>
    loop.dispatch({ kind: "message", message }),
  );
  parts.defer(() => peers.close());
  // Without a wait since the socket was opened: nothing can have been received.
  const loop = new LeaseLoop(config, armed, { gate, etcd, peers, reporter }, incarnation);
  parts.defer(await serveHealth(config, loop));
  if (postgres !== undefined) parts.defer(watchPostgres(postgres, config, loop));
  await loop.run(signal);
}

async function readKey(path: string): Promise<string> {
  const key = (await readOwn(path)).trim();
  if (key.length < 32) throw new HoldfastError(`${path} holds no key`, { fix: "run `holdfast up`" });
  return key;
}
