import {
  type ApprovalAsk,
  canonicalAudience,
  CheckBudget,
  type Digest,
  isPeerageError,
  type JsonValue,
  member,
  parseJson,
  PeerageError,
  type Policy,
} from "@peerage/core";
import { ApprovalDesk, isWaiting, nobodyToAsk, QUESTION_PREFIX } from "../approval/desk.ts";
import type { Question } from "../approval/form.ts";
import type { Recorded } from "../audit/audit-log.ts";
import type { Outcome } from "../audit/record.ts";
import { copyJson } from "./json-value.ts";
import { forwardable, type Inbound, readMessage } from "./message.ts";
import { checkStandardHeaders } from "./headers.ts";
import type { GuardOptions } from "./options.ts";
import { consider, judge, type PipelineParts } from "./pipeline.ts";
import { asksAdapters, checkAdapters } from "./policy-adapters.ts";
import { RateLimited, RateLimiter } from "./rates.ts";
import { Recorder } from "./recorder.ts";
import { refusalReply } from "./refusal.ts";
import { MemoryReplayStore } from "./replay.ts";
import { type DecidedOn, digestOf, Responder } from "./responder.ts";
import { attachReceipt, isErrored } from "./results.ts";
import { idOf } from "./salvage-id.ts";
import { checkIdFree, type Connection, Sessions } from "./sessions.ts";
import { lifecycleMethods, subjectOf, type Synthetic, syntheticSubject } from "./subject.ts";
import { asJudged, decisionRecord, newTrace, type Trace } from "./trace.ts";
import type { Admission, Caller, Context, DecisionRecord, Guard, JsonRpcMessage } from "./types.ts";

export type { GuardOptions } from "./options.ts";

/** Largest HTTP body and stdio line: the SDKs' own limits. */
export const MAX_BODY_BYTES: number = 4 * 1024 * 1024;
export const MAX_LINE_BYTES: number = 10 * 1024 * 1024;

/** What is kept of a decision until its response comes. */
interface Open extends DecidedOn {
  readonly connection: Connection;
  readonly recorded: Recorded | undefined;
}

/** What a refusal is about, as far as its answer depends on it. */
interface About {
  readonly inbound?: Inbound | undefined;
  readonly salvagedId?: string | number | null | undefined;
  readonly httpMethod?: "http/get" | "http/delete" | undefined;
  readonly question?: Question | undefined;
  /** The receipt that goes with the question. */
  readonly receipt?: string | undefined;
}

/** The guard without its self-test; {@link createGuard} is the way to make one. */
export class GuardCore implements Guard {
  readonly did: Guard["did"];
  readonly audiences: Set<string>;
  readonly #options: GuardOptions;
  readonly #parts: PipelineParts;
  readonly #responder: Responder;
  readonly #sessions = new Sessions();
  readonly #open = new WeakMap<DecisionRecord, Open>();
  readonly #recorder: Recorder | undefined;
  readonly #desk: ApprovalDesk | undefined;

