import { z } from "zod";
import { did, digest, dryRun, key } from "./common.ts";

const event = z.enum(["rotate", "revoke", "recover"]);
const change = z.union([
  z.object({
    name: z.string(),
    did,
    event,
    id: digest,
    seq: z.int(),
    index: z.int(),
    resumed: z.boolean(),
    dryRun: z.literal(false),
    key: key.optional(),
    statement: z.string(),
  }),
  z.object({ name: z.string(), did, event, seq: z.int(), dryRun: z.literal(true) }),
]);

const sealing = z.object({
  name: z.string(),
  did,
  locked: z.boolean(),
  files: z.array(z.string()),
  total: z.int(),
  dryRun,
});
const which = z.enum(["key", "next", "recovery"]);

/** What `data` holds in the answers of `peerage key …`. */
export const keySchemas: Readonly<Record<string, z.ZodType>> = {
  "key new": z.object({
    name: z.string(),
    path: z.string(),
    recovery: z.string(),
    did: did.optional(),
    dryRun: dryRun.optional(),
  }),
  "key list": z.object({
    keys: z.array(
      z.object({
        name: z.string(),
        did,
        key,
        locked: z.boolean(),
        keychain: z.literal(true).optional(),
        rotated: z.boolean(),
        next: z.boolean(),
        recovery: z.boolean(),
        chosen: z.boolean(),
        pending: event.optional(),
      }),
    ),
  }),
  "key status": z.object({
    name: z.string(),
    did,
    key,
    registry: z.string().nullable(),
    status: z.enum(["active", "burnt", "suspended", "disputed"]).optional(),
    current: key.optional(),
    events: z.int().optional(),
    compromises: z.int().optional(),
    held: z.object({ current: z.boolean(), next: z.boolean(), recovery: z.boolean() }).optional(),
    last: digest.optional(),
    seq: z.int().optional(),
    pending: event.optional(),
  }),
  "key rotate": change,
  "key revoke": change,
  "key recover": change,
  "key lock": sealing,
  "key unlock": sealing,
  "key store": sealing.extend({ where: z.enum(["keychain", "file"]) }),
  "key export": z.object({
    name: z.string(),
    did,
    file: z.string(),
    sealed: z.boolean(),
    keys: z.array(which),
    dryRun,
  }),
  "key import": z.object({
    name: z.string(),
    did,
    file: z.string(),
    sealed: z.boolean(),
    keys: z.array(z.object({ which, path: z.string(), state: z.enum(["made", "already", "would"]) })),
    dryRun,
  }),
};
