import type { Did, MultibaseKey } from "../did/did-key.ts";
import type { Digest } from "../json/digest.ts";
import type { JsonObject } from "../json/types.ts";

/** What every statement has, whatever its kind. */
interface StatementBase {
  /** Digest of the document without its proof; a second proof over the same document is the same statement. */
  readonly id: Digest;
  readonly issuer: Did;
  /** `issued`, or `validFrom` of a vouch: Unix seconds by the issuer's own clock. */
  readonly issuedAt: number;
  /** `created` of the (first) proof, Unix seconds. Orders nothing. */
  readonly createdAt: number;
  /** The keys whose proofs verified. */
  readonly keys: readonly MultibaseKey[];
  /** The leaf: RFC 8785 form of the secured document, as submitted, stored and hashed. */
  readonly bytes: Uint8Array;
  /** The secured document. */
  readonly document: JsonObject;
}

/** One agent stands for another, in some scopes, for a time: a Verifiable Credential 2.0. */
export interface Vouch extends StatementBase {
  readonly kind: "Vouch";
  readonly subject: Did;
  /** Flat names, sorted and unique, 1 to 16. */
  readonly scope: readonly string[];
  /** 1 to 100. */
  readonly confidence: number;
  /** Unix seconds; in force while validFrom ≤ t < validUntil, at most 180 days. */
  readonly validFrom: number;
  /** Unix seconds. */
  readonly validUntil: number;
  /** `tokenDigest` of receipts, at most 16. */
  readonly evidence: readonly Digest[];
  readonly noteDigest?: Digest;
}

/** Takes back one statement, all vouches for one DID, or the issuer itself. */
export interface Revocation extends StatementBase {
  readonly kind: "Revocation";
  readonly revokes: "statement" | "subject" | "self";
  /** A statement id, a DID, or the issuer. */
  readonly target: Digest | Did;
}

/** What an agent says it is; its name lives in the note. */
export interface AgentProfile extends StatementBase {
  readonly kind: "AgentProfile";
  readonly role: "agent" | "server" | "person" | "organization";
  readonly noteDigest?: Digest;
}

/** Digests of recovery keys and how many of them must sign. */
export interface RecoverySet {
  /** How many of `keys` must sign. */
  readonly threshold: number;
  readonly keys: readonly Digest[];
}

/** A step in the life of an agent's key. */
export interface KeyEvent extends StatementBase {
  readonly kind: "KeyEvent";
  readonly event: "init" | "rotate" | "revoke" | "recover";
  /** Its place in the agent's chain of key events; 0 for `init`. */
  readonly seq: number;
  readonly prev?: Digest;
  readonly key?: MultibaseKey;
  /** Digest of the key after this one. */
  readonly next?: Digest;
  readonly recovery?: RecoverySet;
  readonly reason?: "routine" | "compromised";
  /** Unix seconds; with `compromised` only. */
  readonly since?: number;
}

/** A negative statement with evidence; it never propagates. */
export interface Report extends StatementBase {
  readonly kind: "Report";
  readonly subject: Did;
  readonly category:
    | "unapproved-action"
    | "false-claim"
    | "data-misuse"
    | "malware"
    | "impersonation"
    | "spam"
    | "log-fork"
    | "log-ended";
  readonly evidence: readonly Digest[];
  readonly noteDigest?: Digest;
}

/** Any signed object that a registry logs. */
export type Statement = Vouch | Revocation | AgentProfile | KeyEvent | Report;
/** The kinds of statements that a log takes. */
export type StatementKind = Statement["kind"];
