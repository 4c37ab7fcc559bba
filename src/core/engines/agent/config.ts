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
    /** The UDP echo on the virtual address, for who asks from these addresses (`a.b.c.d/n`). */
    echo: z.strictObject({ port: z.int().min(1).max(65_535), clients: z.cidrv4() }),
  }),
});

export type AgentConfig = z.output<typeof agentConfigSchema>;
