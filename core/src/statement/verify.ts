import { type Did, type MultibaseKey, multibaseOf, parseMultibaseKey } from "../did/did-key.ts";
import { fromHex, fromUtf8, utf8 } from "../encoding/bytes.ts";
import { isPeerageError, PeerageError } from "../errors.ts";
import { canonicalize } from "../json/canonical.ts";
import { type Digest, digest } from "../json/digest.ts";
import { parseJson } from "../json/parse.ts";
import { isJsonObject, type JsonObject, without } from "../json/types.ts";
import { parseTime } from "../time.ts";
import { markVerified, type Verified } from "../verified.ts";
import { verifyProofOver, verifyProofOverNow } from "./data-integrity.ts";
import { checkSchema, MAX_STATEMENT_BYTES } from "./schema.ts";
import type { Statement, StatementKind, Vouch } from "./types.ts";

/** Statements may be dated this far in the future. */
export const STATEMENT_SKEW_SECONDS = 300;

/** Whose keys a statement may be signed by. */
export interface VerifyStatementOptions {
  /**
   * The keys that may speak for an issuer now. By default only the DID's own first key; a consumer that follows key
   * events passes the key that stands behind the DID. Not asked for `rotate`, `revoke` and `recover`, whose keys the
   * chain of key events judges. `any`: the signatures hold, by the keys they name; whether these were the issuer's is
   * then asked of the key history, as `View` does.
   */
  readonly keysOf?: "any" | ((issuer: Did) => readonly MultibaseKey[]);
}

/**
 * Verifies one statement: size, strict JSON, the one canonical form, the closed schema of its kind, every DID in it, and
 * every proof. Not checked here: time ({@link checkStatementTime}), revocation, and the chain of key events.
 * @param leaf - the bytes as submitted, stored and hashed
 * @throws {PeerageError} ERR_STATEMENT_INVALID, ERR_DID_INVALID, ERR_KEY_SUPERSEDED
 */
export async function verifyStatement(
  leaf: Uint8Array | string,
  options: VerifyStatementOptions = {},
): Promise<Verified<Statement>> {
  const { statement, proofs, keys, documentHash } = readProofs(leaf);
  const { issuer } = statement;
  if (options.keysOf !== "any" && !isChained(statement)) {
    const allowed = options.keysOf?.(issuer) ?? [multibaseOf(issuer)];
    if (!keys.every((key) => allowed.includes(key))) {
      throw new PeerageError("ERR_KEY_SUPERSEDED", "the key that signed does not stand behind the issuer", {
        detail: "verification-method",
      });
    }
  }
  for (const [i, proof] of proofs.entries()) {
    await verifyProofOver(documentHash, proof, parseMultibaseKey(keys[i]));
  }
  return markVerified({ ...statement, keys });
}

/**
 * Verifies a vouch at once, as {@link verifyStatement} with the keys of `any`: whether the key that signed was its issuer's
 * is then asked of the key history.
 * @throws {PeerageError} ERR_STATEMENT_INVALID, ERR_DID_INVALID
 */
export function verifyVouchNow(leaf: Uint8Array | string): Verified<Vouch> {
  const { statement, proofs, keys, documentHash } = readProofs(leaf);
  if (statement.kind !== "Vouch") throw invalid("kind", "the statement is no vouch");
  for (const [i, proof] of proofs.entries()) verifyProofOverNow(documentHash, proof, parseMultibaseKey(keys[i]));
  return markVerified({ ...statement, keys });
}

function readProofs(leaf: Uint8Array | string): {
  statement: Statement;
  proofs: JsonObject[];
  keys: MultibaseKey[];
  documentHash: Uint8Array;
} {
  const statement = parseStatement(leaf);
  const { document, issuer } = statement;
  const proofs = (Array.isArray(document["proof"]) ? document["proof"] : [document["proof"]]) as JsonObject[];
  const keys = proofs.map((proof) => keyOfProof(proof, issuer));
  if (new Set(keys).size !== keys.length) throw invalid("threshold", "the same key signs twice");
  // The id is the digest of what every proof covers.
  return { statement, proofs, keys, documentHash: fromHex(statement.id.slice("sha256:".length)) };
}

/**
 * Reads a leaf back from a store that admitted it through {@link verifyStatement}, without checking the proof again. For
 * a registry's own database, whose tree root has been compared with its signed head, and for nothing else.
 * @throws {PeerageError} ERR_STATEMENT_INVALID, ERR_DID_INVALID
 */
export function trustStoredStatement(leaf: Uint8Array): Verified<Statement> {
  const statement = parseStatement(leaf);
  const proofs = (
    Array.isArray(statement.document["proof"]) ? statement.document["proof"] : [statement.document["proof"]]
  ) as JsonObject[];
  return markVerified({ ...statement, keys: proofs.map((proof) => keyOfProof(proof, statement.issuer)) });
}

