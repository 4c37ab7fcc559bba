/** The UDP echo on the service's address: what a drill probes with whether datagrams arrive there. */
import { createSocket } from "node:dgram";
import { BlockList } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { EntryConfig } from "../core/engines/agent/config.ts";
import { echoAnswer } from "../core/engines/agent/echo.ts";
import type { Reporter } from "../ports.ts";

/** Pause before it is bound again after an error. */
const RETRY_MS = 1000;

type EchoConfig = EntryConfig["echo"];

/**
 * Answers until `signal` aborts. Bound to the address itself, so that answers come from it; the
 * kernel delivers to it only on the host that holds the address. An error is told and it is bound anew.
 */
export async function runEcho(
  config: EchoConfig,
  { signal, reporter }: { readonly signal: AbortSignal; readonly reporter: Reporter },
): Promise<void> {
  let lastError = "";
  while (!signal.aborted) {
    const error = await echoUntilError(config, signal);
    if (error !== null && error.message !== lastError) reporter.warn(`UDP echo: ${error.message}`);
    lastError = error?.message ?? "";
    await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
}

function echoUntilError({ address, port, clients }: EchoConfig, signal: AbortSignal): Promise<Error | null> {
  const [network = "", prefix = ""] = clients.split("/");
  const allowed = new BlockList();
  allowed.addSubnet(network, Number(prefix), "ipv4");
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
      const answer = allowed.check(from.address, "ipv4") ? echoAnswer(message) : null;
      // An answer that cannot be sent is a lost datagram to the client, and no reason to end.
      if (answer !== null) socket.send(answer, from.port, from.address, () => undefined);
    });
    socket.bind(port, address);
  });
}
