/** The actions that keeping an address takes. The guides' own policy has the same four. */
export const neededActions = [
  "AssociateAddress",
  "DescribeAddresses",
  "DescribeInstances",
  "DisassociateAddress",
] as const;

/** The IAM policy to paste, as JSON. `Describe*` cannot be limited to one resource, hence the `*`. */
export function policyFor(): string {
  const statement = {
    Effect: "Allow",
    Action: neededActions.map((action) => `ec2:${action}`),
    Resource: "*",
  };
  return JSON.stringify({ Version: "2012-10-17", Statement: [statement] }, null, 2);
}
