/** Every 10 ms: does a connection to the address come about, does a datagram come back? */
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import type { ProbeProtocol } from "../../core/drill/observations.ts";
import { echoNumber, echoRequest } from "../../core/engines/agent/echo.ts";
import type { ObserveConfig } from "./config.ts";
import { type Observer, pause } from "./observer.ts";
import { ProbeRuns } from "./probe-runs.ts";

const INTERVAL_MS = 10;
/** Later than any answer on a network that works; a lost SYN is sent again after 1 s, and then counts as lost. */
const TIMEOUT_MS = 200;

type ProbeConfig = NonNullable<ObserveConfig["probe"]>;

/** Connects and resets at once, so that no closed connection lingers at either end. */
export function probeTcp(observer: Observer, { address, tcpPort }: ProbeConfig): Promise<void> {
  return probeEvery(observer, "tcp", (settle) => {
    const socket = connect({ host: address, port: tcpPort, noDelay: true });
    const timer = setTimeout(() => end(false), TIMEOUT_MS);
    const end = (ok: boolean): void => {
      clearTimeout(timer);
      settle(ok);
      if (ok) socket.resetAndDestroy();
      else socket.destroy();
    };
    socket.once("connect", () => end(true));
    socket.on("error", () => end(false));
  });
}

/** Asks the echo of the entry hosts. */
export async function probeUdp(observer: Observer, { address, udpPort }: ProbeConfig): Promise<void> {
  const socket = createSocket("udp4");
  const waiting = new Map<number, (ok: boolean) => void>();
  socket.on("error", () => undefined); // an unreachable network: the probe ends by its time
  socket.on("message", (message) => waiting.get(echoNumber(message) ?? -1)?.(true));
  let number = 0;
  await probeEvery(observer, "udp", (settle) => {
    const own = number++;
    const timer = setTimeout(() => end(false), TIMEOUT_MS);
    const end = (ok: boolean): void => {
      clearTimeout(timer);
      waiting.delete(own);
      settle(ok);
    };
    waiting.set(own, end);
    socket.send(echoRequest(own), udpPort, address, () => undefined);
  });
  socket.close();
}

/** Starts a probe every 10 ms, whatever became of those before it; a late loop leaves out what it missed. */
async function probeEvery(
  { now, record, stop }: Observer,
  protocol: ProbeProtocol,
  start: (settle: (ok: boolean) => void) => void,
): Promise<void> {
  const runs = new ProbeRuns(protocol, record);
  let due = now();
  while (!stop.aborted) {
    const sent = now();
    const settled = runs.sent(sent);
    start((ok) => settled(ok, now()));
    due = Math.max(due + INTERVAL_MS, sent + INTERVAL_MS / 2);
    await pause(due - now(), stop);
  }
  await runs.close();
}
