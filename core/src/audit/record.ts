import type { Did } from "../did/did-key.ts";
import type { ErrorCode } from "../errors.ts";
import type { Digest } from "../json/digest.ts";
import type { JsonValue } from "../json/types.ts";
import type { Decision } from "../policy/decide.ts";
import type { AdapterAnswer } from "../policy/adapters/adapter.ts";
import type { SpiffeEvidence, SpiffeProof } from "../spiffe/index.ts";

// What a guard records, as its audit log holds it: written by guards, read by the command line and the console. Types
// only, so that whoever shows a record needs no guard.

/** How firmly a key is tied to a message. */
export type CallBinding = "none" | "connection" | "head" | "body" | "message";

/** The steps of the pipeline in mcp.md section 2, in order. */
export type GuardStep =
  | "parse"
  | "proof"
  | "audience"
  | "replay"
  | "spiffe"
  | "key"
  | "trust"
  | "history"
  | "policy"
  | "approval"
  | "forward"
  | "receipt";

/** What a policy that is not in force would have said. */
export interface ShadowAnswer {
  readonly policy: Digest;
  readonly effect: Decision["effect"];
  readonly rule?: string;
  readonly reason?: string;
}

/** How a call ended. `abandoned`: its process ended, or gave it up, before an answer came. */
export type CallOutcome = "executed" | "errored" | "refused" | "cancelled" | "abandoned";

/** The caller of a decision: `unverified` is a claim whose proof did not hold. */
export interface RecordedCaller {
  readonly did: Did;
  readonly kid: string;
  readonly binding?: CallBinding;
  readonly score?: number | "unknown";
  readonly unverified?: true;
  readonly spiffe?: RecordedSpiffe;
}

/** The SPIFFE ID of a caller and the digests of what showed it; no certificate, no token. */
export interface RecordedSpiffe extends Partial<SpiffeEvidence> {
  readonly id: string;
  /** How it is bound to the DID; absent for one that is not. */
  readonly proof?: SpiffeProof;
  /** A second one that was verified and is not bound, such as a gateway's. */
  readonly beside?: string;
}

/** What the policy was asked beside what the decision itself says; see `recordedInput` of the guard. */
export interface RecordedInput {
  readonly trust: Readonly<Record<string, number>>;
  /** Age of the registry data that trust was taken from, in seconds. */
  readonly trustAgeSeconds?: number;
  readonly inCustody?: boolean;
  /** The presented vouches that counted. */
  readonly vouches?: readonly string[];
  /** The scopes that the policy asks a score in; one without a score was unknown. */
  readonly scopes?: readonly string[];
  /** Digests of the presented entries, in order, and of those that the guard held. */
  readonly history?: readonly Digest[];
  readonly held?: readonly Digest[];
  /** The SPIFFE IDs of signers of these entries, by the entry's digest, where they were verified. */
  readonly signers?: Readonly<Record<Digest, string>>;
  /** `full`, or only what some rule names; absent: the digest `req` stands for them. */
  readonly args?: JsonValue;
  readonly argsAre?: "full" | "redacted";
  /** Each argument by salted digest; see `sealArguments` of the guard. */
  readonly sealed?: Readonly<Record<string, Digest>>;
}

/** One decision, written before anything is forwarded or answered. */
export interface DecisionBody {
  readonly kind: "decision";
  readonly id: string;
  readonly at: string;
  readonly verdict: "admitted" | "asked" | "refused";
  /** Refused, and went on all the same: the guard only watched. */
  readonly mode?: "shadow";
  /** It has no answer, so no outcome follows. */
  readonly notification?: true;
  readonly step?: GuardStep;
  readonly reason?: ErrorCode;
  readonly detail?: string;
  readonly caller?: RecordedCaller;
  /** On whose behalf: who began the presented run, where that is not the caller. */
  readonly subject?: Did;
  readonly method: string;
  readonly target?: string;
  readonly req?: Digest;
  /** The request as it was signed, and as its receipt names it, where what the guard had asked came back in it. */
  readonly signed?: Digest;
  /** `jti` of the call, and the run it belongs to: the correlation ids that the receipt repeats. */
  readonly call?: string;
  readonly run?: string;
  /** The trace id that the caller sent along. */
  readonly trace?: string;
  readonly rule?: string;
  readonly policy: Digest;
  /** What the policy's adapters said, in the order of its `also`. */
  readonly also?: readonly AdapterAnswer[];
  /** What a policy that was not in force would have said. */
  readonly shadow?: ShadowAnswer;
  /** The snapshot of the registry that it was decided on. */
  readonly view?: string;
  /** Entries that counted, and those used up by this call. */
  readonly evidence?: readonly Digest[];
  readonly spent?: readonly Digest[];
  /** The item that a person was, or is being, asked about. */
  readonly item?: string;
  readonly input?: RecordedInput;
}

/** How a decided call ended. */
export interface OutcomeBody {
  readonly kind: "outcome";
  /** Of the decision. */
  readonly id: string;
  readonly at: string;
  readonly outcome: CallOutcome;
  /** False: the server behind the guard was sent nothing, so approval and budget were given back. */
  readonly sent?: false;
  /** Milliseconds from the decision to the answer; absent where nothing was waited for. */
  readonly ms?: number;
  /** Digest of the result without its `_meta`. */
  readonly res?: Digest;
  /** Digest of the receipt that went out with the answer; the receipt itself is kept beside the record. */
  readonly receipt?: Digest;
}

/** A guard began to write here, after its self-test. */
export interface StartBody {
  readonly kind: "start";
  readonly at: string;
  readonly guard: Did;
  readonly selfTest?: { readonly passed: readonly string[] };
  readonly policy?: Digest;
}

/** Something happened to an approval. */
export interface ApprovalBody {
  readonly kind: "approval";
  readonly at: string;
  readonly event: "asked" | "approved" | "denied" | "timeout";
  readonly item: string;
  readonly caller: Did;
  readonly req: Digest;
  /** The signed entry that says so. */
  readonly entry: Digest;
  readonly by?: Did;
}

/** So many messages of a flood, unsigned or refused, were not recorded one by one. */
export interface SuppressedBody {
  readonly kind: "suppressed";
  readonly at: string;
  /** How many refused messages since the last record of this kind have no record of their own. */
  readonly messages: number;
}

/** What one record says, without its place in the chain. */
export type RecordBody = DecisionBody | OutcomeBody | StartBody | ApprovalBody | SuppressedBody;

/** A record as it stands in the log: the body, its place, and the hash of the record before it. */
export type AuditRecord = RecordBody & { readonly v: 1; readonly seq: number; readonly prev?: string };
