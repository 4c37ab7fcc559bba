/** Elastic IPs: AssociateAddress and DisassociateAddress, as AWS documents them for a VPC. */
import {
  type Action,
  type Association,
  associationOn,
  type Call,
  type Ec2State,
  findInstance,
  findInterface,
  type Interface,
  newId,
} from "./account.ts";
import { Ec2Error } from "./errors.ts";

/**
 * Re-association is automatic; `AllowReassociation=false` makes the call fail when the address is
 * somewhere else. On its own target the address stays as it is, with the same association id.
 */
export const associateAddress: Action = (call) => {
  const { params, state, config } = call;
  const allocationId = params.optional("AllocationId");
  const publicIp = params.optional("PublicIp");
  const mayTake = params.flag("AllowReassociation") ?? true;
  const { target, privateIp } = findTarget(call);
  if (allocationId === undefined) {
    const found = publicIp === undefined ? "MissingParameter" : "InvalidParameterCombination";
    throw new Ec2Error(found, "You must specify an allocation id when mapping an address to a VPC instance");
  }
  requireAllocation(call, allocationId);
  requireUsable(call, target);
  const current = state.associations[allocationId];
  if (current?.interfaceId === target.id && current.privateIp === privateIp) {
    return { state, answer: { return: true, associationId: current.id } };
  }
  if (current !== undefined && !mayTake) {
    throw alreadyAssociated(`resource ${allocationId} is already associated with associate-id ${current.id}`);
  }
  const other = associationOn(config, state, privateIp);
  if (other !== undefined && !mayTake) {
    throw alreadyAssociated(
      `resource ${target.id} is already associated with associate-id ${other.association.id}`,
    );
  }
  const freed = other === undefined ? state : without(state, other.id);
  const association: Association = {
    id: newId("eipassoc", state),
    interfaceId: target.id,
    privateIp,
  };
  return {
    state: {
      ...freed,
      sequence: state.sequence + 1,
      associations: { ...freed.associations, [allocationId]: association },
    },
    answer: { return: true, associationId: association.id },
  };
};

/** Only by association id: one that is no longer current fails, which makes it a fencing token. */
export const disassociateAddress: Action = (call) => {
  const { params, state } = call;
  const id = params.optional("AssociationId");
  const publicIp = params.optional("PublicIp");
  if (id === undefined) {
    if (publicIp === undefined) {
      throw new Ec2Error("MissingParameter", "Either public IP or association id must be specified");
    }
    throw new Ec2Error(
      "InvalidParameterValue",
      "You must specify an association id when unmapping an address from a VPC instance",
    );
  }
  const allocation = Object.entries(state.associations).find(([, association]) => association.id === id);
  if (allocation === undefined) {
    throw new Ec2Error("InvalidAssociationID.NotFound", `The association ID '${id}' does not exist`);
  }
  return { state: without(state, allocation[0]), answer: { return: true } };
};

export function without(state: Ec2State, allocationId: string): Ec2State {
  const { [allocationId]: gone, ...associations } = state.associations;
  return gone === undefined ? state : { ...state, sequence: state.sequence + 1, associations };
}

/** The interface that the call names, by itself or by its instance, and the private address on it. */
function findTarget(call: Call): { target: Interface; privateIp: string } {
  const { params } = call;
  const instanceId = params.optional("InstanceId");
  const interfaceId = params.optional("NetworkInterfaceId");
  const wanted = params.optional("PrivateIpAddress");
  if (instanceId !== undefined && interfaceId !== undefined) {
    throw new Ec2Error(
      "InvalidParameterCombination",
      "You may specify either instance-id or network-interface-id, not both",
    );
  }
  if (instanceId === undefined && interfaceId === undefined) {
    throw new Ec2Error("MissingParameter", "Either InstanceId or NetworkInterfaceId must be specified");
  }
  const target = findInterface(call, interfaceId ?? onlyInterface(call, instanceId ?? ""));
  const privateIp = wanted ?? target.addresses[0] ?? "";
  if (!target.addresses.includes(privateIp)) {
    throw new Ec2Error(
      "InvalidParameterValue",
      `You must specify an IP address that is assigned to the network interface: ${privateIp} is not on ${target.id}`,
    );
  }
  return { target, privateIp };
}

function onlyInterface(call: Call, instanceId: string): string {
  const [first, second] = findInstance(call, instanceId).interfaces;
  if (first !== undefined && second === undefined) return first.id;
  throw new Ec2Error(
    "InvalidInstanceID",
    `There are multiple interfaces attached to instance '${instanceId}'. Please specify an interface ID for the operation instead.`,
  );
}

function requireAllocation({ config }: Call, id: string): void {
  if (config.allocations.some((allocation) => allocation.id === id)) return;
  throw new Ec2Error("InvalidAllocationID.NotFound", `The allocation ID '${id}' does not exist`);
}

/** A stopped instance may have an Elastic IP in a VPC; one that is not there yet, or no more, may not. */
function requireUsable({ behaviour }: Call, { instance, id }: Interface): void {
  const state = behaviour.instanceStates[instance.id] ?? "running";
  if (state === "pending") {
    throw new Ec2Error(
      "InvalidInstanceID",
      `The pending instance to which '${id}' is attached is not in a valid state for this operation`,
    );
  }
  if (state === "shutting-down" || state === "terminated") {
    throw new Ec2Error(
      "IncorrectInstanceState",
      `The instance '${instance.id}' is ${state}: it is not in a state from which this operation can be performed`,
    );
  }
}

const alreadyAssociated = (message: string) => new Ec2Error("Resource.AlreadyAssociated", message);
