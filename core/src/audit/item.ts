import type { Did } from "../did/did-key.ts";
import type { Digest } from "../json/digest.ts";
import type { JsonValue } from "../json/types.ts";

/**
 * `open`: a person is asked. `approved`: enough have said yes, the call was not repeated yet. `used`: it was admitted.
 * `denied`, `timeout`: refused. `lapsed`: approved and not used in time. `replaced`: asked anew, under another policy.
 */
export type ApprovalState = "open" | "approved" | "used" | "denied" | "timeout" | "lapsed" | "replaced";

/** What a person is asked about: one exact request of one caller. */
export interface ApprovalFacts {
  /** The guard that asks. */
  readonly guard: Did;
  readonly method: string;
  /** The tool, prompt or resource. */
  readonly target: string;
  readonly rule: string;
  /** Digest of the policy that asks. */
  readonly policy: Digest;
  /** The run that an answer belongs to, and the entries that it must build on. */
  readonly run: string;
  readonly prev: readonly Digest[];
  /** Who may answer: DIDs, SPIFFE ID patterns, or `"*"`. */
  readonly approvers: readonly string[];
  /** True if the caller may approve its own request. */
  readonly self: boolean;
  /** So many different people must approve. */
  readonly count: number;
  /** How old an approval may be when the call is repeated. */
  readonly withinSeconds: number;
}

/** One question to a person, as the store keeps it: what is asked, by whom, and what was answered. */
export interface ApprovalItem extends ApprovalFacts {
  /** 128 random bits, base64url. It names the item and grants nothing. */
  readonly id: string;
  readonly state: ApprovalState;
  readonly caller: Did;
  readonly req: Digest;
  readonly filedAt: Date;
  /** Until when it may be answered, or once approved: used. */
  readonly expiresAt: Date;
  /** The answers so far. */
  readonly answers: readonly ApprovalAnswer[];
  /** The exact request, as it will be executed. Gone once the item is closed. */
  readonly request?: { readonly method: string; readonly params: JsonValue };
}

/** One signed answer. */
export interface ApprovalAnswer {
  readonly digest: Digest;
  readonly by: Did;
  readonly result: "approved" | "denied";
  readonly at: Date;
  readonly expiresAt?: Date;
}
