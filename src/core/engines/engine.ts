import type { DesiredHost } from "../plan/desired.ts";
import { isService, type ServiceTopology, type Topology } from "../topology/schema.ts";

/** PEM texts of one key pair and the CA that signed it. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

/** Everything rendering depends on besides the topology. Pure data: golden tests pass fakes. */
export interface RenderContext<T extends Topology = Topology> {
  readonly topology: T;
  /** Secret by name, e.g. "postgres-superuser". @throws when the engine did not declare it in `secrets`. */
  readonly secret: (name: string) => string;
  /** PEM of the topology's private CA. */
  readonly caCertificate: string;
  /** The host's own certificate: server and client auth, SAN = host name, address, localhost, 127.0.0.1. */
  readonly hostCertificate: (host: string) => Certificate;
  /** What clients see at the entry: from the operator's files, or issued by the private CA. */
  readonly entryCertificate: Certificate;
  /** The clients' Elastic IP, and where EC2 answers if not at AWS's own endpoint; null for a virtual address. */
  readonly elasticIp: { readonly allocationId: string; readonly endpoint?: string } | null;
  /** Artifacts by name ("holdfast" = the bundle, "app" = the app's package), with their sha256. */
  readonly artifact: (name: "holdfast" | "app") => { readonly sha256: string; readonly version: string };
}

/** The same, where there is a service behind the entry. */
export type ServiceContext = RenderContext<ServiceTopology>;

/** The part of a DesiredHost that one engine contributes; merged by renderDesired(). */
export type HostPart = { readonly host: string } & Partial<Omit<DesiredHost, "host">>;

export interface Engine {
  readonly name: string;
  /** Names of the secrets it needs; generated once per topology (32 random bytes, base64url). */
  readonly secrets: (topology: Topology) => readonly string[];
  /** One part per host that the engine has something on; hosts of tiers it does not touch are absent. */
  readonly render: (context: RenderContext) => readonly HostPart[];
}

interface ServiceEngine {
  readonly name: string;
  readonly secrets: (topology: ServiceTopology) => readonly string[];
  readonly render: (context: ServiceContext) => readonly HostPart[];
}

/** An engine of the service behind the entry: it has nothing on the hosts of an entry that stands alone. */
export const serviceEngine = ({ name, secrets, render }: ServiceEngine): Engine => ({
  name,
  secrets: (topology) => (isService(topology) ? secrets(topology) : []),
  render: (context) => {
    const { topology } = context;
    return isService(topology) ? render({ ...context, topology }) : [];
  },
});
