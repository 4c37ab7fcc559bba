/** Each step that moving an address takes, tried by hand without changing anything. */
import { AwsError } from "../cloud/aws-error.ts";
import { credentialSource, WarmCredentials } from "../cloud/credentials.ts";
import { Ec2 } from "../cloud/ec2.ts";
import { Imds, type InstanceIdentity } from "../cloud/imds.ts";
import type { AddressConfig } from "../core/engines/agent/config.ts";
import type { Reporter } from "../ports.ts";
import { askKeepalived, keepalivedPid } from "./keepalived.ts";
import { askPeer } from "./peer.ts";

const deadlineMs = 10_000;

export interface CheckedStep {
  readonly step: string;
  readonly ok: boolean;
  /** What was found. */
  readonly found: string;
  readonly fix?: string;
}

type Told = (step: CheckedStep) => void;
type Environment = Readonly<Record<string, string | undefined>>;

/** Tells of each step as it ends. @returns whether all went well */
export async function checkAddress(
  config: AddressConfig,
  environment: Environment,
  reporter: Reporter,
  tell: Told,
): Promise<boolean> {
  let allOk = true;
  const attempt = async <T>(
    step: string,
    act: () => Promise<{ readonly value: T; readonly found: string }>,
  ) => {
    try {
      const { value, found } = await act();
      tell({ step, ok: true, found });
      return value;
    } catch (error) {
      allOk = false;
      const { message, fix } = error as Error & { fix?: string };
      tell({ step, ok: false, found: message, ...(fix === undefined ? {} : { fix }) });
      return undefined;
    }
  };
  const imds = new Imds(environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"]);
  const credentials = new WarmCredentials(credentialSource(environment, config.region, imds), reporter);
  const endpoint = config.endpoint ?? environment["AWS_ENDPOINT_URL_EC2"] ?? environment["AWS_ENDPOINT_URL"];
  const ec2 = new Ec2({ region: config.region, endpoint, credentials });
  try {
    const identity = await attempt("metadata service", async () => describeIdentity(imds));
    await attempt("credentials", async () => describeCredentials(credentials));
    await checkKeepalived(config, attempt);
    for (const { allocationId } of config.addresses) {
      await checkElasticIp(ec2, allocationId, identity, attempt);
    }
    await attempt("the other host", async () => describePeers(config, ec2, identity));
  } finally {
    await Promise.all([ec2.close(), imds.close()]);
  }
  return allOk;
}

type Attempt = <T>(
  step: string,
  act: () => Promise<{ readonly value: T; readonly found: string }>,
) => Promise<T | undefined>;

async function describeIdentity(imds: Imds) {
  const value = await imds.identity();
  return { value, found: `this is ${value.instanceId} (${value.hostname}) in ${value.region}` };
}

async function describeCredentials(credentials: WarmCredentials) {
  const value = await credentials.get();
  const until = value.expiresAt === undefined ? "" : ` until ${new Date(value.expiresAt).toISOString()}`;
  return { value, found: `key ${value.accessKeyId}${until}` };
}

async function checkKeepalived(config: AddressConfig, attempt: Attempt): Promise<void> {
  await attempt("keepalived", async () => {
    const pid = await keepalivedPid();
    if (pid === null) throw new Error("keepalived does not run: `systemctl start keepalived`");
    const value = await askKeepalived(pid, config.vrrp.instance);
    if (value === null) throw new Error(`keepalived (${pid}) does not tell its state; run this as root`);
    return { value, found: `it runs (${pid}) and is ${value}` };
  });
}

async function checkElasticIp(
  ec2: Ec2,
  allocationId: string,
  identity: InstanceIdentity | undefined,
  attempt: Attempt,
): Promise<void> {
  const options = { deadlineMs };
  await attempt("DescribeAddresses", async () => {
    const value = await ec2.describeAddress(allocationId, options);
    const where =
      value.associationId === undefined
        ? "associated with nothing"
        : `on ${value.instanceId ?? value.networkInterfaceId}`;
    return { value, found: `${allocationId} is ${value.publicIp}, ${where}` };
  });
  if (identity === undefined) return;
  const target = { instanceId: identity.instanceId, networkInterfaceId: null, privateAddress: null };
  await attempt("AssociateAddress", async () =>
    allowed(
      ec2.associateAddress({ allocationId, target, allowReassociation: true }, { ...options, dryRun: true }),
    ),
  );
  await attempt("DisassociateAddress", async () =>
    // Any id: EC2 looks at the permission first.
    allowed(ec2.disassociateAddress("eipassoc-00000000000000000", { ...options, dryRun: true })),
  );
}

/** A dry run always fails: with DryRunOperation when it would have been allowed. */
async function allowed(dryRun: Promise<unknown>): Promise<{ readonly value: true; readonly found: string }> {
  try {
    await dryRun;
  } catch (error) {
    const isAllowed =
      error instanceof AwsError &&
      (error.code === "DryRunOperation" || error.code === "InvalidAssociationID.NotFound");
    if (!isAllowed) throw error;
  }
  return { value: true, found: "allowed (dry run)" };
}

async function describePeers(config: AddressConfig, ec2: Ec2, identity: InstanceIdentity | undefined) {
  const names = config.peers.filter(({ address }) => address === undefined).map(({ name }) => name);
  const known = config.peers.flatMap(({ address }) => address ?? []);
  const found =
    names.length === 0
      ? []
      : await ec2.describeInstances({ filter: "private-dns-name", values: names }, { deadlineMs });
  if (
    names.length > 0 &&
    identity !== undefined &&
    !found.some(({ instanceId }) => instanceId === identity.instanceId)
  )
    throw new Error(`neither ${names.join(" nor ")} is this instance (${identity.hostname})`);
  const others = found.filter(({ instanceId }) => instanceId !== identity?.instanceId);
  const addresses = [...known, ...others.flatMap(({ privateAddress }) => privateAddress ?? [])];
  if (addresses.length === 0) throw new Error(`EC2 knows no other instance named ${names.join(" or ")}`);
  const told = addresses.map(async (address) => {
    const answer = await askPeer(address, config.peerPort, 1000);
    const state = typeof answer === "string" ? `no agent (${answer})` : answer.role;
    return `${address}: ${state}`;
  });
  return { value: addresses, found: (await Promise.all(told)).join(", ") };
}
