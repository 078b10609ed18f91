import {
  type AdapterAnswer,
  type ApprovalAsk,
  type CallProof,
  type Digest,
  digest,
  type ErrorCode,
  type History,
  isJsonObject,
  member,
  type Obligations,
  type Policy,
  type PolicyInput,
  type ShadowAnswer,
  type SpiffeFacts,
  type SpiffePresentation,
  type Verified,
} from "@peerage/core";
import type { RequestState } from "../approval/request-state.ts";
import type { Proven } from "./http-signature.ts";
import type { Inbound } from "./message.ts";
import type { Connection } from "./sessions.ts";
import type { Subject } from "./subject.ts";
import type { Caller, DecisionRecord, Step } from "./types.ts";

/** How far one message has come, and what is known of it by then. */
export interface Trace {
  step: Step;
  now: Date;
  readonly connection: Connection;
  policy: Policy | undefined;
  subject: Subject | undefined;
  proof: Verified<CallProof> | undefined;
  /** Who calls, by that proof or by less. */
  proven: Proven | undefined;
  /** The message as it came, where it came as bytes. */
  body: Uint8Array | string | undefined;
  /** The proof is used up: from here on a refusal is receipted. */
  spent: boolean;
  caller: Caller | undefined;
  history: Verified<History> | undefined;
  /** What came beside the proof for step 5, and what it came to; undefined if this guard verifies no SPIFFE IDs. */
  presented: Omit<SpiffePresentation, "now"> | undefined;
  spiffe: SpiffeFacts | undefined;
  /** Digest of the request as it will be executed: the proof's, but for what this guard itself had asked. */
  req: Digest | undefined;
  /** What the caller carried from this guard's question to this retry. */
  state: RequestState | undefined;
  /** The facts that the policy was, or would be, asked about; they also filter lists. */
  input: PolicyInput | undefined;
  rule: string | undefined;
  /** What must be carried out with the decision to admit. */
  obligations: Obligations | undefined;
  /** The entries that counted. */
  evidence: readonly Digest[];
  /** What the policy's adapters said. */
  answers: readonly AdapterAnswer[];
  /** What the policy that is not in force would have said. */
  shadow: ShadowAnswer | undefined;
  /** Nothing is missing but a person's approval. */
  ask: { readonly approval: ApprovalAsk; readonly reason: ErrorCode } | undefined;
  /** The item of the approval that was asked for, or used. */
  item: string | undefined;
  /** The snapshot of the registry that the call is decided on. */
  view: string | undefined;
}

/** Of a message of which nothing is known yet. */
export function newTrace(now: Date, connection: Connection): Trace {
  return { ...blank, step: "parse", now, connection };
}

/** What the guard needs to know of a message that it admits: what a client can do, and whom it no longer waits for. */
export function learn(trace: Trace, inbound: Exclude<Inbound, { kind: "response" }>): void {
  if (inbound.method === "initialize") trace.connection.capabilities = member(inbound.params, "capabilities");
  if (inbound.method !== "notifications/cancelled") return;
  const id = member(inbound.params, "requestId");
  if (typeof id === "string" || typeof id === "number") trace.connection.waiting.get(id)?.();
}

/** What adapters and `settle` get of a decision. */
export function decisionRecord(trace: Trace, inbound: Inbound | undefined): DecisionRecord {
  const { subject, caller, proof, history, policy, rule, evidence } = trace;
  const method = subject?.method ?? (inbound && inbound.kind !== "response" ? inbound.method : "");
  const tool = method === "tools/call" ? subject?.target : undefined;
  const requestId = inbound?.kind === "request" ? inbound.id : undefined;
  return {
    id: crypto.randomUUID(),
    at: trace.now,
    method,
    ...(tool === undefined ? {} : { tool }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(caller ? { caller } : {}),
    ...(proof ? { proof } : {}),
    tips: history?.tips ?? proof?.head ?? [],
    ...(history ? { run: history.run } : {}),
    policy: policy?.digest ?? noPolicy,
    ...(rule === undefined ? {} : { rule }),
    evidence,
  };
}

/** A retry without what this guard had asked. */
export function asJudged(inbound: Exclude<Inbound, { kind: "response" }>, trace: Trace): Inbound {
  const params = trace.state ? trace.subject?.params : undefined;
  if (!isJsonObject(params)) return inbound;
  return { ...inbound, params, message: { ...inbound.message, params } };
}

const blank: Omit<Trace, "step" | "now" | "connection"> = {
  policy: undefined,
  subject: undefined,
  proof: undefined,
  proven: undefined,
  body: undefined,
  spent: false,
  caller: undefined,
  history: undefined,
  presented: undefined,
  spiffe: undefined,
  req: undefined,
  state: undefined,
  input: undefined,
  rule: undefined,
  obligations: undefined,
  evidence: [],
  answers: [],
  shadow: undefined,
  ask: undefined,
  item: undefined,
  view: undefined,
};
/** Stands for "no policy could be read". */
const noPolicy: Digest = digest(null);
