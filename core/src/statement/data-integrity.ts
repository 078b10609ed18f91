import { base58btc } from "multiformats/bases/base58";
import type { Signer } from "../did/identity.ts";
import { concat, utf8 } from "../encoding/bytes.ts";
import { sha256 } from "../encoding/sha256.ts";
import { type PublicKey, verifySignature, verifySignatureAsync } from "../ed25519/verify.ts";
import { PeerageError } from "../errors.ts";
import { canonicalize } from "../json/canonical.ts";
import { isJsonObject, type JsonObject, type JsonValue, without } from "../json/types.ts";
import { parseMultibaseKey } from "../did/did-key.ts";

function invalid(detail: string, message: string): PeerageError {
  return new PeerageError("ERR_STATEMENT_INVALID", message, { detail });
}

/**
 * The 64 bytes that `eddsa-jcs-2022` signs: SHA-256 of the proof without `proofValue`, then SHA-256 of the document
 * without `proof`, both in RFC 8785 form.
 * @see https://www.w3.org/TR/vc-di-eddsa/ section 3.3
 */
export function hashData(document: JsonObject, proof: JsonObject): Uint8Array {
  return concat(proofHash(proof), sha256(utf8(canonicalize(without(document, "proof")))));
}

function proofHash(proof: JsonObject): Uint8Array {
  return sha256(utf8(canonicalize(without(proof, "proofValue"))));
}

/** Adds one Data Integrity proof (`eddsa-jcs-2022`, `assertionMethod`) to a document; `@context` goes into the proof. */
export async function addProof(
  signer: Pick<Signer, "sign">,
  document: JsonObject,
  options: { readonly verificationMethod: string; readonly created: string },
): Promise<JsonObject> {
  const config: JsonObject = {
    "@context": document["@context"] ?? [],
    type: "DataIntegrityProof",
    cryptosuite: "eddsa-jcs-2022",
    created: options.created,
    verificationMethod: options.verificationMethod,
    proofPurpose: "assertionMethod",
  };
  const signature = await signer.sign(hashData(document, config));
  return { ...config, proofValue: base58btc.encode(signature) };
}

/**
 * Verifies one proof of a secured document with the given key, as the cryptosuite `eddsa-jcs-2022` defines it. Whether
 * that key may speak for the document's issuer is the caller's question.
 * @throws {PeerageError} ERR_STATEMENT_INVALID
 */
export async function verifyProof(document: JsonObject, proof: JsonObject, key: PublicKey): Promise<void> {
  await verifyProofOver(sha256(utf8(canonicalize(without(document, "proof")))), proof, key);
}

/**
 * As {@link verifyProof}, for a document of which only the digest is at hand: what the key signed, whatever bytes are
 * shown beside it.
 * @param documentHash SHA-256 of the RFC 8785 form of the document without `proof`, 32 bytes
 * @throws {PeerageError} ERR_STATEMENT_INVALID
 */
export async function verifyProofOver(documentHash: Uint8Array, proof: JsonObject, key: PublicKey): Promise<void> {
  const signature = signatureOf(proof);
  if (!(await verifySignatureAsync(key, concat(proofHash(proof), documentHash), signature))) throw doesNotHold();
}

/** As {@link verifyProofOver}, at once: for the few that a guard checks while it decides. */
export function verifyProofOverNow(documentHash: Uint8Array, proof: JsonObject, key: PublicKey): void {
  const signature = signatureOf(proof);
  if (!verifySignature(key, concat(proofHash(proof), documentHash), signature)) throw doesNotHold();
}

function signatureOf(proof: JsonObject): Uint8Array {
  if (proof["type"] !== "DataIntegrityProof" || proof["cryptosuite"] !== "eddsa-jcs-2022") {
    throw invalid("cryptosuite", "the proof must be a DataIntegrityProof of cryptosuite eddsa-jcs-2022");
  }
  if (proof["proofPurpose"] !== "assertionMethod") throw invalid("purpose", "proofPurpose must be assertionMethod");
  return decodeProofValue(proof["proofValue"]);
}

function doesNotHold(): PeerageError {
  return invalid("equation", "the signature does not hold");
}

/**
 * Verifies a document that somebody else secured, by the did:key named in its own proof: generic Data Integrity, for
 * `peerage verify`. Says nothing about what kind of document it is.
 * @returns the verification method whose key signed
 * @throws {PeerageError} ERR_STATEMENT_INVALID, ERR_DID_INVALID
 */
export async function verifySecuredDocument(document: JsonValue): Promise<string> {
  const proof = isJsonObject(document) ? document["proof"] : undefined;
  if (!isJsonObject(document) || !isJsonObject(proof)) throw invalid("members", "the document has no single proof");
  const method = proof["verificationMethod"];
  if (typeof method !== "string" || !method.startsWith("did:key:")) {
    throw invalid("verification-method", "verificationMethod must be a did:key URL");
  }
  await verifyProof(document, proof, parseMultibaseKey(method.slice(method.indexOf("#") + 1)));
  return method;
}

/**
 * The bytes of a `proofValue`: base58btc multibase, at most 90 characters. Their number is not checked.
 * @throws {PeerageError} ERR_STATEMENT_INVALID
 */
export function decodeProofValue(value: JsonValue | undefined): Uint8Array {
  // 64 bytes have at most 88 base58 digits; without the bound, decoding is quadratic in what a stranger sends.
  if (typeof value !== "string" || !value.startsWith("z") || value.length > 90) {
    throw invalid("multibase", "proofValue must be base58btc multibase");
  }
  try {
    return base58btc.decode(value);
  } catch {
    throw invalid("multibase", "proofValue must be base58btc multibase");
  }
}
