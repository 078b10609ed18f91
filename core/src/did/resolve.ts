import type { DIDDocument } from "did-resolver";
import { PeerageError } from "../errors.ts";
import { parseDid } from "./did-key.ts";

/**
 * Resolves a did:key to its DID document (W3C DID Core). The acceptance rule comes first: the resolver alone would
 * resolve keys of small order and DID URLs. Knows the first key only; a registry knows the key behind it now.
 * @throws {PeerageError} ERR_DID_INVALID, ERR_DID_UNRESOLVED
 */
export async function resolveDid(text: unknown): Promise<DIDDocument> {
  const did = parseDid(text);
  // Loaded on demand: verification never needs it, and its curve library doubles the start-up time.
  const [{ Resolver }, { default: key }] = await Promise.all([import("did-resolver"), import("key-did-resolver")]);
  const { didDocument, didResolutionMetadata } = await new Resolver(key.getResolver()).resolve(did);
  if (didDocument?.id !== did) {
    throw new PeerageError(
      "ERR_DID_UNRESOLVED",
      `${did} did not resolve: ${didResolutionMetadata.error ?? "no document"}`,
    );
  }
  return didDocument;
}
