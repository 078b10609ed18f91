import { z } from "zod";

export const did: z.ZodString = z.string().regex(/^did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}$/);
export const digest: z.ZodString = z.string().regex(/^sha256:[0-9a-f]{64}$/);
/** RFC 3339 in UTC. */
export const time: z.ZodISODateTime = z.iso.datetime();
export const code: z.ZodString = z.string().regex(/^ERR_[A-Z_]+$/);
export const dryRun: z.ZodBoolean = z.boolean();
/** A key as DIDs name it. */
export const key: z.ZodString = z.string().regex(/^z6Mk[1-9A-HJ-NP-Za-km-z]{44}$/);
