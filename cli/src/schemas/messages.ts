import { z } from "zod";
import { code, did, digest, dryRun, time } from "./common.ts";

const error = z.object({ code, message: z.string() });
const refused = z.object({ error });
const score = z.union([z.number().min(0).max(1), z.literal("unknown")]);
const authentic = z.object({
  id: digest,
  status: z.literal("authentic"),
  from: did,
  name: z.string().optional(),
  score,
  sent: time,
  received: time,
  bytes: z.int(),
  read: z.boolean(),
});

/** What `data` holds in the answers of `peerage send` and `peerage inbox …`. */
export const messageSchemas: Readonly<Record<string, z.ZodType>> = {
  send: z.union([
    z.object({
      id: digest,
      from: did,
      to: did,
      key: z.string(),
      registry: z.string(),
      bytes: z.int(),
      sealedBytes: z.int(),
      expires: time,
      fresh: z.boolean(),
      dryRun,
      token: z.string().optional(),
      sealed: z.base64().optional(),
    }),
    refused,
  ]),
  "inbox list": z.union([
    z.object({
      for: did,
      registry: z.string(),
      scope: z.string(),
      seq: z.int().optional(),
      fetched: z.int(),
      replayed: z.int(),
      messages: z.array(
        z.discriminatedUnion("status", [
          authentic,
          z.object({ id: digest, status: z.literal("refused"), received: time, bytes: z.int(), error }),
        ]),
      ),
    }),
    refused,
  ]),
  "inbox read": z.union([
    authentic.extend({ to: did, key: z.string(), text: z.string().optional(), base64: z.string().optional() }),
    refused,
  ]),
  "inbox remove": z.object({ id: digest, dryRun }),
};
