import { type Action, associationOn, type Call, findInstance, interfacesOf } from "./account.ts";
import type { InstanceConfig } from "./config.ts";
import { interfaceXml } from "./describe-interfaces.ts";
import { matches, paged } from "./query.ts";
import type { Xml } from "./xml.ts";

/** AWS's numbers of instance states. */
const stateCodes = {
  pending: 0,
  running: 16,
  "shutting-down": 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
} as const;

export const describeInstances: Action = (call) => {
  const { params, state, config } = call;
  const { page, nextToken } = paged(params, selected(call));
  const reservationSet = page.map((instance) => ({
    reservationId: instance.id.replace("i-", "r-"),
    ownerId: config.accountId,
    groupSet: [],
    instancesSet: [instanceXml(call, instance)],
  }));
  return { state, answer: { reservationSet, nextToken } };
};

/** Without `IncludeAllInstances` only running ones are told of. */
export const describeInstanceStatus: Action = (call) => {
  const { params, state, behaviour } = call;
  const all = params.flag("IncludeAllInstances") ?? false;
  const shown = selected(call).filter((instance) => all || stateOf(call, instance).name === "running");
  const { page, nextToken } = paged(params, shown);
  const instanceStatusSet = page.map((instance) => {
    const { name } = stateOf(call, instance);
    const impaired = behaviour.impaired.includes(instance.id);
    const status = name === "running" ? statusXml(impaired) : { status: "not-applicable" };
    return {
      instanceId: instance.id,
      availabilityZone: instance.availabilityZone,
      instanceState: stateOf(call, instance),
      systemStatus: status,
      instanceStatus: status,
    };
  });
  return { state, answer: { instanceStatusSet, nextToken } };
};

function statusXml(impaired: boolean): Xml {
  return {
    status: impaired ? "impaired" : "ok",
    details: [{ name: "reachability", status: impaired ? "failed" : "passed" }],
  };
}

function selected(call: Call): InstanceConfig[] {
  const ids = call.params.list("InstanceId");
  for (const id of ids) findInstance(call, id);
  const filters = call.params.filters();
  return call.config.instances.filter(
    (instance) =>
      (ids.length === 0 || ids.includes(instance.id)) &&
      matches(filters, (name) => attribute(call, instance, name)),
  );
}

function stateOf(
  { behaviour }: Call,
  { id }: InstanceConfig,
): { code: number; name: keyof typeof stateCodes } {
  const name = behaviour.instanceStates[id] ?? "running";
  return { code: stateCodes[name], name };
}

function publicIpOf({ config, state }: Call, instance: InstanceConfig): string | undefined {
  const primary = instance.interfaces[0]?.addresses[0] ?? "";
  return associationOn(config, state, primary)?.publicIp ?? instance.publicIp;
}

function instanceXml(call: Call, instance: InstanceConfig): Xml {
  const { config, state } = call;
  return {
    instanceId: instance.id,
    imageId: "ami-00000000000000000",
    instanceState: stateOf(call, instance),
    privateDnsName: instance.privateDnsName,
    dnsName: "",
    reason: "",
    amiLaunchIndex: 0,
    instanceType: "m5.large",
    placement: { availabilityZone: instance.availabilityZone, groupName: "", tenancy: "default" },
    monitoring: { state: "disabled" },
    subnetId: config.subnetId,
    vpcId: config.vpcId,
    privateIpAddress: instance.interfaces[0]?.addresses[0],
    ipAddress: publicIpOf(call, instance),
    sourceDestCheck: true,
    groupSet: [],
    architecture: "x86_64",
    tagSet: [{ key: "Name", value: instance.machine }],
    networkInterfaceSet: interfacesOf(config, state)
      .filter((owned) => owned.instance.id === instance.id)
      .map((owned) => interfaceXml(call, owned)),
    iamInstanceProfile:
      instance.role === undefined
        ? undefined
        : { arn: `arn:aws:iam::${config.accountId}:instance-profile/${instance.role}`, id: "AIPAHOLDFAST" },
  };
}

function attribute(call: Call, instance: InstanceConfig, name: string): string[] | undefined {
  const addresses = () =>
    interfacesOf(call.config, call.state)
      .filter((owned) => owned.instance.id === instance.id)
      .flatMap((owned) => owned.addresses);
  const state = stateOf(call, instance);
  const attributes: Readonly<Record<string, () => string[]>> = {
    "availability-zone": () => [instance.availabilityZone],
    "instance-id": () => [instance.id],
    "instance-state-code": () => [String(state.code)],
    "instance-state-name": () => [state.name],
    "ip-address": () => [publicIpOf(call, instance) ?? []].flat(),
    "network-interface.addresses.private-ip-address": addresses,
    "network-interface.network-interface-id": () => instance.interfaces.map(({ id }) => id),
    "private-dns-name": () => [instance.privateDnsName],
    "private-ip-address": () =>
      instance.interfaces.flatMap((owned) => owned.addresses.slice(0, 1)).slice(0, 1),
    "subnet-id": () => [call.config.subnetId],
    "tag:Name": () => [instance.machine],
    "vpc-id": () => [call.config.vpcId],
  };
  return attributes[name]?.();
}
