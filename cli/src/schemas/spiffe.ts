import { z } from "zod";
import { code, did, digest, time } from "./common.ts";

const spiffeId = z.string().startsWith("spiffe://");

/** What the commands for SPIFFE identities answer; never a token, a certificate or a key. */
export const spiffeSchemas: Readonly<Record<string, z.ZodType>> = {
  "spiffe show": z.object({
    identities: z.array(z.object({ kind: z.enum(["x509", "wit"]), spiffeId, expires: time })),
    trustDomains: z.array(
      z.object({
        trustDomain: z.string(),
        bundle: digest.nullable(),
        ageSeconds: z.number().nullable(),
        sequence: z.string().regex(/^\d+$/).nullable(),
        x509Authorities: z.int(),
        jwtAuthorities: z.int(),
        witAuthorities: z.int(),
      }),
    ),
  }),
  "spiffe verify": z.union([
    z.object({
      valid: z.literal(true),
      kind: z.enum(["x509-svid", "jwt-svid", "binding"]),
      spiffeId,
      expires: time,
      bundle: digest,
      did: did.optional(),
      proof: z.string().optional(),
    }),
    z.object({ valid: z.literal(false), kind: z.string(), code, detail: z.string() }),
  ]),
  "spiffe bind": z.object({ did, spiffeId: spiffeId.optional(), proof: z.string(), expires: time, path: z.string() }),
};
