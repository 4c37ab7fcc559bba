/** A UDP port that answers, datagram by datagram: the drills' echo, and what entry hosts ask each other. */
import { createSocket } from "node:dgram";
import { setTimeout as sleep } from "node:timers/promises";
import type { Reporter } from "../ports.ts";

/** Pause before it is bound again after an error. */
const RETRY_MS = 1000;

export interface DatagramService {
  /** In front of an error that is told. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** Null: no answer, to a stranger or to what is no request. */
  readonly answer: (message: Buffer, from: string) => Uint8Array | null;
  readonly signal: AbortSignal;
  readonly reporter: Reporter;
}

/** Answers until `signal` aborts. An error is told once, and the port is bound anew. */
export async function answerDatagrams(service: DatagramService): Promise<void> {
  const { name, signal, reporter } = service;
  let lastError = "";
  while (!signal.aborted) {
    const error = await answerUntilError(service);
    if (error !== null && error.message !== lastError) reporter.warn(`${name}: ${error.message}`);
    lastError = error?.message ?? "";
    await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
}

function answerUntilError({ address, port, answer, signal }: DatagramService): Promise<Error | null> {
  const socket = createSocket("udp4");
  return new Promise((resolve) => {
    const end = (error: Error | null): void => {
      signal.removeEventListener("abort", stop);
      socket.close();
      resolve(error);
    };
    const stop = (): void => end(null);
    signal.addEventListener("abort", stop);
    socket.once("error", (error) => {
      socket.on("error", () => undefined); // of what was still being sent
      end(error);
    });
    socket.on("message", (message, from) => {
      const datagram = answer(message, from.address);
      // An answer that cannot be sent is a lost datagram to who asked, and no reason to end.
      if (datagram !== null) socket.send(datagram, from.port, from.address, () => undefined);
    });
    socket.bind(port, address);
  });
}
