/** Ids and names of a lab's cloud: derived from names, so that whoever renders a machine's files knows them too. */
import { createHash } from "node:crypto";
import { macAddress } from "../names.ts";
import type { Ec2ConfigInput, InstanceConfig } from "./config.ts";

/** Clients' and auto-assigned public addresses: TEST-NET-3, which no network routes. */
export const publicNetwork = "203.0.113";
export const routerPublicAddress = `${publicNetwork}.1`;
export const clientPublicAddress = `${publicNetwork}.2`;
/** Where the API answers: HTTP on port 80, and HTTPS on 443 when the endpoint has a certificate. */
export const apiAddress = `${publicNetwork}.3`;
export const apiUrl = `http://${apiAddress}`;
/** Where the metadata service answers, as on AWS: HTTP on port 80. */
export const metadataAddress = "169.254.169.254";

const hex17 = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 17);

export const instanceId = (lab: string, machine: string): string => `i-${hex17(`${lab}/${machine}`)}`;
export const interfaceId = (lab: string, machine: string): string => `eni-${hex17(`${lab}/${machine}`)}`;
/** @param name which of the lab's Elastic IPs, such as "entry" */
export const allocationId = (lab: string, name: string): string => `eipalloc-${hex17(`${lab}/${name}`)}`;

/** "ip-10-9-1-11.eu-west-1.compute.internal" */
export function privateDnsName(region: string, address: string): string {
  const domain = region === "us-east-1" ? "ec2.internal" : `${region}.compute.internal`;
  return `ip-${address.replaceAll(".", "-")}.${domain}`;
}

export interface LabCloud {
  readonly lab: string;
  readonly region: string;
  /** "10.77.10.0/24" */
  readonly subnet: string;
  /** `zone` is the topology's; AWS's is the region with a letter. */
  readonly machines: readonly { readonly name: string; readonly address: string; readonly zone: string }[];
  /** Elastic IPs by name. */
  readonly elasticIps: Readonly<Record<string, string>>;
  /** What the instances' role may do, such as "ec2:AssociateAddress". */
  readonly actions: readonly string[];
}

/** The account of a lab: one VPC, one role, an instance with one interface per machine. */
export function labCloud(cloud: LabCloud): Ec2ConfigInput {
  const { lab, region, subnet } = cloud;
  const zones = [...new Set(cloud.machines.map(({ zone }) => zone))];
  const instances = cloud.machines.map(({ name, address, zone }, index): InstanceConfig => ({
    id: instanceId(lab, name),
    machine: name,
    privateDnsName: privateDnsName(region, address),
    availabilityZone: `${region}${String.fromCodePoint(97 + zones.indexOf(zone))}`,
    role: lab,
    publicIp: `${publicNetwork}.${10 + index}`,
    interfaces: [{ id: interfaceId(lab, name), mac: macAddress(lab, name), addresses: [address] }],
  }));
  return {
    region,
    subnet,
    accountId: "123456789012",
    vpcId: `vpc-${hex17(lab)}`,
    subnetId: `subnet-${hex17(lab)}`,
    instances,
    allocations: Object.entries(cloud.elasticIps).map(([name, publicIp]) => ({
      id: allocationId(lab, name),
      publicIp,
    })),
    roles: [{ name: lab, actions: [...cloud.actions] }],
  };
}
