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
  "import aip": z.object({
    agents: z.array(z.object({ did: z.string(), key: did.optional(), name: z.string().optional() })),
    claims: z.array(
      z.object({
        voucher: z.string(),
        target: z.string(),
        scope: z.string(),
        statement: z.string(),
        signed: z.array(z.string()),
        unverifiable: z.array(z.string()),
      }),
    ),
    refused: z.array(z.object({ at: z.string(), why: z.string() })),
    dryRun,
  }),
};
