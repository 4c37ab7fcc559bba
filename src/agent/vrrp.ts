import type { Role } from "../core/decide/address/types.ts";
import { parseNotification, type VrrpState } from "../core/engines/keepalived/state.ts";
import { readFifo } from "./fifo.ts";
import { askKeepalived, isKeepalived, keepalivedPid } from "./keepalived.ts";
import type { Reporter } from "../ports.ts";

const roles: Readonly<Record<VrrpState, Role>> = {
  MASTER: "master",
  BACKUP: "backup",
  FAULT: "fault",
  STOP: "unknown",
};

const ASK_MS = 60_000;

interface VrrpOptions {
  /** Of keepalived.conf; the empty string means the only one. */
  readonly instance: string;
  /** keepalived's own FIFO, whose lines come in the order of what happened. */
  readonly fifo: string | undefined;
  /** nginx-ha-notify's: keepalived starts one for each change and they may overtake each other. */
  readonly notifyFifo: string;
  readonly reporter: Reporter;
  /** On every change and whenever the role was looked up. */
  readonly onRole: () => void;
}

export interface RoleSource {
  readonly role: Role;
  /** Whether keepalived was there when last looked for. */
  readonly keepalivedLives: boolean;
  /** Looks, and tells by `onRole`. */
  look(): Promise<unknown>;
  /** Follows changes until `signal` aborts. */
  follow(signal: AbortSignal): Promise<void>;
}

/**
 * This host's VRRP role: a level, from keepalived's notifications for speed and from keepalived's own
 * word for truth. A notification says that something changed; where its order is not certain, and after
 * each (re)attachment, keepalived is asked.
 */
export class VrrpRole implements RoleSource {
  readonly #options: VrrpOptions;
  #role: Role = "unknown";
  #pid: number | null = null;
  #notifications = 0;
  #askedAt = -Infinity;
  #said: VrrpState | null = null;
  #asking: Promise<Role> | null = null;
  #next: Promise<Role> | null = null;
  constructor(options: VrrpOptions) {
    this.#options = options;
  }

  get role(): Role {
    return this.#role;
  }

  /** Whether keepalived was there when last looked for. */
  get keepalivedLives(): boolean {
    return this.#pid !== null;
  }

  /** Follows notifications until `signal` aborts. */
  async follow(signal: AbortSignal): Promise<void> {
    const { fifo, notifyFifo, reporter } = this.#options;
    const onAttach = (): void => this.#askInBackground();
    const own = (line: string): void => this.#notified(line, true);
    const scripts = (line: string): void => this.#notified(line, false);
    await Promise.all([
      ...(fifo === undefined ? [] : [readFifo(fifo, { onLine: own, onAttach, signal, reporter })]),
      readFifo(notifyFifo, { onLine: scripts, onAttach, signal, reporter }),
    ]);
  }

  /**
   * The role, without asking keepalived where notifications can be trusted: it logs three lines each
   * time. A notification that got lost (a script that was killed) is made good within ASK_MS.
   */
  async look(): Promise<Role> {
    const lives = this.#pid !== null && (await isKeepalived(this.#pid));
    if (!lives || performance.now() - this.#askedAt > ASK_MS) return this.ask();
    this.#options.onRole();
    return this.#role;
  }

  /** Asks keepalived. Who asks while another asks gets the next answer, not the one under way. */
  async ask(): Promise<Role> {
    this.#next ??= this.#askNext();
    return this.#next;
  }

  async #askNext(): Promise<Role> {
    await this.#asking?.catch(() => undefined);
    this.#next = null;
    this.#asking = this.#ask();
    return this.#asking;
  }

  async #ask(): Promise<Role> {
    this.#askedAt = performance.now();
    for (let again = 0; again < 3; again++) {
      const seen = this.#notifications;
      // Looking through all of /proc takes long on a busy host, and a transition waits for it.
      const pid = this.#pid !== null && (await isKeepalived(this.#pid)) ? this.#pid : await keepalivedPid();
      const state = pid === null ? "STOP" : await askKeepalived(pid, this.#options.instance);
      const restarted = pid !== this.#pid;
      this.#pid = pid;
      if (state !== null) this.#role = roles[state];
      // It does not answer now, or (another version) never does: what it notified of last stands.
      else if (this.#said !== null) this.#role = roles[this.#said];
      else if (restarted) this.#role = "unknown";
      if (pid === null) this.#said = null;
      // A notification on the way may be older or newer than the answer: then it is asked once more.
      if (seen === this.#notifications) break;
    }
    this.#options.onRole();
    return this.#role;
  }

  #notified(line: string, inOrder: boolean): void {
    const notification = parseNotification(line);
    const { instance } = this.#options;
    if (notification === null || notification.type !== "INSTANCE") return;
    if (instance !== "" && notification.name !== instance) return;
    this.#notifications += 1;
    this.#said = notification.state;
    if (inOrder) {
      this.#role = roles[notification.state];
      this.#options.onRole();
    } else this.#askInBackground();
  }

  #askInBackground(): void {
    this.ask().catch((error: unknown) =>
      this.#options.reporter.warn(`VRRP role: ${(error as Error).message}`),
    );
  }
}