  constructor(options: GuardOptions) {
    this.did = options.identity.did;
    this.audiences = new Set([this.did, ...(options.audiences ?? []).map(canonicalAudience)]);
    this.#options = options;
    this.#responder = new Responder({
      identity: options.identity,
      audiences: this.audiences,
      receipts: options.receipts ?? true,
      now: () => this.#now(),
      alarm: (problem) => this.#alarm(problem),
    });
    const { audit, identity } = options;
    if (options.approvals && !audit) throw new TypeError("approvals are kept in an audit log: give one");
    if (audit && audit.guard !== this.did) throw new TypeError("the audit log is of another identity");
    const now = (): Date => this.#now();
    const alarm = (problem: unknown): void => this.#alarm(problem);
    this.#recorder = audit && new Recorder(audit, now);
    this.#desk = audit && new ApprovalDesk({ ...options.approvals, identity, audit, now, alarm });
    this.#parts = {
      did: this.did,
      audiences: this.audiences,
      open: new Set(options.open ?? lifecycleMethods),
      trust: options.trust,
      spiffe: options.spiffe,
      replay: options.replay ?? new MemoryReplayStore({ startedAt: this.#now() }),
      sessions: this.#sessions,
      rates: new RateLimiter(),
      checks: new CheckBudget(),
      audit,
      states: () => this.#desk?.states,
      shadow: options.shadow,
    };
  }

  addAudience(url: string): void {
    this.audiences.add(canonicalAudience(url));
  }

  admitText(text: string | Uint8Array, context: Context): Admission | Promise<Admission> {
    const maxBytes = context.transport === "http" ? MAX_BODY_BYTES : MAX_LINE_BYTES;
    return this.#admit(context, () => parseJson(text, { maxBytes }), text);
  }

  admit(message: unknown, context: Context): Admission | Promise<Admission> {
    return this.#admit(context, () => copyJson(message), message);
  }

  admitSynthetic(synthetic: Synthetic, context: Context): Admission | Promise<Admission> {
    const trace = this.#trace(context);
    const about = { httpMethod: synthetic.method === "http/response" ? undefined : synthetic.method };
    try {
      trace.policy = this.#policy();
      trace.subject = syntheticSubject(synthetic, context);
      judge(trace, trace.subject, context, this.#parts);
      const message = { method: synthetic.method, params: synthetic.params };
      const go = (): Admission => this.#forward(trace, context, undefined, message);
      return asksAdapters(trace) ? this.#also(trace, context, about, go) : go();
    } catch (error) {
      return this.#refuse(trace, context, error, about);
    }
  }

  openSession(session: string, context: Context, caller: Caller | undefined): void {
    if (!caller) return;
    try {
      this.#sessions.bind(this.#sessions.connection(context.connection), session, caller.did, this.#now());
    } catch (error) {
      this.#alarm(error);
    }
  }

  async settle(decision: DecisionRecord, response: JsonRpcMessage): Promise<JsonRpcMessage> {
    const open = this.#open.get(decision);
    const shaped = this.#responder.shape(decision, open, response);
    const res = digestOf(shaped);
    this.#finish(decision, isErrored(shaped) ? "errored" : "executed", res);
    return this.#responder.sign(decision, shaped, res);
  }

  async receiptFor(decision: DecisionRecord, response: JsonRpcMessage): Promise<string | undefined> {
    const res = digestOf(response);
    this.#finish(decision, isErrored(response) ? "errored" : "executed", res);
    return this.#responder.receipt(decision, response, { res });
  }

  abandon(decision: DecisionRecord, outcome: "abandoned" | "cancelled" | "errored" | "unsent"): void {
    this.#finish(decision, outcome);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#parts.replay[Symbol.dispose]();
    await this.#options.audit?.[Symbol.asyncDispose]();
  }

  #admit(context: Context, read: () => JsonValue, source: unknown): Admission | Promise<Admission> {
    const trace = this.#trace(context);
    let inbound: Inbound | undefined;
    try {
      inbound = readMessage(read());
      checkStandardHeaders(inbound, context);
      if (inbound.kind === "request") checkIdFree(trace.connection, inbound.id);
      if (inbound.kind === "response" && context.transport === "stdio") {
        // The pipe is the binding: only who holds its other end can answer.
        return this.#answered(trace, inbound) ?? this.#forward(trace, context, inbound, inbound.message);
      }
      trace.policy = this.#policy();
      trace.subject = subjectOf(inbound, context);
      judge(trace, trace.subject, context, this.#parts);
      const judged = inbound;
      const go = (): Admission | Promise<Admission> => this.#judged(trace, context, judged);
      return asksAdapters(trace) ? this.#also(trace, context, { inbound }, go) : go();
    } catch (error) {
      return this.#refuse(trace, context, error, { inbound, salvagedId: inbound ? undefined : idOf(source) });
    }
  }

  /** The last step of a message that the policy was asked about. */
  #judged(trace: Trace, context: Context, inbound: Inbound): Admission | Promise<Admission> {
    if (inbound.kind === "response") {
      return this.#answered(trace, inbound) ?? this.#forward(trace, context, inbound, inbound.message);
    }
    if (trace.ask) return this.#ask(trace, context, inbound);
    this.#learn(trace, inbound);
    return this.#forward(trace, context, inbound, forwardable(asJudged(inbound, trace)));
  }

  /** The rules have allowed: adapters must as well. While they are asked, the id of the request is taken. */
  async #also(
    trace: Trace,
    context: Context,
    about: About,
    go: () => Admission | Promise<Admission>,
  ): Promise<Admission> {
    const id = about.inbound?.kind === "request" ? about.inbound.id : undefined;
    try {
      if (id !== undefined) this.#sessions.begin(trace.connection, id, trace.caller?.did);
      try {
        await this.#checkAdapters(trace);
      } finally {
        if (id !== undefined) this.#sessions.finish(trace.connection, id);
      }
      return await go();
    } catch (error) {
      return this.#refuse(trace, context, error, about);
    }
  }

  #checkAdapters(trace: Trace): Promise<void> {
    return checkAdapters(trace, {
      adapters: this.#options.adapters,
      policy: () => this.#policy(),
      judgeAgain: () => this.#judgeAgain(trace),
    });
  }

  /** What the guard needs to know of a message that it admits: what a client can do, and whom it no longer waits for. */
  #learn(trace: Trace, inbound: Exclude<Inbound, { kind: "response" }>): void {
    if (inbound.method === "initialize") trace.connection.capabilities = member(inbound.params, "capabilities");
    if (inbound.method !== "notifications/cancelled") return;
    const id = member(inbound.params, "requestId");
    if (typeof id === "string" || typeof id === "number") trace.connection.waiting.get(id)?.();
  }

  /** The answer to a question of the guard's own: consumed here, whatever it says. An invented one is told to nobody. */
  #answered(trace: Trace, inbound: Extract<Inbound, { kind: "response" }>): Admission | undefined {
    const { id, message } = inbound;
    if (typeof id !== "string" || !id.startsWith(QUESTION_PREFIX)) return undefined;
    trace.connection.questions.get(id)?.(message);
    return { admitted: false, step: "approval", reason: "ERR_APPROVAL_REQUIRED", status: 202 };
  }

  /** Step 10: a person is asked, and perhaps waited for; then everything but the proof is judged anew. */
  async #ask(trace: Trace, context: Context, inbound: Exclude<Inbound, { kind: "response" }>): Promise<Admission> {
    let about: About = { inbound };
    try {
      const desk = this.#desk;
      const { connection, ask, proof } = trace;
      if (!desk || !ask || !proof || inbound.kind !== "request") throw nobodyToAsk();
      // While it is filed and waits, its id is taken.
      this.#sessions.begin(connection, inbound.id, proof.issuer);
      try {
        about = await this.#question(desk, ask.approval, trace, context, inbound);
        await this.#checkAdapters(trace);
      } finally {
        this.#sessions.finish(connection, inbound.id);
      }
      if (trace.ask) throw new PeerageError(trace.ask.reason, "a person must approve this call", { detail: "asked" });
      return this.#forward(trace, context, inbound, forwardable(asJudged(inbound, trace)));
    } catch (error) {
      const isAsked = isPeerageError(error) && error.code === trace.ask?.reason && error.detail === "asked";
      return this.#refuse(trace, context, error, isAsked ? about : { inbound });
    }
  }

  /** Asks, and waits where that helps. Afterwards `trace.ask` says whether somebody must still approve. */
  async #question(
    desk: ApprovalDesk,
    ask: ApprovalAsk,
    trace: Trace,
    context: Context,
    inbound: Extract<Inbound, { kind: "request" }>,
  ): Promise<About> {
    let filed = await desk.file(trace, ask);
    if (filed.item.state === "approved") {
      // Approved while the question was being asked, or approved and not enough any more.
      this.#reconsider(trace, filed.item.id);
      if (!trace.ask) return { inbound };
      filed = await desk.file(trace, trace.ask.approval, true);
    }
    const { item, isNew, receipt } = filed;
    trace.item = item.id;
    const question = desk.question(inbound, context, trace, item);
    if (isWaiting(question.form, isNew) && (await desk.wait(question, inbound, context, trace.connection))) {
      this.#reconsider(trace, item.id);
    }
    return { inbound, question, receipt };
  }

  /** After the wait: everything but the proof is judged anew. @throws {PeerageError} why it is refused */
  #reconsider(trace: Trace, item: string): void {
    this.#judgeAgain(trace);
    if (!trace.ask) return;
    trace.item = item;
    const state = this.#options.audit?.items.get(item)?.state;
    if (state === "open" || state === "approved") return;
    throw new PeerageError("ERR_APPROVAL_EXPIRED", "nobody approved this call in time", { detail: state ?? "gone" });
  }

  #judgeAgain(trace: Trace): void {
    trace.now = this.#now();
    trace.policy = this.#policy();
    trace.history = undefined;
    consider(trace, this.#parts);
  }

  /** Step 11: the decision is recorded, then the session is the caller's and the message may go on. */
  #forward(trace: Trace, context: Context, inbound: Inbound | undefined, message: JsonRpcMessage): Admission {
    const { connection, caller, subject } = trace;
    const record = decisionRecord(trace, inbound);
    const id = inbound?.kind === "request" ? inbound.id : undefined;
    if (id !== undefined) this.#sessions.begin(connection, id, caller?.did);
    let recorded: Recorded | undefined;
    try {
      const isSession = context.transport === "stdio" || context.session !== undefined;
      if (caller && isSession && subject?.modern === undefined) {
        this.#sessions.bind(connection, context.session, caller.did, trace.now);
      }
      // Counters that refuse are part of what the policy says.
      recorded = this.#recorder?.admitted(trace, record);
      this.#options.onDecision?.(record, { admitted: true });
    } catch (error) {
      if (id !== undefined) this.#sessions.finish(connection, id);
      if (recorded) this.#recorder?.finished(recorded, record, "unsent");
      trace.step = isPeerageError(error, "ERR_RATE_LIMITED") ? "policy" : "forward";
      throw error;
    }
    if (subject?.method === "http/delete" && context.session !== undefined) this.#sessions.end(context.session);
    this.#open.set(record, {
      connection,
      policy: trace.policy,
      input: trace.input,
      isModern: subject?.modern !== undefined,
      recorded,
    });
    return { admitted: true, message, ...(caller ? { caller } : {}), decision: record };
  }

  #refuse(trace: Trace, context: Context, error: unknown, about: About): Admission | Promise<Admission> {
    const reason = isPeerageError(error) && error.code !== "ERR_STORE_CORRUPT" ? error.code : "ERR_GUARD_FAULT";
    if (reason === "ERR_GUARD_FAULT") this.#alarm(error);
    const record = decisionRecord(trace, about.inbound);
    const detail = isPeerageError(error) ? error.detail : undefined;
    const verdict = { admitted: false, step: trace.step, reason, ...(detail === undefined ? {} : { detail }) } as const;
    try {
      this.#recorder?.refused(trace, record, verdict);
      this.#options.onDecision?.(record, verdict);
    } catch (problem) {
      this.#alarm(problem);
    }
    const retryAfterSeconds = error instanceof RateLimited ? error.retryAfterSeconds : undefined;
    const refusal = { reason, now: trace.now, retryAfterSeconds, ...about };
    const { reply, status } = refusalReply(refusal, context);
    const refused = { admitted: false, step: trace.step, reason, status, decision: record } as const;
    if (!reply) return refused;
    const isReceipted = trace.spent && about.inbound?.kind === "request";
    if (!isReceipted) return { ...refused, reply };
    if (about.receipt !== undefined && this.#options.receipts !== false) {
      return { ...refused, reply: attachReceipt(reply, about.receipt) };
    }
    return this.#responder.receipt(record, reply, { result: "refused" }).then((receipt) => ({
      ...refused,
      reply: receipt === undefined ? reply : attachReceipt(reply, receipt),
    }));
  }

  #trace(context: Context): Trace {
    const connection = this.#sessions.connection(context.connection);
    return newTrace(this.#now(), connection);
  }

  #policy(): Policy {
    const { policy } = this.#options;
    return typeof policy === "function" ? policy() : policy;
  }

  #finish(decision: DecisionRecord, outcome: Outcome | "unsent", res?: Digest): void {
    const open = this.#open.get(decision);
    this.#open.delete(decision);
    if (!open || decision.requestId === undefined) return;
    this.#sessions.finish(open.connection, decision.requestId);
    try {
      if (open.recorded) this.#recorder?.finished(open.recorded, decision, outcome, res);
    } catch (problem) {
      // A done call is never turned into an error; the log itself shows that its outcome is missing.
      this.#alarm(problem);
    }
  }

  #now(): Date {
    return this.#options.now?.() ?? new Date();
  }

  #alarm(problem: unknown): void {
    try {
      this.#options.onAlarm?.(problem);
    } catch {
      // Nobody is left to tell; the refusal or the response goes out all the same.
    }
  }
}
