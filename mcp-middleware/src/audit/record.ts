import {
  type AdapterAnswer,
  type Did,
  type Digest,
  type ErrorCode,
  type JsonObject,
  type JsonValue,
  leafHash,
  type SpiffeEvidence,
  type SpiffeProof,
  toHex,
} from "@peerage/core";
import type { ShadowAnswer } from "../guard/policy-shadow.ts";
import type { Binding, Step } from "../guard/types.ts";
import type { GuardDatabase } from "./database.ts";

/** How a call ended. `abandoned`: its process ended, or gave it up, before an answer came. */
export type Outcome = "executed" | "errored" | "refused" | "cancelled" | "abandoned";

/** The caller of a decision: `unverified` is a claim whose proof did not hold. */
export interface RecordedCaller {
  readonly did: Did;
  readonly kid: string;
  readonly binding?: Binding;
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

/** What the policy was asked beside what the decision itself says; see {@link recordedInput}. */
export interface RecordedInput {
  readonly trust: Readonly<Record<string, number>>;
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
  /** Each argument by salted digest; see {@link sealArguments}. */
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
  readonly step?: Step;
  readonly reason?: ErrorCode;
  readonly detail?: string;
  readonly caller?: RecordedCaller;
  /** On whose behalf: who began the presented run, where that is not the caller. */
  readonly subject?: Did;
  readonly method: string;
  readonly target?: string;
  readonly req?: Digest;
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
  readonly outcome: Outcome;
  /** False: the server behind the guard was sent nothing, so approval and budget were given back. */
  readonly sent?: false;
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
  readonly messages: number;
}

export type RecordBody = DecisionBody | OutcomeBody | StartBody | ApprovalBody | SuppressedBody;

/** A record as it stands in the log: the body, its place, and the hash of the record before it. */
export type AuditRecord = RecordBody & { readonly v: 1; readonly seq: number; readonly prev?: string };

/** The hash of a record: the RFC 6962 leaf hash of its text, so that chain and tree are over the same bytes. */
export function recordHash(text: string): Uint8Array {
  return leafHash(Buffer.from(text));
}

/** The log as a chain: whoever appends holds the write lock, reads the head and moves it in the same transaction. */
export class RecordChain {
  readonly #head;
  readonly #insert;
  readonly #move;

  constructor(database: GuardDatabase) {
    this.#head = database.prepare<[], { size: number; hash: Buffer | null }>("SELECT size, hash FROM head");
    this.#insert = database.prepare<[number, number | null, string, Uint8Array]>(
      "INSERT INTO record VALUES (?, ?, ?, ?)",
    );
    this.#move = database.prepare<[number, Uint8Array]>("UPDATE head SET size = ?, hash = ?");
  }

  /** How many records there are. */
  get size(): number {
    return this.#head.get()?.size ?? 0;
  }

  /**
   * Appends within the caller's transaction.
   * @param of - the place of the decision that this is the outcome of
   * @returns the place of the record
   */
  append(body: RecordBody, of?: number): number {
    const head = this.#head.get();
    if (!head) throw new Error("the log has no head");
    const prev = head.hash === null ? {} : { prev: toHex(head.hash) };
    const text = JSON.stringify({ v: 1, seq: head.size, ...prev, ...(body as unknown as JsonObject) });
    const hash = recordHash(text);
    this.#insert.run(head.size, of ?? null, text, hash);
    this.#move.run(head.size + 1, hash);
    return head.size;
  }
}
