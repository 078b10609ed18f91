import type { Did } from "../did/did-key.ts";
import type { Signer } from "../did/identity.ts";
import { PeerageError } from "../errors.ts";
import { type Digest, isDigest } from "../json/digest.ts";
import { type KeyOptions, signCompactJws, verifyCompactJws } from "../jws/compact.ts";
import { markVerified, type Verified } from "../verified.ts";

/** `typ` of a signed request to erase a note. */
export const NOTE_ERASURE_TYP = "peerage-note-erasure+jwt";

/** Whoever issued the statement that names a note asks one registry to erase it. Sent twice, it does the same. */
export interface NoteErasure {
  readonly issuer: Did;
  /** Origin of the registry's log: the request means nothing anywhere else. */
  readonly audience: string;
  readonly note: Digest;
}

/** Signs the request; it travels as `Authorization: Peerage <token>` of `DELETE /v1/notes/{digest}`. */
export function signNoteErasure(
  signer: Signer,
  { audience, note }: { readonly audience: string; readonly note: Digest },
): Promise<string> {
  return signCompactJws(signer, NOTE_ERASURE_TYP, { aud: audience, iss: signer.did, note });
}

/**
 * Verifies the signature and the form of a request. Whether its issuer named the note, and whether the key that signed
 * stands behind it now, is the registry's to ask of its log.
 * @throws {PeerageError} ERR_PROOF_MALFORMED, ERR_PROOF_INVALID, ERR_DID_INVALID, ERR_PROOF_AUDIENCE
 */
export function verifyNoteErasure(
  token: unknown,
  audience: string,
  options: KeyOptions = {},
): Verified<NoteErasure> & { readonly kid: string } {
  const { did, kid, claims } = verifyCompactJws(token, NOTE_ERASURE_TYP, options);
  const { aud, iss, note } = claims;
  if (Object.keys(claims).sort().join() !== "aud,iss,note" || iss !== did || !isDigest(note)) {
    throw new PeerageError("ERR_PROOF_MALFORMED", "a request to erase has exactly aud, iss and note", {
      detail: "claims",
    });
  }
  if (aud !== audience) throw new PeerageError("ERR_PROOF_AUDIENCE", "the request was made for another registry");
  return markVerified({ issuer: did, audience, note, kid });
}
