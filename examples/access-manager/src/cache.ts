/** The roles in memory: pure rules of when a copy is current, one step behind, or to be loaded again. */

export interface Role {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly members: readonly string[];
}

export interface Snapshot {
  readonly version: number;
  readonly roles: readonly Role[];
}

/** What Redis carries: that something has changed, never the change itself. */
export interface Trigger {
  readonly role: string;
  readonly version: number;
  /** The node that made the change and has it in its cache. */
  readonly node: string;
}

export class RoleCache {
  #version = 0;
  #roles = new Map<string, Role>();
  #changes = 0;

  /** 0: nothing was loaded yet. */
  get version(): number {
    return this.#version;
  }

  get roles(): readonly Role[] {
    return [...this.#roles.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  role(id: string): Role | undefined {
    return this.#roles.get(id);
  }

  /** What a trigger asks for: nothing, the one object, or everything because versions in between were missed. */
  whatFor(version: number): "nothing" | "object" | "everything" {
    if (version <= this.#version) return "nothing";
    return version === this.#version + 1 && this.#version > 0 ? "object" : "everything";
  }

  /** Takes over one change if it is the next one. @returns false when it is not: load everything. */
  applyObject(version: number, id: string, role: Role | undefined): boolean {
    const what = this.whatFor(version);
    if (what !== "object") return what === "nothing";
    if (role === undefined) this.#roles.delete(id);
    else this.#roles.set(id, role);
    this.#version = version;
    this.#changes += 1;
    return true;
  }

  /** Counts what was applied: note it before reading a snapshot. */
  get changes(): number {
    return this.#changes;
  }

  /**
   * A snapshot that was read while a newer change arrived must not undo it. But one of a *lower* version
   * that was read undisturbed is the truth: an asynchronous failover lost changes.
   * @param begun `changes` as it was before the snapshot was read.
   * @returns whether it was taken over.
   */
  applySnapshot(begun: number, snapshot: Snapshot): boolean {
    if (begun !== this.#changes && snapshot.version < this.#version) return false;
    this.#roles = new Map(snapshot.roles.map((role) => [role.id, role]));
    this.#version = snapshot.version;
    this.#changes += 1;
    return true;
  }
}

/** A trigger as it arrives, undefined when it is none: anybody with the password may publish anything. */
export function parseTrigger(text: string): Trigger | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { role, version, node } = value as Record<string, unknown>;
  if (typeof role !== "string" || typeof node !== "string" || !Number.isSafeInteger(version))
    return undefined;
  return { role, version: version as number, node };
}
