/** What a host was seen to have of what it should have (see desired.ts), as data. */

export interface ObservedFile {
  readonly sha256: string;
  readonly mode: number;
  readonly owner: string;
}

export interface ObservedUnit {
  readonly load: string; // loaded, not-found, masked
  readonly active: string; // active, inactive, failed, activating, …
  readonly enabled: boolean;
  readonly needsDaemonReload: boolean;
  /** sha256 by path of the files it was last (re)started or reloaded with; null: never by Holdfast. */
  readonly applied: Readonly<Record<string, string>> | null;
}

/** What Holdfast recorded on the host about its own doing, so that it can clean up and tell drift from change. */
export interface Manifest {
  /** sha256 by path, as Holdfast wrote them. */
  readonly files: Readonly<Record<string, string>>;
  readonly units: readonly string[];
}

export interface ObservedHost {
  readonly host: string;
  readonly reachable: true;
  readonly packages: readonly string[];
  readonly users: readonly string[];
  readonly directories: Readonly<Record<string, { readonly mode: number; readonly owner: string }>>;
  readonly files: Readonly<Record<string, ObservedFile>>;
  readonly units: Readonly<Record<string, ObservedUnit>>;
  /** Ids of tasks with nothing left to do. */
  readonly tasksDone: readonly string[];
  readonly manifest: Manifest;
}

export interface UnreachableHost {
  readonly host: string;
  readonly reachable: false;
  readonly why: string;
}

export type Observed = ObservedHost | UnreachableHost;

/** A host on which Holdfast has done nothing yet. */
export const emptyHost = (host: string): ObservedHost => ({
  host,
  reachable: true,
  packages: [],
  users: [],
  directories: {},
  files: {},
  units: {},
  tasksDone: [],
  manifest: { files: {}, units: [] },
});
