import { z } from "zod";

/** `app.pool`: how many of `app.hosts` run. Without it all of them do. */
export const poolSchema = z
  .strictObject({
    min: z.int().min(1).max(20).default(2).describe("Hosts that always serve; `up` begins with as many"),
    max: z.int().min(1).max(20).describe("Hosts that serve at most"),
    spares: z
      .int()
      .min(0)
      .max(5)
      .default(0)
      .describe("Hosts that run beside them without clients, to take a lost one's place at once"),
    requestsPerHost: z
      .number()
      .positive()
      .optional()
      .describe(
        "Requests per second and host that the controller aims at; default: the count changes by hand only",
      ),
  })
  .refine(({ min, max }) => min <= max, "must have a `max` that is not below `min`");

export const poolFits = {
  check: (app: {
    readonly hosts: readonly string[];
    readonly pool?: { readonly max: number; readonly spares: number } | undefined;
  }): boolean => app.pool === undefined || app.pool.max + app.pool.spares <= app.hosts.length,
  message: "must list at least as many `hosts` as `pool.max` and `pool.spares` together",
};
