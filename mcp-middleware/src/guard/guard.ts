import {
  canonicalAudience,
  digest,
  type Digest,
  isJsonObject,
  isPeerageError,
  type JsonValue,
  parseJson,
  type Policy,
  type Signer,
} from "@peerage/core";
import { copyJson } from "./json-value.ts";
import { forwardable, type Inbound, readMessage } from "./message.ts";
import { checkStandardHeaders } from "./headers.ts";
import { judge, type PipelineParts, type Trace } from "./pipeline.ts";
import { RateLimited, RateLimiter } from "./rates.ts";
import { refusalReply } from "./refusal.ts";
import { MemoryReplayStore, type ReplayStore } from "./replay.ts";
import { Responder, type DecidedOn } from "./responder.ts";
import { attachReceipt } from "./results.ts";
import { salvageId } from "./salvage-id.ts";
import { checkIdFree, type Connection, Sessions } from "./sessions.ts";
import { type LifecycleMethod, lifecycleMethods, subjectOf, type Synthetic, syntheticSubject } from "./subject.ts";
import type { TrustSource } from "./trust.ts";
import type { Admission, Caller, Context, DecisionRecord, Guard, JsonRpcMessage, Verdict } from "./types.ts";

/** Largest HTTP body and stdio line: the SDKs' own limits. */
export const MAX_BODY_BYTES: number = 4 * 1024 * 1024;
export const MAX_LINE_BYTES: number = 10 * 1024 * 1024;

export interface GuardOptions {
  /** The guard's own key: its DID is an audience, and it signs receipts. */
  readonly identity: Signer;
  /** The policy, or where to get the one in force; it is read once for each message. */
  readonly policy: Policy | (() => Policy);
  /** What is known of others. Without it a DID's own key counts, and a rule that asks for trust denies. */
  readonly trust?: TrustSource | undefined;
  /** In memory by default, which refuses proofs issued before this guard was made. */
  readonly replay?: ReplayStore | undefined;
  /** URLs under which callers reach this guard, beside its DID. */
  readonly audiences?: readonly string[] | undefined;
  /** Which lifecycle messages may come unsigned; all by default, `[]` for none. */
  readonly open?: readonly LifecycleMethod[] | undefined;
  /** False: no receipts. */
  readonly receipts?: boolean | undefined;
  readonly now?: (() => Date) | undefined;
  /** Sees each decision before anything is forwarded or answered; if it throws, the message is refused. */
  readonly onDecision?: ((record: DecisionRecord, verdict: Verdict) => void) | undefined;
  /** Told of what went wrong inside: a fault, or a receipt that could not be made. */
  readonly onAlarm?: ((problem: unknown) => void) | undefined;
}

