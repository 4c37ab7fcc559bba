import type { ControllerSettings, ControllerState } from "../core/decide/address/types.ts";
import { writeFileAtomic } from "../lib/atomic.ts";
import type { Reporter } from "../ports.ts";

/** /run/holdfast/address.json: what the agent knew when something changed last. Read by `holdfast address status`. */
export interface StatusFile {
  /** ISO time of the last change of anything below. */
  readonly at: string;
  readonly pid: number;
  readonly role: string;
  readonly healthy: boolean;
  readonly fit: boolean;
  readonly addresses: readonly {
    readonly allocationId: string;
    readonly publicIp: string | null;
    /** null: not known, or associated with nothing. */
    readonly holder: string | null;
    readonly associationId: string | null;
    readonly here: boolean;
    readonly alarm: string | null;
  }[];
  /** The last call that failed, until one of its kind works. */
  readonly lastFailure: string | null;
  readonly lastProbe: string | null;
}

/** Keeps the status file level with the controller, and what is said again and again out of the log. */
export class AddressStatus {
  readonly #path: string;
  readonly #reporter: Reporter;
  #written = "";
  #writing: Promise<void> = Promise.resolve();
  #lastFailure: string | null = null;
  #lastProbe: string | null = null;
  constructor(path: string, reporter: Reporter) {
    this.#path = path;
    this.#reporter = reporter;
  }

  get lastFailure(): string | null {
    return this.#lastFailure;
  }

  failed(message: string, reporter: Reporter): void {
    if (message !== this.#lastFailure) reporter.warn(message);
    this.#lastFailure = message;
  }

  probed(message: string, reporter: Reporter): void {
    if (message !== this.#lastProbe) reporter.info(message);
    this.#lastProbe = message;
  }

  /** Writes the file when it would say something else than before. */
  show(state: ControllerState, settings: ControllerSettings, publicIps: ReadonlyMap<string, string>): void {
    if (state.failures === 0) this.#lastFailure = null;
    const status = {
      pid: process.pid,
      role: state.observed?.role ?? "unknown",
      healthy: state.observed?.healthy ?? false,
      fit: state.fit ?? true,
      addresses: state.addresses.map(({ view, alarm }, index) =>
        this.#address(settings, publicIps, index, view, alarm),
      ),
      lastFailure: this.#lastFailure,
      lastProbe: this.#lastProbe,
    };
    const text = JSON.stringify(status);
    if (text === this.#written) return;
    this.#written = text;
    const file: StatusFile = { at: new Date().toISOString(), ...status };
    // One after the other, so that the last one written is the newest.
    this.#writing = this.#writing
      .then(async () => writeFileAtomic(this.#path, `${JSON.stringify(file, null, 2)}\n`, 0o644))
      .catch((error: unknown) => this.#reporter.warn((error as Error).message));
  }

  /** Settles when nothing is being written any more. */
  async written(): Promise<void> {
    await this.#writing;
  }

  #address(
    settings: ControllerSettings,
    publicIps: ReadonlyMap<string, string>,
    index: number,
    view: ControllerState["addresses"][number]["view"],
    alarm: string | null,
  ): StatusFile["addresses"][number] {
    const own = settings.addresses[index];
    const allocationId = own?.id ?? "";
    const holder = view?.holder?.instanceId ?? view?.holder?.networkInterfaceId ?? null;
    return {
      allocationId,
      publicIp: publicIps.get(allocationId) ?? null,
      holder,
      associationId: view?.associationId ?? null,
      here: holder !== null && holder === own?.target.instanceId,
      alarm,
    };
  }
}
