import type { CallProof } from "../call/proof.ts";
import type { Did, MultibaseKey } from "../did/did-key.ts";
import type { Entry } from "../history/entry.ts";
import type { Digest } from "../json/digest.ts";
import type { JsonValue } from "../json/types.ts";
import type { SpiffeId } from "./spiffe-id.ts";

/** Member of `params._meta` in which a caller presents the binding of its DID to a SPIFFE ID. */
export const BINDING_META = "dev.peerage/binding";

/** How a SPIFFE ID is bound to a DID, strongest first. */
export const spiffeProofs = ["same-key", "mutual", "wit", "token"] as const;
/** One of {@link spiffeProofs}. */
export type SpiffeProof = (typeof spiffeProofs)[number];

/** The keys of DIDs, as a followed log tells. */
export interface DidKeys {
  /** Every key that has spoken for a DID: a rotation keeps a binding. */
  readonly keysOf: (did: Did) => readonly MultibaseKey[];
  /** True if a key was revoked or stolen, or the DID is in dispute: that voids a binding. */
  readonly isLost: (did: Did, key: MultibaseKey) => boolean;
}

/** What a caller presented beside its call proof, and what is known of its connection. */
export interface SpiffePresentation {
  /** `params._meta["dev.peerage/binding"]`: one binding, or a list with those of signers of the history; or undefined. */
  readonly binding: JsonValue | undefined;
  /** The connection's own key, by which an X.509-SVID that mutual TLS verified is found: the TLS socket. */
  readonly connection?: object | undefined;
  /** Request headers by lower-case name; a duplicated one is refused before this. */
  readonly header?: ((name: string) => string | undefined) | undefined;
  /** The message has no place for a binding, such as a GET: it may lack one that is required of others. */
  readonly hasNoPlace?: boolean | undefined;
  /** The guard's own DID and configured URLs. */
  readonly audiences: ReadonlySet<string>;
  /** What is known of the keys behind DIDs; without it a DID's own key counts. */
  readonly keys?: DidKeys | undefined;
  readonly now: Date;
}

/** The digests and numbers of what was checked, for the audit; no certificate, no token. */
export interface SpiffeEvidence {
  /** SHA-256 of the certificates, or of the token. */
  readonly svid: Digest;
  readonly bundle: Digest;
  /** `spiffe_sequence` of the bundle, decimal; absent if it has none. */
  readonly sequence?: string;
}

/** What step 5 of the pipeline knows of a caller. Without `spiffe` and `unbound` the caller simply has no SPIFFE ID. */
export interface SpiffeFacts {
  /** The SPIFFE ID bound to the DID that signed the call; `caller.spiffe` of the policy input. */
  readonly spiffe?: SpiffeId;
  /** `caller.spiffe_proof` of the policy input; present with `spiffe`. */
  readonly proof?: SpiffeProof;
  /** A SPIFFE ID that was verified and is not bound, perhaps beside a bound one; `caller.spiffe_unbound` of the policy input. */
  readonly unbound?: SpiffeId;
  /** What was checked for `spiffe` or `unbound`. */
  readonly evidence?: SpiffeEvidence;
  /**
   * The SPIFFE ID of the signer of an entry, if one was shown with this call and holds.
   * @param seenAs what this guard verified when it first saw the entry; holds while its trust domain is trusted
   */
  readonly signerOf: (entry: Entry, seenAs?: SpiffeId) => SpiffeId | undefined;
}

/** The guard's step 5: verifies what was presented, against snapshots; makes no network call and waits for nothing. */
export interface SpiffeVerifier {
  /**
   * @throws {PeerageError} ERR_SVID_INVALID (a presented SVID fails, also where none was needed), ERR_SPIFFE_BINDING,
   *   ERR_SPIFFE_REQUIRED (none presented and `required` is set)
   */
  verify(presentation: SpiffePresentation, proof: CallProof): SpiffeFacts;
}
