/** The endpoint as a part of a lab: started with it, found again by its record, ended with it. */
import type { NetworkSpec } from "../network.ts";
import type { Ec2ConfigInput } from "./config.ts";

/** `LabSpec.ec2`: given to `createLab`, which starts the endpoint before the machines boot. */
export interface Ec2Spec {
  readonly config: Ec2ConfigInput;
  /** Command line of this CLI, `[node, holdfast.cjs]`: the endpoint is a process of its own. */
  readonly self: readonly string[];
}

export interface Ec2Place {
  /** Holdfast's state directory. */
  readonly home: string;
  readonly network: NetworkSpec;
}

/** Starts the endpoint, or leaves the one that runs with the same configuration; answers when it does. */
export type StartEc2 = (place: Ec2Place, spec: Ec2Spec) => Promise<void>;
/** Ends it. Does nothing when there is none. */
export type StopEc2 = (place: Pick<Ec2Place, "home"> & { readonly lab: string }) => Promise<void>;