/** What is kept of a decision until its response comes. */
interface Open extends DecidedOn {
  readonly connection: Connection;
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
    this.#parts = {
      did: this.did,
      audiences: this.audiences,
      open: new Set(options.open ?? lifecycleMethods),
      trust: options.trust,
      replay: options.replay ?? new MemoryReplayStore({ startedAt: this.#now() }),
      sessions: this.#sessions,
      rates: new RateLimiter(),
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
    try {
      trace.policy = this.#policy();
      trace.subject = syntheticSubject(synthetic, context);
      judge(trace, trace.subject, context, this.#parts);
      return this.#forward(trace, context, undefined, { method: synthetic.method, params: synthetic.params });
    } catch (error) {
      const httpMethod = synthetic.method === "http/response" ? undefined : synthetic.method;
      return this.#refuse(trace, context, error, { httpMethod });
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
    const open = this.#finish(decision);
    return this.#responder.respond(decision, open, response);
  }

  async receiptFor(decision: DecisionRecord, response: JsonRpcMessage): Promise<string | undefined> {
    this.#finish(decision);
    return this.#responder.receipt(decision, response);
  }

  abandon(decision: DecisionRecord, _outcome: "abandoned" | "cancelled" | "errored"): void {
    this.#finish(decision);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#parts.replay[Symbol.dispose]();
    return Promise.resolve();
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
        return this.#forward(trace, context, inbound, inbound.message);
      }
      trace.policy = this.#policy();
      trace.subject = subjectOf(inbound, context);
      judge(trace, trace.subject, context, this.#parts);
      return this.#forward(trace, context, inbound, forwardable(inbound));
    } catch (error) {
      return this.#refuse(trace, context, error, { inbound, salvagedId: inbound ? undefined : idOf(source) });
    }
  }

  /** Step 11: the decision is recorded, then the session is the caller's and the message may go on. */
  #forward(trace: Trace, context: Context, inbound: Inbound | undefined, message: JsonRpcMessage): Admission {
    const { connection, caller, subject } = trace;
    const record = this.#record(trace, inbound);
    const id = inbound?.kind === "request" ? inbound.id : undefined;
    if (id !== undefined) this.#sessions.begin(connection, id, caller?.did);
    try {
      const isSession = context.transport === "stdio" || context.session !== undefined;
      if (caller && isSession && subject?.modern === undefined) {
        this.#sessions.bind(connection, context.session, caller.did, trace.now);
      }
      this.#options.onDecision?.(record, { admitted: true });
    } catch (error) {
      if (id !== undefined) this.#sessions.finish(connection, id);
      throw error;
    }
    if (subject?.method === "http/delete" && context.session !== undefined) this.#sessions.end(context.session);
    this.#open.set(record, {
      connection,
      policy: trace.policy,
      input: trace.input,
      isModern: subject?.modern !== undefined,
    });
    return { admitted: true, message, ...(caller ? { caller } : {}), decision: record };
  }

  #refuse(
    trace: Trace,
    context: Context,
    error: unknown,
    about: {
      inbound?: Inbound | undefined;
      salvagedId?: string | number | null | undefined;
      httpMethod?: "http/get" | "http/delete" | undefined;
    },
  ): Admission | Promise<Admission> {
    const reason = isPeerageError(error) && error.code !== "ERR_STORE_CORRUPT" ? error.code : "ERR_GUARD_FAULT";
    if (reason === "ERR_GUARD_FAULT") this.#alarm(error);
    const record = this.#record(trace, about.inbound);
    const detail = isPeerageError(error) ? error.detail : undefined;
    try {
      this.#options.onDecision?.(record, {
        admitted: false,
        step: trace.step,
        reason,
        ...(detail === undefined ? {} : { detail }),
      });
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
    return this.#responder.receipt(record, reply, "refused").then((receipt) => ({
      ...refused,
      reply: receipt === undefined ? reply : attachReceipt(reply, receipt),
    }));
  }

  #record(trace: Trace, inbound: Inbound | undefined): DecisionRecord {
    const { subject, caller, proof, history, policy, rule } = trace;
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
    };
  }

  #trace(context: Context): Trace {
    const connection = this.#sessions.connection(context.connection);
    return { ...blank, step: "parse", now: this.#now(), connection };
  }

  #policy(): Policy {
    const { policy } = this.#options;
    return typeof policy === "function" ? policy() : policy;
  }

  #finish(decision: DecisionRecord): Open | undefined {
    const open = this.#open.get(decision);
    this.#open.delete(decision);
    if (open && decision.requestId !== undefined) this.#sessions.finish(open.connection, decision.requestId);
    return open;
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

const blank: Omit<Trace, "step" | "now" | "connection"> = {
  policy: undefined,
  subject: undefined,
  proof: undefined,
  spent: false,
  caller: undefined,
  history: undefined,
  input: undefined,
  rule: undefined,
};
/** Stands for "no policy could be read". */
const noPolicy: Digest = digest(null);

function idOf(source: unknown): string | number | null {
  if (typeof source === "string") return salvageId(source);
  if (source instanceof Uint8Array) return salvageId(new TextDecoder().decode(source));
  const id: unknown = isJsonObject(source) ? source["id"] : undefined;
  return typeof id === "string" || Number.isSafeInteger(id) ? (id as string | number) : null;
}
