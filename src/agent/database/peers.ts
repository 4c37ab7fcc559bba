/** The datagrams between the database tier's agents. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { Message } from "../../core/decide/lease/types.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { Wire } from "./wire.ts";

export interface PeersSettings {
  readonly self: string;
  readonly members: readonly { readonly name: string; readonly address: string }[];
  readonly port: number;
  readonly incarnation: string;
  readonly key: string;
}

/** Another version of the protocol is another key: such agents do not hear each other. */
const PROTOCOL = "holdfast lease 1";
const KINDS = new Set(["heartbeat", "ack", "question", "answer"]);

export class Peers {
  readonly #socket: Socket;
  readonly #wire: Wire;
  readonly #port: number;
  readonly #addresses: ReadonlyMap<string, string>;
  #closed = false;

  private constructor(settings: PeersSettings, socket: Socket) {
    const { self, members, port, incarnation, key } = settings;
    const others = members.filter(({ name }) => name !== self);
    this.#wire = new Wire(
      self,
      others.map(({ name }) => name),
      incarnation,
      `${PROTOCOL} ${key}`,
    );
    this.#addresses = new Map(others.map(({ name, address }) => [name, address]));
    this.#port = port;
    this.#socket = socket;
  }

  /**
   * @param receive gets every message that is to be believed
   * @throws HoldfastError when the port cannot be had
   */
  static async open(settings: PeersSettings, receive: (message: Message) => void): Promise<Peers> {
    const own = settings.members.find(({ name }) => name === settings.self);
    if (own === undefined) throw new Error(`${settings.self} is no member`);
    const socket = createSocket("udp4");
    socket.bind(settings.port, own.address);
    await once(socket, "listening").catch((error: Error) => {
      throw new HoldfastError(`cannot listen for the other database hosts: ${error.message}`);
    });
    const peers = new Peers(settings, socket);
    // Of a datagram that could not be sent: lost, like one on the way.
    socket.on("error", () => undefined);
    socket.on("message", (datagram, { address }) => {
      const opened = peers.#wire.open(datagram);
      if (opened.kind === "hello") peers.#send(address, opened.reply);
      if (opened.kind === "message" && isMessage(opened.message)) {
        receive({ ...opened.message, from: opened.from });
      }
    });
    return peers;
  }

  send(to: string, message: Message): void {
    this.#send(this.#addresses.get(to) ?? "", this.#wire.seal(to, message));
  }

  /** What is sent later is lost: an answer that came late may still make the agent speak. */
  close(): void {
    if (!this.#closed) this.#socket.close();
    this.#closed = true;
  }

  #send(address: string, datagram: Uint8Array): void {
    if (this.#closed) return;
    this.#socket.send(datagram, this.#port, address, () => undefined);
  }
}

/** An agent of this protocol sends nothing else; its fields need no check once the sender is known. */
function isMessage(value: unknown): value is Message {
  return typeof value === "object" && value !== null && "kind" in value && KINDS.has(String(value.kind));
}
