import { z } from "zod";

const milliseconds = z.int().min(1);

/** /etc/holdfast/agent.json: what the agent of a host watches. Rendered and read by the same version. */
export const agentConfigSchema = z.strictObject({
  entry: z.strictObject({
    probe: z.strictObject({
      url: z.url(),
      intervalMs: milliseconds,
      timeoutMs: milliseconds,
      /** Probes without an answer that make a fault; a refused connection is one at once. */
      fall: z.int().min(1),
      rise: z.int().min(1),
    }),
    healthFile: z.string(),
    address: z.strictObject({ vip: z.ipv4(), interface: z.string() }),
    /** How long no keepalived process may live before its address is removed. */
    keepalived: z.strictObject({ deadAfterMs: milliseconds }),
  }),
});

export type AgentConfig = z.output<typeof agentConfigSchema>;
