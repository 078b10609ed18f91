import { canonicalAudience, isPeerageError, type JsonValue, parseJson, PeerageError, type Policy } from "@peerage/core";
import { ApprovalDesk, nobodyToAsk, QUESTION_PREFIX } from "../approval/desk.ts";
import { askPerson } from "./asking.ts";
import type { Recorded } from "../audit/audit-log.ts";
import { copyJson } from "./json-value.ts";
import { forwardable, type Inbound, readMessage } from "./message.ts";
import { checkStandardHeaders } from "./headers.ts";
import type { About, Open } from "./about.ts";
import { askAfter, askBefore, hookCall } from "./hooks.ts";
import { checkMode, goesOnInShadow, isShadow, withoutIdentity } from "./mode.ts";
import type { GuardOptions } from "./options.ts";
import { OpenCalls } from "./open-calls.ts";
import { partsOf } from "./parts.ts";
import { consider, judge, type PipelineParts } from "./pipeline.ts";
import { asksAdapters, checkAdapters } from "./policy-adapters.ts";
import { RateLimited } from "./rates.ts";
import { Recorder } from "./recorder.ts";
import { refusalReply, withheld } from "./refusal.ts";
import { Responder } from "./responder.ts";
import { attachReceipt } from "./results.ts";
import { idOf } from "./salvage-id.ts";
import { checkIdFree, Sessions } from "./sessions.ts";
import { subjectOf, type Synthetic, syntheticSubject } from "./subject.ts";
import { asJudged, decisionRecord, learn, newTrace, type Trace } from "./trace.ts";
import type { Admission, Caller, Context, DecisionRecord, Guard, JsonRpcMessage, Verdict } from "./types.ts";

export type { GuardOptions } from "./options.ts";
/** Largest HTTP body and stdio line: the SDKs' own. */
export const MAX_BODY_BYTES: number = 4 * 1024 * 1024;
/** Largest line of a stdio server: the SDKs' own. */
export const MAX_LINE_BYTES: number = 10 * 1024 * 1024;

