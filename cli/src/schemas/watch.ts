import { z } from "zod";
import { did, digest, time } from "./common.ts";

const base = z.object({
  seq: z.int(),
  id: z.string().regex(/^evt_[0-9a-f]{32}$/),
  at: time,
  agents: z.array(did).min(1),
});
const logged = base.extend({ index: z.int(), statement: digest, issuer: did });
const event = z.discriminatedUnion("type", [
  logged.extend({
    type: z.literal("vouch"),
    subject: did,
    scope: z.array(z.string()),
    confidence: z.int(),
    validUntil: time,
  }),
  logged.extend({
    type: z.literal("revocation"),
    revokes: z.enum(["statement", "subject"]),
    target: z.string(),
    subject: did.optional(),
  }),
  logged.extend({ type: z.literal("key"), event: z.enum(["init", "rotate", "revoke", "recover", "burn"]) }),
  logged.extend({ type: z.literal("report"), subject: did, category: z.string() }),
  base.extend({
    type: z.literal("score"),
    scope: z.string(),
    min: z.number(),
    score: z.union([z.number(), z.literal("unknown")]),
    crossed: z.enum(["above", "below"]),
    size: z.int(),
  }),
]);

/** What `data` holds in the answer of `watch`: an event a line, or all of them with `--once`. */
export const watchSchemas: Readonly<Record<string, z.ZodType>> = {
  watch: z.union([event, z.object({ events: z.array(event), size: z.int() })]),
};
