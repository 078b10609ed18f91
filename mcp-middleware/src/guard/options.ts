import type { Policy, PolicyAdapters, Signer, SpiffeVerifier } from "@peerage/core";
import type { ApprovalOptions } from "../approval/desk.ts";
import type { AuditLog } from "../audit/audit-log.ts";
import type { GuardHooks } from "./hooks.ts";
import type { Mode } from "./mode.ts";
import type { ReplayStore } from "./replay.ts";
import type { LifecycleMethod } from "./subject.ts";
import type { TrustSource } from "./trust.ts";
import type { DecisionRecord, Verdict } from "./types.ts";

/** What a guard is made of. */
export interface GuardOptions {
  /** The guard's own key: its DID is an audience, and it signs receipts. */
  readonly identity: Signer;
  /** The policy, or where to get the one in force; it is read once for each message. */
  readonly policy: Policy | (() => Policy);
  /** What a policy's `also` names, or where to get it; a policy that names another is refused. */
  readonly adapters?: PolicyAdapters | (() => PolicyAdapters) | undefined;
  /** A policy that is asked beside the one in force, or where to get it: its answers are recorded and have no effect. */
  readonly shadow?: Policy | (() => Policy | undefined) | undefined;
  /** What is known of others. Without it a DID's own key counts, and a rule that asks for trust denies. */
  readonly trust?: TrustSource | undefined;
  /**
   * True: vouches that a caller carries count for its call beside what `trust` knows. By default they are not looked at.
   */
  readonly presentedVouches?: boolean | undefined;
  /** Verifies SPIFFE IDs beside DIDs: `openSpiffe(…).verifier` of `loadSpiffe()`. Without it none is looked at. */
  readonly spiffe?: SpiffeVerifier | undefined;
  /** In memory by default, which refuses proofs issued before this guard was made. */
  readonly replay?: ReplayStore | undefined;
  /** URLs under which callers reach this guard, beside its DID. */
  readonly audiences?: readonly string[] | undefined;
  /** Which lifecycle messages may come unsigned; all by default, `[]` for none. */
  readonly open?: readonly LifecycleMethod[] | undefined;
  /** False: no receipts. */
  readonly receipts?: boolean | undefined;
  /**
   * Where decisions and outcomes are recorded, and approvals and counters kept; closed with the guard. Without it rules
   * that need a person, a budget or a durable record refuse.
   */
  readonly audit?: AuditLog | undefined;
  /** How a person is asked, where an audit log is there. */
  readonly approvals?: ApprovalOptions | undefined;
  /** `enforce` by default. */
  readonly mode?: Mode | undefined;
  /** The operator's own code around each tool call and list; not asked in a shadow. */
  readonly hooks?: GuardHooks | undefined;
  readonly now?: (() => Date) | undefined;
  /** Sees each decision before anything is forwarded or answered; if it throws, the message is refused. */
  readonly onDecision?: ((record: DecisionRecord, verdict: Verdict) => void) | undefined;
  /** Told of what went wrong inside: a fault, or a receipt that could not be made. */
  readonly onAlarm?: ((problem: unknown) => void) | undefined;
}
