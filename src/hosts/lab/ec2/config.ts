/** What the lab's EC2 endpoint is told when it starts: the account's instances, addresses and roles. */
import { z } from "zod";
import { behaviourSchema } from "./behaviour.ts";

const id = (prefix: string) => z.string().regex(new RegExp(`^${prefix}-[0-9a-f]{17}$`));
/** "ec2:AssociateAddress", "ec2:Describe*", "*" */
const permission = z.string().regex(/^(ec2:[A-Za-z]*\*?|\*)$/);

const interfaceSchema = z.strictObject({
  id: id("eni"),
  mac: z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/),
  /** The primary private address, then the secondary ones that it has from the start. */
  addresses: z.array(z.ipv4()).min(1),
});

const instanceSchema = z.strictObject({
  id: id("i"),
  /** The lab machine that it is. */
  machine: z.string(),
  privateDnsName: z.string(),
  availabilityZone: z.string(),
  /** Its IAM role; absent: no credentials from the metadata service. */
  role: z.string().optional(),
  /** Its auto-assigned public address, in use while its primary address has no Elastic IP. */
  publicIp: z.ipv4().optional(),
  /** The first is device 0. */
  interfaces: z.array(interfaceSchema).min(1),
});

export const ec2ConfigSchema = z.strictObject({
  region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/),
  accountId: z.string().regex(/^\d{12}$/),
  vpcId: id("vpc"),
  subnetId: id("subnet"),
  /** The instances' subnet: the lab's. */
  subnet: z.cidrv4(),
  instances: z.array(instanceSchema),
  /** Elastic IPs; `publicIp` is in none of the lab's networks. */
  allocations: z.array(z.strictObject({ id: id("eipalloc"), publicIp: z.ipv4() })),
  roles: z.array(z.strictObject({ name: z.string(), actions: z.array(permission) })),
  /** Access keys that are in no role, as an operator gives them in environment variables. */
  accessKeys: z
    .array(z.strictObject({ id: z.string(), secret: z.string(), actions: z.array(permission) }))
    .default([]),
  /** Role credentials live this long; the metadata service gives new ones that much before the old end. */
  credentials: z
    .strictObject({ lifetimeMs: z.number().min(1000), renewBeforeMs: z.number().min(0) })
    .refine(({ lifetimeMs, renewBeforeMs }) => renewBeforeMs < lifetimeMs, "renewed before they exist")
    // Six hours, and "at least five minutes prior to expiration", as AWS documents.
    .default({ lifetimeMs: 6 * 3_600_000, renewBeforeMs: 300_000 }),
  /** IP hop limit of the metadata service's answers: 1 keeps them from containers behind the machine. */
  metadataHopLimit: z.int().min(1).max(64).default(1),
  /** PEM files of a certificate for `ec2.<region>.amazonaws.com`; absent: no HTTPS. */
  tls: z.strictObject({ certificate: z.string(), key: z.string() }).optional(),
  /** How it behaves at first; changed at run time through the control socket. */
  behaviour: behaviourSchema.prefault({}),
});
export type Ec2Config = z.infer<typeof ec2ConfigSchema>;
/** As it is written, with defaults left out. */
export type Ec2ConfigInput = z.input<typeof ec2ConfigSchema>;
export type InstanceConfig = z.infer<typeof instanceSchema>;
