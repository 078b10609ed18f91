import { type Did, type Digest, isDigest, isPeerageError, parseDid } from "@peerage/core";
import { z } from "zod";

/** Parameters that several routes share. All arrive as text; what is not exactly of the form is refused. */

/** A whole number as its canonical decimal text. */
export function integer(minimum: number, maximum: number = Number.MAX_SAFE_INTEGER): z.ZodType<number> {
  return z
    .string()
    .regex(/^(?:0|-?[1-9]\d{0,15})$/, "not a whole number")
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum, `not between ${minimum} and ${maximum}`)
    .meta({ type: "integer", minimum, maximum });
}

/** A page's length: 1 to 200, 50 by default. */
export const limit: z.ZodType<number> = integer(1, 200)
  .optional()
  .transform((value) => value ?? 50)
  .meta({ type: "integer", minimum: 1, maximum: 200, default: 50 });

/** An acceptable did:key. */
export const did: z.ZodType<Did> = z
  .string()
  .max(128)
  .transform((text, context): Did => {
    try {
      return parseDid(text);
    } catch (error) {
      if (!isPeerageError(error)) throw error;
      context.addIssue({ code: "custom", message: error.message, params: { code: error.code } });
      return z.NEVER;
    }
  })
  .meta({ type: "string", pattern: "^did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}$" });

/** Up to 64 acceptable DIDs, separated by commas. */
export const didList: z.ZodType<readonly Did[]> = z
  .string()
  .max(64 * 64)
  .transform((text, context): readonly Did[] => {
    const parsed = text.split(",").map((one) => did.safeParse(one));
    const bad = parsed.find((one) => !one.success);
    if (bad?.error)
      for (const { message } of bad.error.issues)
        context.addIssue({ code: "custom", message, params: { code: "ERR_DID_INVALID" } });
    return parsed.flatMap((one) => (one.success ? [one.data] : []));
  })
  .meta({ type: "string", description: "DIDs separated by commas, at most 64" });

/** A statement's id. */
export const statementId: z.ZodType<Digest> = z
  .string()
  .refine((text): text is Digest => isDigest(text), "not a statement id: sha256: and 64 hexadecimal digits")
  .meta({ type: "string", pattern: "^sha256:[0-9a-f]{64}$" });

/** The name of a scope. */
export const scope: z.ZodType<string> = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,63}$/, "not a scope")
  .optional()
  .transform((value) => value ?? "tools")
  .meta({ type: "string", pattern: "^[a-z][a-z0-9-]{0,63}$", default: "tools" });
