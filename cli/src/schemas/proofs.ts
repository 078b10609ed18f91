import { z } from "zod";
import { did, dryRun, time } from "./common.ts";

const place = z.object({
  issuer: did,
  place: z.string(),
  kind: z.enum(["domain", "repository"]),
  file: z.string(),
  dryRun,
});
const prove = z.union([
  place.extend({
    document: z.object({ type: z.literal("PlaceProof") }),
    text: z.string(),
    path: z.string().optional(),
  }),
  place.extend({ urls: z.array(z.string()), index: z.int().optional() }),
]);

/** What `show` says of the places that an agent names. */
export const claimedPlaces: z.ZodType = z.array(
  z.object({
    place: z.string(),
    kind: z.enum(["domain", "repository"]),
    status: z.enum(["proven", "not-proven", "no-longer", "unreachable", "not-checked"]),
    checkedAt: time.nullable(),
    provenAt: time.nullable(),
    why: z.string().optional(),
  }),
);

/** What `data` holds in the answers about places on the web. */
export const proofSchemas: Readonly<Record<string, z.ZodType>> = {
  "prove domain": prove,
  "prove repository": prove,
};