/**
 * The times that admission judges: nothing is dated more than 300 s ahead, and a vouch has not expired.
 * @throws {PeerageError} ERR_STATEMENT_NOT_YET_VALID, ERR_VOUCH_NOT_YET_VALID, ERR_VOUCH_EXPIRED
 */
export function checkStatementTime(statement: Statement, now: Date): void {
  const seconds = now.getTime() / 1000;
  if (statement.kind === "Vouch" && statement.validFrom > seconds + STATEMENT_SKEW_SECONDS) {
    throw new PeerageError("ERR_VOUCH_NOT_YET_VALID", "the vouch is not valid yet", { detail: "not-yet-valid" });
  }
  if (Math.max(statement.issuedAt, statement.createdAt) > seconds + STATEMENT_SKEW_SECONDS) {
    throw new PeerageError("ERR_STATEMENT_NOT_YET_VALID", "the statement is from the future", {
      detail: "not-yet-valid",
    });
  }
  if (statement.kind === "Vouch" && statement.validUntil <= seconds) {
    throw new PeerageError("ERR_VOUCH_EXPIRED", "the vouch has expired", { detail: "expired" });
  }
}

function invalid(detail: string, message: string, cause?: unknown): PeerageError {
  return new PeerageError("ERR_STATEMENT_INVALID", message, { detail, cause });
}

function isChained(statement: Statement): boolean {
  return statement.kind === "KeyEvent" && statement.event !== "init";
}

function keyOfProof(proof: JsonObject, issuer: Did): MultibaseKey {
  const method = proof["verificationMethod"] as string;
  const [did, key] = method.split("#");
  if (did !== issuer) throw invalid("verification-method", "the proof is not by a key of the issuer");
  parseMultibaseKey(key);
  return key as MultibaseKey;
}

/** Form and schema; the result is not verified. */
function parseStatement(leaf: Uint8Array | string): Statement {
  const document = readCanonical(leaf);
  const kind = checkSchema(document);
  const proof = (Array.isArray(document["proof"]) ? document["proof"][0] : document["proof"]) as JsonObject;
  const base = {
    id: digest(without(document, "proof")),
    issuer: document["issuer"] as Did,
    createdAt: seconds(proof["created"]),
    keys: [],
    bytes: typeof leaf === "string" ? utf8(leaf) : leaf,
    document,
  };
  return { ...base, ...(membersOf(kind, document) as Statement) };
}

function readCanonical(leaf: Uint8Array | string): JsonObject {
  let text: string;
  let document: unknown;
  try {
    if (leaf.length > MAX_STATEMENT_BYTES)
      throw invalid("size", `a statement has at most ${MAX_STATEMENT_BYTES} bytes`);
    text = typeof leaf === "string" ? leaf : fromUtf8(leaf);
    document = parseJson(text, { maxBytes: MAX_STATEMENT_BYTES });
  } catch (cause) {
    if (isPeerageError(cause, "ERR_STATEMENT_INVALID")) throw cause;
    throw invalid("json", `not strict JSON: ${(cause as Error).message}`, cause);
  }
  if (!isJsonObject(document)) throw invalid("members", "a statement is a JSON object");
  if (canonicalize(document) !== text) {
    throw invalid("form", "the bytes are not the canonical form (RFC 8785) of the document");
  }
  return document;
}

function seconds(time: unknown): number {
  return parseTime(time) ?? Number.NaN;
}

/** The members of each kind, after the schema has checked them. */
function membersOf(kind: StatementKind, document: JsonObject): object {
  const optional = (name: string, value: unknown): object => (value === undefined ? {} : { [name]: value });
  const issuedAt = seconds(document["issued"]);
  const note = optional("noteDigest", document["noteDigest"]);
  switch (kind) {
    case "Vouch": {
      const subject = document["credentialSubject"] as JsonObject;
      const validFrom = seconds(document["validFrom"]);
      return {
        kind,
        issuedAt: validFrom,
        validFrom,
        validUntil: seconds(document["validUntil"]),
        subject: subject["id"],
        scope: subject["scope"],
        confidence: subject["confidence"],
        evidence: (subject["evidence"] ?? []) as Digest[],
        ...optional("noteDigest", subject["noteDigest"]),
      };
    }
    case "Revocation":
      return { kind, issuedAt, revokes: document["revokes"], target: document["target"] };
    case "AgentProfile":
      return { kind, issuedAt, role: document["role"], ...note };
    case "KeyEvent": {
      const { event, seq, prev, key, next, recovery, reason, since } = document;
      return {
        kind,
        issuedAt,
        event,
        seq,
        ...optional("prev", prev),
        ...optional("key", key),
        ...optional("next", next),
        ...optional("recovery", recovery),
        ...optional("reason", reason),
        ...optional("since", since === undefined ? undefined : seconds(since)),
      };
    }
    case "Report": {
      const { subject, category, evidence } = document;
      return { kind, issuedAt, subject, category, evidence, ...note };
    }
  }
}
