/** How the agents of a pair ask each other's VRRP role, on the network that VRRP uses. */
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { z } from "zod";
import type { Reporter } from "../ports.ts";
import { answerDatagrams } from "./datagrams.ts";

const REQUEST = "HFR1";
const ANSWER = "HFS1";
/** The asker's: an answer that does not repeat it was made for somebody else, or made up. */
const NONCE_BYTES = 16;
/** A lost datagram must not look like a lost host. */
const RESEND_MS = 25;

const answerSchema = z.object({ role: z.enum(["master", "backup", "fault"]), instanceId: z.string() });
export type PeerAnswer = z.output<typeof answerSchema>;

interface Responder {
  /** This host's address on that network. */
  readonly address: string;
  readonly port: number;
  readonly peers: () => readonly string[];
  /** null: not known now, so nothing is answered and the asker learns only that this host is there. */
  readonly own: () => PeerAnswer | null;
  readonly signal: AbortSignal;
  readonly reporter: Reporter;
}

/** Answers the peers, and nobody else, until `signal` aborts. */
export async function answerPeers({ peers, own, ...service }: Responder): Promise<void> {
  await answerDatagrams({
    ...service,
    name: "answering peers",
    answer: (message, from) => {
      const isRequest =
        message.length === REQUEST.length + NONCE_BYTES && message.toString("latin1", 0, 4) === REQUEST;
      const answer = isRequest && peers().includes(from) ? own() : null;
      if (answer === null) return null;
      const nonce = message.subarray(REQUEST.length);
      return Buffer.concat([Buffer.from(ANSWER), nonce, Buffer.from(JSON.stringify(answer))]);
    },
  });
}

/**
 * Asks one peer.
 * @returns its answer; `reachable` when its host says that nobody answers there; `silent` when nothing
 * came within `timeoutMs`
 */
export async function askPeer(
  address: string,
  port: number,
  timeoutMs: number,
): Promise<PeerAnswer | "reachable" | "silent"> {
  const nonce = randomBytes(NONCE_BYTES);
  const request = Buffer.concat([Buffer.from(REQUEST), nonce]);
  const prefix = Buffer.concat([Buffer.from(ANSWER), nonce]);
  const socket = createSocket("udp4");
  let resend: NodeJS.Timeout | undefined;
  let deadline: NodeJS.Timeout | undefined;
  try {
    return await new Promise((resolve) => {
      deadline = setTimeout(() => resolve("silent"), timeoutMs);
      // Connected, so that the kernel hands over "port unreachable" and nobody else's datagrams.
      socket.on("error", (error: NodeJS.ErrnoException) =>
        resolve(error.code === "ECONNREFUSED" ? "reachable" : "silent"),
      );
      socket.on("message", (message) => {
        const answer = message.subarray(0, prefix.length).equals(prefix)
          ? readAnswer(message.subarray(prefix.length))
          : null;
        if (answer !== null) resolve(answer);
      });
      const send = (): void => socket.send(request, () => undefined);
      socket.connect(port, address, () => {
        send();
        resend = setInterval(send, RESEND_MS);
      });
    });
  } finally {
    clearTimeout(deadline);
    clearInterval(resend);
    socket.close();
  }
}

function readAnswer(bytes: Buffer): PeerAnswer | null {
  try {
    return answerSchema.parse(JSON.parse(bytes.toString()));
  } catch {
    return null; // another version's
  }
}
