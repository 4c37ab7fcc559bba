/**
 * What database hosts' agents say to each other, as datagrams that nobody else can make: a MAC over
 * sender, receiver and both processes' incarnations. A recorded datagram is refused: within an
 * incarnation by its number, and after a restart of either end because it names one that is gone.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

const MAC_BYTES = 32;
/** One Ethernet frame; agents say far less. */
const MAX_BYTES = 1400;

/** [from, to, sender's incarnation, receiver's as the sender knows it, number, message] */
type Envelope = readonly [string, string, string, string, number, unknown];

export type Opened =
  /** From a process that knows this one: to be believed. */
  | { readonly kind: "message"; readonly from: string; readonly message: unknown }
  /** From one that does not know this incarnation yet: `reply` tells it; nothing else is believed. */
  | { readonly kind: "hello"; readonly from: string; readonly reply: Uint8Array }
  | { readonly kind: "refused" };

interface Peer {
  /** Incarnation that has proved to be the living one; "" before. */
  incarnation: string;
  /** Highest number accepted from it. */
  received: number;
  /** Incarnations that came before it in this process's life. */
  readonly past: Set<string>;
}

/** One end of the conversation. Pure but for its memory: sockets are the caller's. */
export class Wire {
  readonly #self: string;
  readonly #key: string;
  readonly #incarnation: string;
  readonly #peers = new Map<string, Peer>();
  #sent = 0;

  /**
   * @param incarnation random, never used before: says which run of the agent this is
   * @param key shared by the topology's agents
   */
  constructor(self: string, peers: readonly string[], incarnation: string, key: string) {
    this.#self = self;
    this.#key = key;
    this.#incarnation = incarnation;
    for (const peer of peers) this.#peers.set(peer, { incarnation: "", received: 0, past: new Set() });
  }

  /** A message for a peer, ready to be sent. @throws Error for a peer that is not one */
  seal(to: string, message: unknown): Uint8Array {
    return this.#seal(to, this.#peer(to).incarnation, message);
  }

  /** What came in. Never throws: anybody may send anything. */
  open(datagram: Uint8Array): Opened {
    const envelope = this.#authentic(datagram);
    if (envelope === null) return { kind: "refused" };
    const [from, to, incarnation, known, number, message] = envelope;
    const peer = this.#peers.get(from);
    if (peer === undefined || to !== this.#self || peer.past.has(incarnation)) return { kind: "refused" };
    if (known !== this.#incarnation) {
      // Perhaps a recording: it is answered, and only who answers that answer is alive.
      return { kind: "hello", from, reply: this.#seal(from, incarnation, null) };
    }
    if (incarnation !== peer.incarnation) {
      if (peer.incarnation !== "") peer.past.add(peer.incarnation);
      peer.incarnation = incarnation;
      peer.received = 0;
    }
    // One that was overtaken counts as lost: the next comes in a moment.
    if (number <= peer.received) return { kind: "refused" };
    peer.received = number;
    return message === null ? { kind: "refused" } : { kind: "message", from, message };
  }

  #peer(name: string): Peer {
    const peer = this.#peers.get(name);
    if (peer === undefined) throw new Error(`${name} is no peer of ${this.#self}`);
    return peer;
  }

  #seal(to: string, known: string, message: unknown): Uint8Array {
    const envelope: Envelope = [this.#self, to, this.#incarnation, known, ++this.#sent, message];
    const body = Buffer.from(JSON.stringify(envelope));
    return Buffer.concat([this.#mac(body), body]);
  }

  #mac(body: Uint8Array): Buffer {
    return createHmac("sha256", this.#key).update(body).digest();
  }

  #authentic(datagram: Uint8Array): Envelope | null {
    if (datagram.length <= MAC_BYTES || datagram.length > MAX_BYTES) return null;
    const body = datagram.subarray(MAC_BYTES);
    if (!timingSafeEqual(this.#mac(body), datagram.subarray(0, MAC_BYTES))) return null;
    // Whoever has the key made it, with this code or another version's.
    const envelope: unknown = JSON.parse(Buffer.from(body).toString());
    return isEnvelope(envelope) ? envelope : null;
  }
}

function isEnvelope(value: unknown): value is Envelope {
  return (
    Array.isArray(value) &&
    value.length === 6 &&
    value.slice(0, 4).every((part) => typeof part === "string") &&
    typeof value[4] === "number"
  );
}
