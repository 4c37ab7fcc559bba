import type { DesiredHost } from "../plan/desired.ts";
import type { Topology } from "../topology/schema.ts";

/** PEM texts of one key pair and the CA that signed it. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

/** Everything rendering depends on besides the topology. Pure data: golden tests pass fakes. */
export interface RenderContext {
  readonly topology: Topology;
  /** Secret by name, e.g. "postgres-superuser". @throws when the engine did not declare it in `secrets`. */
  readonly secret: (name: string) => string;
  /** PEM of the topology's private CA. */
  readonly caCertificate: string;
  /** The host's own certificate: server and client auth, SAN = host name, address, localhost, 127.0.0.1. */
  readonly hostCertificate: (host: string) => Certificate;
  /** What clients see at the entry: from the operator's files, or issued by the private CA. */
  readonly entryCertificate: Certificate;
  /** Artifacts by name ("holdfast" = the bundle, "app" = the app's package), with their sha256. */
  readonly artifact: (name: "holdfast" | "app") => { readonly sha256: string; readonly version: string };
}

/** The part of a DesiredHost that one engine contributes; merged by renderDesired(). */
export type HostPart = { readonly host: string } & Partial<Omit<DesiredHost, "host">>;

export interface Engine {
  readonly name: string;
  /** Names of the secrets it needs; generated once per topology (32 random bytes, base64url). */
  readonly secrets: (topology: Topology) => readonly string[];
  /** One part per host that the engine has something on; hosts of tiers it does not touch are absent. */
  readonly render: (context: RenderContext) => readonly HostPart[];
}