/** The guard without its self-test; {@link createGuard} is the way to make one. */
export class GuardCore implements Guard {
  readonly did: Guard["did"];
  readonly audiences: Set<string>;
  readonly #options: GuardOptions;
  readonly #parts: PipelineParts;
  readonly #responder: Responder;
  readonly #sessions = new Sessions();
  readonly #open: OpenCalls;
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
      isShadow: () => isShadow(options.mode, this.#now()),
      now: () => this.#now(),
      alarm: (problem) => this.#alarm(problem),
    });
    checkMode(options.mode, this.#now());
    const { audit, identity } = options;
    if (options.approvals && !audit) throw new TypeError("approvals are kept in an audit log: give one");
    if (audit && audit.guard !== this.did) throw new TypeError("the audit log is of another identity");
    const now = (): Date => this.#now();
    const alarm = (problem: unknown): void => this.#alarm(problem);
    this.#recorder = audit && new Recorder(audit, now);
    this.#open = new OpenCalls({
      sessions: this.#sessions,
      responder: this.#responder,
      recorder: this.#recorder,
      alarm,
    });
    this.#desk = audit && new ApprovalDesk({ ...options.approvals, identity, audit, now, alarm });
    this.#parts = partsOf(options, {
      did: this.did,
      audiences: this.audiences,
      sessions: this.#sessions,
      states: () => this.#desk?.states,
      startedAt: this.#now(),
    });
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
    const shaped = await this.#afterHook(open, decision, this.#responder.shape(decision, open, response));
    const receipt = await this.#open.conclude(decision, shaped);
    return receipt === undefined ? shaped : attachReceipt(shaped, receipt);
  }

  abandon(decision: DecisionRecord, outcome: "abandoned" | "cancelled" | "errored" | "unsent"): void {
    this.#open.abandon(decision, outcome);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open.concluded();
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
      if (typeof source === "string" || source instanceof Uint8Array) trace.body = source;
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
    if (trace.ask) {
      // In a shadow nobody is asked, and nobody waits.
      if (isShadow(this.#options.mode, trace.now)) throw new PeerageError(trace.ask.reason, "a person would be asked");
      return this.#ask(trace, context, inbound);
    }
    learn(trace, inbound);
    return this.#goOn(trace, context, inbound);
  }

  /** The operator's own code is asked last, and may change what goes on. While it is, the id of the request is taken. */
  #goOn(
    trace: Trace,
    context: Context,
    inbound: Exclude<Inbound, { kind: "response" }>,
  ): Admission | Promise<Admission> {
    const message = forwardable(asJudged(inbound, trace));
    const { hooks, mode } = this.#options;
    const call = hooks?.before && !isShadow(mode, trace.now) ? hookCall(trace, message, this.did) : undefined;
    if (!hooks || !call) return this.#forward(trace, context, inbound, message);
    trace.step = "policy";
    return this.#holdingId(trace, inbound, () => askBefore(hooks, call, message))
      .then((changed) => this.#forward(trace, context, inbound, changed))
      .catch((error: unknown) => this.#refuse(trace, context, error, { inbound }));
  }

  async #holdingId<T>(trace: Trace, inbound: Inbound | undefined, wait: () => Promise<T>): Promise<T> {
    const id = inbound?.kind === "request" ? inbound.id : undefined;
    if (id !== undefined) this.#sessions.begin(trace.connection, id, trace.caller?.did);
    try {
      return await wait();
    } finally {
      if (id !== undefined) this.#sessions.finish(trace.connection, id);
    }
  }

  async #afterHook(open: Open | undefined, decision: DecisionRecord, shaped: JsonRpcMessage): Promise<JsonRpcMessage> {
    const { hooks } = this.#options;
    if (!hooks?.after || !open?.hooked) return shaped;
    try {
      return await askAfter(hooks, open.hooked, shaped);
    } catch (error) {
      this.#alarm(error);
      return withheld(decision.requestId ?? null, this.#now());
    }
  }

  /** The rules have allowed: adapters must as well. While they are asked, the id of the request is taken. */
  async #also(
    trace: Trace,
    context: Context,
    about: About,
    go: () => Admission | Promise<Admission>,
  ): Promise<Admission> {
    try {
      await this.#holdingId(trace, about.inbound, () => this.#checkAdapters(trace));
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
        about = await askPerson(desk, ask.approval, trace, context, inbound, () => this.#judgeAgain(trace));
        await this.#checkAdapters(trace);
      } finally {
        this.#sessions.finish(connection, inbound.id);
      }
      if (trace.ask) throw new PeerageError(trace.ask.reason, "a person must approve this call", { detail: "asked" });
      return await this.#goOn(trace, context, inbound);
    } catch (error) {
      const isAsked = isPeerageError(error) && error.code === trace.ask?.reason && error.detail === "asked";
      return this.#refuse(trace, context, error, isAsked ? about : { inbound });
    }
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
    this.#open.begin(record, {
      connection,
      policy: trace.policy,
      input: trace.input,
      isModern: subject?.modern !== undefined,
      recorded,
      hooked: this.#options.hooks?.after && hookCall(trace, message, this.did),
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
      if (goesOnInShadow(this.#options.mode, trace, reason))
        return this.#letPass(trace, record, { ...verdict, isShadow: true }, about.inbound);
    } catch (problem) {
      this.#alarm(problem);
    }
    let recorded: Recorded | undefined;
    try {
      recorded = this.#recorder?.refused(trace, record, verdict);
      this.#options.onDecision?.(record, verdict);
    } catch (problem) {
      this.#alarm(problem);
    }
    const retryAfterSeconds = error instanceof RateLimited ? error.retryAfterSeconds : undefined;
    const refusal = { reason, now: trace.now, retryAfterSeconds, ...about };
    const { reply, status } = refusalReply(refusal, context);
    const refused = { admitted: false, step: trace.step, reason, status, decision: record } as const;
    if (!reply) return refused;
    if (!trace.spent || about.inbound?.kind !== "request") return { ...refused, reply };
    return this.#responder.refusal(record, reply, about.receipt).then((receipt) => {
      if (receipt === undefined) return { ...refused, reply };
      try {
        if (recorded) this.#recorder?.receipted(recorded, receipt);
      } catch (problem) {
        this.#alarm(problem);
      }
      return { ...refused, reply: attachReceipt(reply, receipt) };
    });
  }

  /** In a shadow: recorded as refused, and let through all the same. */
  #letPass(
    trace: Trace,
    refused: DecisionRecord,
    verdict: Verdict & { admitted: false },
    inbound: Inbound | undefined,
  ): Admission {
    const { connection, policy, subject } = trace;
    const record = withoutIdentity(refused);
    if (record.requestId !== undefined) this.#sessions.begin(connection, record.requestId, undefined);
    let recorded: Recorded | undefined;
    try {
      recorded = this.#recorder?.refused(trace, refused, verdict);
      this.#options.onDecision?.(refused, verdict);
    } catch (problem) {
      this.#alarm(problem);
    }
    const isModern = subject?.modern !== undefined;
    this.#open.begin(record, { connection, policy, input: undefined, isModern, recorded, hooked: undefined });
    return { admitted: true, message: inbound ? forwardable(inbound) : { method: record.method }, decision: record };
  }

  #trace(context: Context): Trace {
    const connection = this.#sessions.connection(context.connection);
    return newTrace(this.#now(), connection);
  }

  #policy(): Policy {
    const { policy } = this.#options;
    return typeof policy === "function" ? policy() : policy;
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
