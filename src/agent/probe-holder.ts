import { connect } from "node:net";
import type { Holder, ProbeResult } from "../core/decide/address/types.ts";
import { askPeer } from "./peer.ts";

/** A timer that fired this late: this process did not get the CPU, and what it missed says nothing. */
const LATE_MS = 50;

interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface HolderProbe {
  readonly holder: Holder | null;
  /** The address as clients reach it; null when it or a port to ask is not known. */
  readonly service: Endpoint | null;
  /** Something else on the way out, to tell a silent service from a way that is cut. */
  readonly reference: Endpoint;
  readonly peers: readonly string[];
  readonly peerPort: number;
  /** EC2's word on an instance; null when it is not to be asked. */
  readonly instanceState: ((instanceId: string, deadlineMs: number) => Promise<string>) | null;
  readonly timeoutMs: number;
}

/**
 * Asks the host that holds an address whether it still serves: as a client, by its agent, and by EC2,
 * all at once. Never throws and takes `timeoutMs` at most; less when a part settles it.
 */
export async function probeHolder(probe: HolderProbe): Promise<ProbeResult> {
  const start = performance.now();
  const learned: { -readonly [K in keyof ProbeResult]: ProbeResult[K] } = {
    service: "silent",
    peer: "silent",
    instance: "unknown",
  };
  let wayOut = false;
  // What a client would see is always waited for: without it a holder that steps down in order looks as
  // if nobody could tell.
  let waiting = probe.service === null ? 1 : 2;
  const { service, reference, timeoutMs } = probe;
  const askService = async (): Promise<void> => {
    // Without a port to ask, VRRP's word counts alone: as if nothing had answered.
    if (service === null) return;
    learned.service = await tryConnect(service, timeoutMs);
    waiting--;
  };
  const askReference = async (): Promise<void> => {
    wayOut = (await tryConnect(reference, timeoutMs)) !== "silent";
    waiting--;
  };
  const asks = [
    askService(),
    askReference(),
    peerRole(probe).then((result) => void (learned.peer = result)),
    instanceOf(probe).then((result) => void (learned.instance = result)),
  ];
  await firstOf(asks, () => waiting === 0 && isSettled(learned), timeoutMs);
  const late = performance.now() - start > timeoutMs + LATE_MS;
  if (learned.service === "silent" && (late || (service !== null && !wayOut))) learned.service = "unknown";
  return learned;
}

const isSettled = ({ peer, instance }: ProbeResult): boolean =>
  peer === "backup" || peer === "fault" || instance === "gone";

/** Until all have ended, or `enough` after one of them, or the time is over. */
async function firstOf(
  asks: readonly Promise<void>[],
  enough: () => boolean,
  timeoutMs: number,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
    for (const ask of asks) void ask.then(() => enough() && resolve());
  });
  await Promise.race([Promise.all(asks), over]);
  clearTimeout(timer);
}

/** A connection proves that packets get there and back and that somebody listens. Never throws. */
async function tryConnect(
  { host, port }: Endpoint,
  timeoutMs: number,
): Promise<"serves" | "refused" | "silent"> {
  const socket = connect({ host, port });
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise((resolve) => {
      timer = setTimeout(() => resolve("silent"), timeoutMs);
      socket.once("connect", () => resolve("serves"));
      socket.on("error", (error: NodeJS.ErrnoException) =>
        resolve(error.code === "ECONNREFUSED" ? "refused" : "silent"),
      );
    });
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

async function peerRole({ holder, peers, peerPort, timeoutMs }: HolderProbe): Promise<ProbeResult["peer"]> {
  if (holder === null) return "silent";
  const answers = await Promise.all(peers.map(async (peer) => askPeer(peer, peerPort, timeoutMs)));
  for (const answer of answers) {
    if (typeof answer === "object" && answer.instanceId === holder.instanceId) return answer.role;
  }
  // Which peer the holder is, is certain in a pair only.
  return peers.length === 1 && answers[0] === "reachable" ? "reachable" : "silent";
}

async function instanceOf({
  holder,
  instanceState,
  timeoutMs,
}: HolderProbe): Promise<ProbeResult["instance"]> {
  const instanceId = holder?.instanceId ?? null;
  if (instanceState === null || instanceId === null) return "unknown";
  try {
    const state = await instanceState(instanceId, timeoutMs);
    return state === "running" || state === "pending" ? "running" : "gone";
  } catch {
    return "unknown";
  }
}
