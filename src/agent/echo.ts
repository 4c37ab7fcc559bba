/** The UDP echo on the service's address: what a drill probes with whether datagrams arrive there. */
import { BlockList } from "node:net";
import type { EntryConfig } from "../core/engines/agent/config.ts";
import { echoAnswer } from "../core/engines/agent/echo.ts";
import type { Reporter } from "../ports.ts";
import { answerDatagrams } from "./datagrams.ts";

/**
 * Answers until `signal` aborts. Bound to the address itself, so that answers come from it; the
 * kernel delivers to it only on the host that holds the address.
 */
export async function runEcho(
  { address, port, clients }: EntryConfig["echo"],
  { signal, reporter }: { readonly signal: AbortSignal; readonly reporter: Reporter },
): Promise<void> {
  const [network = "", prefix = ""] = clients.split("/");
  const allowed = new BlockList();
  allowed.addSubnet(network, Number(prefix), "ipv4");
  await answerDatagrams({
    name: "UDP echo",
    address,
    port,
    answer: (message, from) => (allowed.check(from, "ipv4") ? echoAnswer(message) : null),
    signal,
    reporter,
  });
}
