import type { ApprovalItem, AuditRecord, Did, Digest, Policy, RecordedCall } from "@peerage/core";

// What the console reads of a guard: records and items in core's shapes, which the guard writes. The stores are declared
// here, because the observatory knows no guard: the command line passes the real ones.

/** A record of an audit log. */
export type GuardRecord = AuditRecord;
/** A decision as the audit log holds it … */
export type DecisionRecord = Extract<AuditRecord, { kind: "decision" }>;
/** … how the call ended, and what became of an approval. */
export type OutcomeRecord = Extract<AuditRecord, { kind: "outcome" }>;
export type ApprovalRecord = Extract<AuditRecord, { kind: "approval" }>;

/** A decision, and how the call ended. */
export interface GuardCall {
  readonly decision: DecisionRecord;
  readonly outcome?: OutcomeRecord;
}

/** The receipt of a call as its guard keeps it, checked just now. */
export interface GuardReceipt {
  readonly token: string;
  readonly step?: string;
  readonly result?: string;
  /** RFC 3339. */
  readonly at?: string;
  /** Why it is not this guard's word on this call; absent of one that is. */
  readonly problem?: string;
}

/** A request that waits, or waited, for a person. */
export type GuardItem = ApprovalItem;

/** What verification of an audit log found. */
export interface GuardAudit {
  readonly guard: Did;
  /** How many records there are. */
  readonly size: number;
  /** How many records, from the start, a valid checkpoint covers. */
  readonly signed: number;
  /** How many decisions have no outcome yet. */
  readonly open: number;
  readonly defect?: { readonly seq: number; readonly kind: string };
}

/** One guard's stores. */
export interface GuardSource {
  /** The name of the log, unique on this machine: usually that of the guard's identity. */
  readonly name: string;
  readonly did: Did | undefined;
  /** How many records there are, those in archives included … */
  size(): number;
  /** … and the place of the first that is in no archive. */
  first(): number;
  /** Records in their order, from a place on. */
  records(from: number): Iterable<GuardRecord>;
  /** One call by its place in the log. */
  call(seq: number): GuardCall | undefined;
  /** Calls whose decisions stand below a place, newest first. */
  older(below: number): Iterable<GuardCall>;
  /** The call of an id, if its decision stands at `from` ≤ seq < `to`. */
  find(id: string, from: number, to: number): GuardCall | undefined;
  /** What the guard signed for the caller of a call; undefined where it signed nothing, or keeps it no more. */
  receipt(seq: number): GuardReceipt | undefined;
  /** A policy that this guard has run. */
  policy(digest: Digest): Policy | undefined;
  /** The token of an entry that this guard keeps. */
  entry(digest: Digest): string | undefined;
  /** What a decision was made on, as far as that was recorded. */
  recorded(decision: DecisionRecord): RecordedCall | undefined;
  /** The signed checkpoints in the log, oldest first. */
  checkpoints(): readonly string[];
  /** Verifies the whole log, without holding up anything else. */
  verify(): Promise<GuardAudit>;
  /** The items in these states, oldest first. */
  items(states: readonly GuardItem["state"][]): readonly GuardItem[];
  /** @throws {PeerageError} ERR_NOT_FOUND; ERR_STORE_CORRUPT if what is kept is not what was asked about */
  item(id: string): GuardItem;
  /** @throws {PeerageError} ERR_NOT_FOUND, ERR_APPROVAL_INVALID, ERR_APPROVAL_EXPIRED, ERR_AUDIT_UNAVAILABLE */
  answer(id: string, token: string): GuardItem;
}

/** Who may look: a browser is handed a one-time code, and gets a session for it. */
export interface ConsoleAccess {
  /** Takes a code, once. @returns the token of a new session, or undefined */
  redeem(code: string): Promise<string | undefined>;
  /** True if a token is that of a session that has not ended. */
  check(token: string): Promise<boolean>;
  end(token: string): Promise<void>;
}

/** A browser's key that waits to be made an approver, see `peerage console pair`. */
export interface ConsolePairing {
  /** Hands a key in for a code. @returns false if the code is none, or was used */
  offer(code: string, did: Did): Promise<boolean>;
  /** What became of it. */
  state(code: string): Promise<"waiting" | "added" | "refused" | "gone">;
}

/** What the console shows, and to whom. */
export interface ConsoleOptions {
  /** The guards of this machine; asked again and again, as new ones may begin to record. */
  readonly guards: () => readonly GuardSource[];
  readonly access: ConsoleAccess;
  readonly pairing?: ConsolePairing | undefined;
  /** The one origin that the console has: `http://127.0.0.1:7071`. Known once it listens. */
  readonly origin: () => string;
  /** The operator's own name for an agent, or the one it chose; made harmless here, the fingerprint always beside it. */
  readonly names?: ((did: Did) => string | undefined) | undefined;
  /** Where agents are explained to anybody: the observatory of the registry that the guards follow. */
  readonly registryUrl?: string | undefined;
  /** Reads a policy for a dry run. @throws {PeerageError} ERR_POLICY_INVALID */
  readonly parsePolicy: (text: string) => Promise<Policy>;
  readonly now?: (() => Date) | undefined;
  /** How often the logs are looked at; 100 ms by default. */
  readonly pollMs?: number | undefined;
  /** How many of a log's newest records are kept in mind; older ones are read when they are asked for. 50,000 by default. */
  readonly inMind?: number | undefined;
}
