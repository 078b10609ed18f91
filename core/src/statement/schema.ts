import { z } from "zod";
import { parseDid, parseMultibaseKey } from "../did/did-key.ts";
import { PeerageError } from "../errors.ts";
import type { JsonObject, JsonValue } from "../json/types.ts";
import { parseTime } from "../time.ts";
import type { StatementKind } from "./types.ts";

/** `@context` of every statement and of every proof: one constant. */
export const STATEMENT_CONTEXT: readonly JsonValue[] = [
  "https://www.w3.org/ns/credentials/v2",
  { "@vocab": "https://peerage.dev/ns#" },
];
/** A leaf has at most this many bytes. */
export const MAX_STATEMENT_BYTES = 4_096;
/** A vouch lives at most this long: 180 days. */
export const MAX_VOUCH_SECONDS: number = 180 * 86_400;

const context = z.tuple([
  z.literal("https://www.w3.org/ns/credentials/v2"),
  z.strictObject({ "@vocab": z.literal("https://peerage.dev/ns#") }),
]);
// The form only: whether the key is acceptable is asked afterwards, so that its own code comes back.
const did = z.string().regex(/^did:key:z[1-9A-HJ-NP-Za-km-z]{1,120}$/, "a did:key");
const key = z.string().regex(/^z[1-9A-HJ-NP-Za-km-z]{1,120}$/, "a multibase key");
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, "sha256: and 64 hexadecimal digits");
const time = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/, "YYYY-MM-DDTHH:MM:SSZ")
  .refine((text) => parseTime(text) !== undefined, "a real instant");
const scope = z.string().regex(/^[a-z][a-z0-9-]{0,63}$/, "a scope: [a-z][a-z0-9-]{0,63}");

function sortedUnique(list: readonly string[]): boolean {
  return list.every((item, i) => i === 0 || (list[i - 1] ?? "") < item);
}
const sorted = "sorted and without repetition";
const scopes = z.array(scope).min(1).max(16).refine(sortedUnique, sorted);
const evidence = z.array(digest).min(1).max(16).refine(sortedUnique, sorted);

