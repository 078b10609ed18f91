import { z } from "zod";
import { did, dryRun } from "./common.ts";

/** What `data` holds in the answers of the commands that speak with other systems. */
export const bridgeSchemas: Readonly<Record<string, z.ZodType>> = {
  "export a2a": z.object({
    agent: did,
    signer: did,
    scope: z.string(),
    vouches: z.int(),
    file: z.string().nullable(),
    dryRun,
    card: z.object({
      name: z.string(),
      signatures: z.array(z.object({ protected: z.string(), signature: z.string() })),
    }),
  }),
};
