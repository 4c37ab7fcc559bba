/** What a rule of `holdfast check` is, and what it may look at besides the topology. */
import type { Path, Severity } from "../topology/problem.ts";
import { isService, type ServiceTopology, type Topology } from "../topology/schema.ts";

/** Facts about the world, read at the edge before the rules run; the rules only judge them. */
export interface Facts {
  /** When the facts were gathered, milliseconds since the epoch. */
  readonly now: number;
  /** The operator's certificate and key; absent when the private CA issues them. */
  readonly tls?: TlsFacts;
  /** The app's package; absent where there is no app. */
  readonly package?: FileFacts;
  /** Of the machine that the lab runs on; absent when it cannot be known. */
  readonly machine?: {
    /** Bytes. */
    readonly memory?: number;
    readonly clockSynchronized?: boolean;
  };
}

export interface FileFacts {
  /** As resolved against the topology file. */
  readonly file: string;
  /** Why it cannot be read, e.g. "no such file"; absent when it can. */
  readonly unreadable?: string;
}

export interface TlsFacts {
  readonly certificate: FileFacts & {
    /** Absent when the file is unreadable or no PEM certificate. */
    readonly content?: CertificateContent;
  };
  readonly key: FileFacts & {
    /** Readable by everybody on this machine. */
    readonly worldReadable?: boolean;
    /** Whether it is the certificate's key; absent when either is unreadable. */
    readonly matches?: boolean;
  };
}

export interface CertificateContent {
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** DNS names and IP addresses it is valid for. */
  readonly names: readonly string[];
}

export interface Finding {
  readonly path: Path;
  readonly found: string;
  readonly fix: string;
}

export interface Rule {
  /** HF1xx; stable, with one severity: accepting a warning must not also silence an error. */
  readonly code: string;
  readonly title: string;
  readonly severity: Severity;
  /** For the documentation: what goes wrong otherwise. */
  readonly why: string;
  /** For the documentation: what to do in general; a finding says what to do in its case. */
  readonly fix: string;
  readonly check: (topology: Topology, facts: Facts) => readonly Finding[];
}

type ServiceRule = Omit<Rule, "check"> & {
  readonly check: (topology: ServiceTopology, facts: Facts) => readonly Finding[];
};

/** A rule about what stands behind the entry: nothing to find where nothing does. */
export const serviceRule = ({ check, ...rule }: ServiceRule): Rule => ({
  ...rule,
  check: (topology, facts) => (isService(topology) ? check(topology, facts) : []),
});