const proof = z.strictObject({
  "@context": context,
  type: z.literal("DataIntegrityProof"),
  cryptosuite: z.literal("eddsa-jcs-2022"),
  created: time,
  verificationMethod: z.string().regex(/^did:key:z[1-9A-HJ-NP-Za-km-z]{1,120}#z[1-9A-HJ-NP-Za-km-z]{1,120}$/),
  proofPurpose: z.literal("assertionMethod"),
  proofValue: z.string().regex(/^z[1-9A-HJ-NP-Za-km-z]{1,89}$/, "base58btc multibase"),
});
const common = { "@context": context, issuer: did, proof };
const dated = { ...common, issued: time };

const recovery = z
  .strictObject({
    threshold: z.int().min(1).max(5),
    keys: z.array(digest).min(1).max(5).refine(sortedUnique, sorted),
  })
  .refine((set) => set.threshold <= set.keys.length, "threshold exceeds the number of keys");

const reason = z.enum(["routine", "compromised"]);
const chained = {
  ...dated,
  type: z.literal("KeyEvent"),
  seq: z.int().min(1),
  prev: digest,
  reason,
  since: time.optional(),
};
const sinceIffCompromised = (event: { reason: string; since?: string | undefined }): boolean =>
  (event.reason === "compromised") === (event.since !== undefined);

const vouch = z
  .strictObject({
    ...common,
    type: z.tuple([z.literal("VerifiableCredential"), z.literal("Vouch")]),
    validFrom: time,
    validUntil: time,
    credentialSubject: z.strictObject({
      id: did,
      scope: scopes,
      confidence: z.int().min(1).max(100),
      evidence: evidence.optional(),
      noteDigest: digest.optional(),
    }),
  })
  .refine((v) => v.credentialSubject.id !== v.issuer, "nobody vouches for itself")
  .refine((v) => {
    const length = (parseTime(v.validUntil) ?? 0) - (parseTime(v.validFrom) ?? 0);
    return length > 0 && length <= MAX_VOUCH_SECONDS;
  }, "validUntil must be after validFrom, by at most 180 days");

const schemas = {
  Vouch: vouch,
  Revocation: z.discriminatedUnion("revokes", [
    z.strictObject({ ...dated, type: z.literal("Revocation"), revokes: z.literal("statement"), target: digest }),
    z.strictObject({ ...dated, type: z.literal("Revocation"), revokes: z.literal("subject"), target: did }),
    z
      .strictObject({ ...dated, type: z.literal("Revocation"), revokes: z.literal("self"), target: did })
      .refine((r) => r.target === r.issuer, "the target of self is the issuer"),
  ]),
  AgentProfile: z.strictObject({
    ...dated,
    type: z.literal("AgentProfile"),
    role: z.enum(["agent", "server", "person", "organization"]),
    noteDigest: digest.optional(),
  }),
  KeyEvent: z.discriminatedUnion("event", [
    z.strictObject({
      ...dated,
      type: z.literal("KeyEvent"),
      event: z.literal("init"),
      seq: z.literal(0),
      next: digest,
      recovery: recovery.optional(),
    }),
    z
      .strictObject({ ...chained, event: z.literal("rotate"), key, next: digest, recovery: recovery.optional() })
      .refine(sinceIffCompromised, "since goes with compromised"),
    z
      .strictObject({ ...chained, event: z.literal("revoke") })
      .refine(sinceIffCompromised, "since goes with compromised"),
    z
      .strictObject({
        ...chained,
        proof: z.array(proof).min(2).max(6),
        event: z.literal("recover"),
        key,
        next: digest,
        recovery: recovery.optional(),
      })
      .refine(sinceIffCompromised, "since goes with compromised"),
  ]),
  Report: z
    .strictObject({
      ...dated,
      type: z.literal("Report"),
      subject: did,
      category: z.enum([
        "unapproved-action",
        "false-claim",
        "data-misuse",
        "malware",
        "impersonation",
        "spam",
        "log-fork",
        "log-ended",
      ]),
      evidence,
      noteDigest: digest.optional(),
    })
    .refine((r) => r.subject !== r.issuer, "nobody reports itself"),
} as const;

/** The kind that a document says it is, by the exact form of its `type`. */
function kindOf(type: JsonValue | undefined): StatementKind | undefined {
  if (Array.isArray(type)) return type.length === 2 && type[1] === "Vouch" ? "Vouch" : undefined;
  if (typeof type !== "string" || type === "Vouch" || !Object.hasOwn(schemas, type)) return undefined;
  return type as StatementKind;
}

/**
 * Checks a document against the closed schema of exactly one kind, then every DID and key in it.
 * @throws {PeerageError} ERR_STATEMENT_INVALID, ERR_DID_INVALID
 */
export function checkSchema(document: JsonObject): StatementKind {
  const kind = kindOf(document["type"]);
  if (!kind) throw new PeerageError("ERR_STATEMENT_INVALID", "not a statement of a known kind", { detail: "kind" });
  const result = schemas[kind].safeParse(document);
  if (!result.success) {
    const [issue] = result.error.issues;
    const where = issue?.path.join(".") ?? "";
    throw new PeerageError("ERR_STATEMENT_INVALID", `${where || kind}: ${issue?.message ?? "malformed"}`, {
      detail: where || "members",
    });
  }
  checkKeys(document);
  return kind;
}

function checkKeys(document: JsonObject): void {
  parseDid(document["issuer"]);
  const subject = document["credentialSubject"] as JsonObject | undefined;
  for (const other of [subject?.["id"], document["subject"], document["target"]]) {
    if (typeof other === "string" && other.startsWith("did:")) parseDid(other);
  }
  if (document["key"] !== undefined) parseMultibaseKey(document["key"]);
}

/** JSON Schema (2020-12) of each kind, for documentation; refinements such as "sorted" are in the descriptions only. */
export function statementJsonSchemas(): Record<StatementKind, object> {
  const convert = (schema: z.ZodType): object => z.toJSONSchema(schema, { target: "draft-2020-12" });
  return {
    Vouch: convert(schemas.Vouch),
    Revocation: convert(schemas.Revocation),
    AgentProfile: convert(schemas.AgentProfile),
    KeyEvent: convert(schemas.KeyEvent),
    Report: convert(schemas.Report),
  };
}
