import { addressSchema, type AddressConfig } from "../agent/config.ts";
import { guideProblems, type GuideSettings } from "./guide-settings.ts";

/** The address loop's configuration for a host that was set up by the guide. @throws Error with every problem */
export function guideConfig(settings: GuideSettings): AddressConfig {
  const problems = guideProblems(settings);
  if (problems.length > 0) throw new Error(problems.join("; "));
  const { ALLOCATION_ID, AWS_DEFAULT_REGION, HA_NODE_1, HA_NODE_2, PROBE_PORT, AWS_ENDPOINT_URL_EC2 } =
    settings;
  return addressSchema.parse({
    region: AWS_DEFAULT_REGION,
    ...(AWS_ENDPOINT_URL_EC2 === undefined ? {} : { endpoint: AWS_ENDPOINT_URL_EC2 }),
    addresses: [{ allocationId: ALLOCATION_ID }],
    // Both: which of them this host is, EC2 and the metadata service say.
    peers: [{ name: HA_NODE_1 }, { name: HA_NODE_2 }],
    vrrp: {},
    ...(PROBE_PORT === undefined ? {} : { probePort: Number(PROBE_PORT) }),
  });
}
