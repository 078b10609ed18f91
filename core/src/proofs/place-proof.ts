import { type Did, type MultibaseKey, parseDid } from "../did/did-key.ts";
import type { Signer } from "../did/identity.ts";
import { utf8 } from "../encoding/bytes.ts";
import { PeerageError } from "../errors.ts";
import { canonicalize } from "../json/canonical.ts";
import { parseJson } from "../json/parse.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../json/types.ts";
import { addProof, verifySecuredDocument } from "../statement/data-integrity.ts";
import { STATEMENT_CONTEXT } from "../statement/schema.ts";
import { formatTime, parseTime, unixSeconds } from "../time.ts";
import { markVerified, type Verified } from "../verified.ts";
import { isSamePlace, parsePlace, type Place } from "./place.ts";

/** An agent's word that a place is its own. Found at that place, it is a proof; found anywhere else, it says nothing. */
export interface PlaceProof {
  readonly issuer: Did;
  /** Unix seconds, by the issuer's own clock. */
  readonly issued: number;
  readonly place: Place;
  /** The key that signed: its DID's first or, as only a log can tell, a later one. */
  readonly key: MultibaseKey;
}

/** The largest file of proofs that is read, in bytes. */
export const MAX_PLACE_FILE_BYTES = 32_768;
/** How many agents a place can have. */
export const MAX_PLACE_PROOFS = 32;

const TYPE = "PlaceProof";
const members: readonly string[] = ["@context", "type", "issuer", "issued", "place", "proof"];

/** Signs that a place is the signer's, in the form in which statements are signed (`eddsa-jcs-2022`). It enters no log. */
export async function signPlaceProof(signer: Signer, place: Place, now: Date): Promise<JsonObject> {
  const issued = formatTime(unixSeconds(now));
  const document: JsonObject = {
    "@context": STATEMENT_CONTEXT,
    type: TYPE,
    issuer: signer.did,
    issued,
    place: place.url,
  };
  return { ...document, proof: await addProof(signer, document, { verificationMethod: signer.kid, created: issued }) };
}

/**
 * Verifies one proof and that it is for the place where it was found: a copy of another place's proof is refused. Whether
 * its key stood behind the DID is the caller's question, as only a log can tell.
 * @throws {PeerageError} ERR_STATEMENT_INVALID, ERR_DID_INVALID, and ERR_PROOF_MISMATCH for another place
 */
export async function verifyPlaceProof(document: JsonValue, foundAt: Place): Promise<Verified<PlaceProof>> {
  if (!isJsonObject(document) || document["type"] !== TYPE) throw invalid("members", `it is no ${TYPE}`);
  if (Object.keys(document).some((name) => !members.includes(name)) || members.some((name) => !(name in document)))
    throw invalid("members", `a ${TYPE} has exactly the members ${members.join(", ")}`);
  if (canonicalize(document["@context"] ?? null) !== canonicalize(STATEMENT_CONTEXT))
    throw invalid("context", "its @context is not ours");
  const issuer = parseDid(document["issuer"]);
  const issued = parseTime(document["issued"]);
  if (issued === undefined) throw invalid("members", "issued is a time such as 2026-11-20T10:00:00Z");
  const method = await verifySecuredDocument(document);
  // Before the place is compared: what an unsigned text says of itself is worth no answer.
  if (!method.startsWith(`${issuer}#`))
    throw invalid("verification-method", "the key that signed belongs to another DID than the one it names");
  const text = document["place"];
  if (typeof text !== "string") throw invalid("members", "place is a text");
  const place = parsePlace(text);
  if (place.url !== text) throw invalid("place", "place is not written in its one form");
  if (!isSamePlace(place, foundAt)) {
    throw new PeerageError("ERR_PROOF_MISMATCH", `it is for ${place.url}, and was found at ${foundAt.url}`, {
      detail: "place",
    });
  }
  const key = method.slice(issuer.length + 1) as MultibaseKey;
  return markVerified({ issuer, issued, place, key });
}

/** The file that a place publishes: the proofs of its agents, one each. */
export function formatPlaceFile(proofs: readonly JsonObject[]): string {
  return `${JSON.stringify({ proofs }, null, 2)}\n`;
}

/**
 * Reads a file of proofs, none of them verified yet.
 * @throws {PeerageError} ERR_STATEMENT_INVALID if it is no such file, or the code of text that is no strict JSON
 */
export function parsePlaceFile(bytes: Uint8Array): readonly JsonObject[] {
  const json = parseJson(bytes, { maxBytes: MAX_PLACE_FILE_BYTES });
  const proofs = isJsonObject(json) ? json["proofs"] : undefined;
  const isClosed = isJsonObject(json) && Object.keys(json).length === 1;
  if (!isClosed || !Array.isArray(proofs) || proofs.length > MAX_PLACE_PROOFS || !proofs.every(isJsonObject))
    throw invalid("members", `it is no file of proofs: {"proofs": […]} with at most ${MAX_PLACE_PROOFS}`);
  return proofs;
}

/**
 * A file of proofs with one more: it takes the place of its issuer's earlier ones, and leaves the others as they are.
 * @throws {PeerageError} ERR_STATEMENT_INVALID where it would become too large to be read
 */
export function withPlaceProof(others: readonly JsonObject[], proof: JsonObject): readonly JsonObject[] {
  const kept = [...others.filter((other) => other["issuer"] !== proof["issuer"]), proof];
  if (kept.length > MAX_PLACE_PROOFS || utf8(formatPlaceFile(kept)).length > MAX_PLACE_FILE_BYTES)
    throw invalid("members", `a place publishes at most ${MAX_PLACE_PROOFS} proofs`);
  return kept;
}

function invalid(detail: string, message: string): PeerageError {
  return new PeerageError("ERR_STATEMENT_INVALID", message, { detail });
}
