import {
  type ApprovalAsk,
  type Digest,
  issueReceipt,
  type JsonValue,
  parseCarriedEntry,
  PeerageError,
  signEntry,
  type Signer,
  unixSeconds,
} from "@peerage/core";
import type { AuditLog } from "../audit/audit-log.ts";
import type { Inbound } from "../guard/message.ts";
import type { Trace } from "../guard/trace.ts";
import type { Connection } from "../guard/sessions.ts";
import type { Context } from "../guard/types.ts";
import { type AskForm, elicitation, formFor, type Question } from "./form.ts";
import type { ApprovalItem, ItemState } from "./item.ts";
import { RequestStates } from "./request-state.ts";
import type { ApprovalWebhook } from "./webhook.ts";

/** How people are asked, and how long a call waits for them. */
export interface ApprovalOptions {
  /** Where a person answers an item, by its id; without it, or where there is no such place now, the command line is named. */
  readonly url?: ((id: string) => string | undefined) | undefined;
  /** How long a call waits for an answer, once its caller was told to get one: 20 s, since clients give up after 60. */
  readonly waitSeconds?: number | undefined;
  /** Told of each new question, so that somebody can be told; it holds up nothing. */
  readonly onAsk?: ((item: ApprovalItem) => void) | undefined;
  /** Is told of each new question, and again by the next guard on this log if the one that asked ended before. */
  readonly webhook?: ApprovalWebhook | undefined;
}

export interface DeskParts extends ApprovalOptions {
  readonly identity: Signer;
  readonly audit: AuditLog;
  readonly now: () => Date;
  readonly alarm: (problem: unknown) => void;
}

/** An item, and the receipt that says so to the caller. */
export interface Filed {
  readonly item: ApprovalItem;
  readonly isNew: boolean;
  readonly receipt: string;
}

type Request = Extract<Inbound, { kind: "request" }>;

/** Longest wait for an answer, in seconds, whatever is configured: beyond that clients have given up. */
const MAX_WAIT_SECONDS = 50;
const POLL_MS = 200;
const PROGRESS_MS = 5_000;
/** An entry refers to at most so many others. */
const MAX_PREV = 16;
/** Longest life of a request state, which an answered item outlives. */
const STATE_SECONDS = 3_600;
/** Longer than a guard takes to tell of a question: after it that guard is gone. */
const TELL_AGAIN_MS = 120_000;

/** Where calls wait that a person must approve: files the question, tells the caller, and sees the answer. */
export class ApprovalDesk {
  readonly #parts: DeskParts;
  readonly #telling = new Set<string>();
  #states: RequestStates | undefined;

  constructor(parts: DeskParts) {
    this.#parts = parts;
    parts.audit.addChore(() => this.sweep());
    if (parts.webhook) parts.audit.addChore(() => this.tellAgain());
  }

  /** The seal of what a caller carries from the question to the retry. */
  get states(): RequestStates {
    return (this.#states ??= new RequestStates(this.#parts.audit.secret("request-state")));
  }

  /** What became of an item; undefined if there is none. */
  stateOf(item: string): ItemState | undefined {
    return this.#parts.audit.items.get(item)?.state;
  }

  /**
   * Files the request of a call, or finds the item that is there, and signs that it is pending.
   * @param isJudged - the approvals that there are were judged, and do not suffice
   * @throws {PeerageError} ERR_AUDIT_UNAVAILABLE, ERR_RATE_LIMITED if the caller has too many open
   */
  async file(trace: Trace, ask: ApprovalAsk, isJudged = false): Promise<Filed> {
    const { identity, audit } = this.#parts;
    const { proof, subject, policy, history, rule, now } = trace;
    if (!proof || !subject || !policy) throw new TypeError("nothing was decided");
    await this.sweep();
    const req = trace.req ?? proof.req;
    const expiresAt = new Date(now.getTime() + ask.timeoutSeconds * 1000);
    const receipt = await issueReceipt(identity, {
      call: proof,
      result: "pending",
      policy: policy.digest,
      tips: history?.tips ?? [],
      run: history?.run,
      exp: unixSeconds(expiresAt) + 1,
      now,
    });
    const pending = parseCarriedEntry(receipt);
    const presented = new Set(history?.entries.map(({ digest }) => digest));
    const others = ask.after.filter((digest) => !presented.has(digest));
    const filed = audit.transact(() => {
      const result = audit.items.file(
        {
          guard: identity.did,
          caller: proof.issuer,
          req,
          method: subject.method,
          target: subject.target ?? subject.method,
          rule: rule ?? "",
          policy: policy.digest,
          run: pending.run,
          prev: [...new Set<Digest>([pending.digest, ...others])].slice(0, MAX_PREV),
          approvers: ask.approvers,
          self: ask.self,
          count: ask.count,
          withinSeconds: ask.withinSeconds,
          expiresAt,
          request: { method: subject.method, params: withoutMeta(subject.params) },
        },
        isJudged,
        now,
      );
      if (result.isNew) {
        audit.evidence.keep(history?.entries ?? [], "link", now);
        audit.evidence.keep([pending], "link", now);
        audit.items.record(result.item, "asked", pending, now);
      }
      return result;
    }, true);
    if (filed.isNew) this.#tell(filed.item);
    return { ...filed, receipt };
  }

  /** How to tell the caller of an item. */
  question(inbound: Request, context: Context, trace: Trace, item: ApprovalItem): Question {
    const url = this.#parts.url?.(item.id);
    const round = trace.state?.item === item.id ? trace.state.round : 0;
    const form = formFor(inbound, context, trace.connection.capabilities, url, round);
    if (form !== "input_required") return { form, item, url };
    const requestState = this.#seal(trace, item, round + 1);
    return requestState === undefined ? { form: "plain", item, url } : { form, item, url, requestState };
  }

  /**
   * Waits until an item is no longer open, the time is up, the caller has gone or said no. A legacy caller is asked
   * meanwhile. Says nothing of what came of it: that is for the policy.
   * @returns false if the caller has gone or cancelled the call, so that it must not be made any more
   */
  async wait(question: Question, inbound: Request, context: Context, connection: Connection): Promise<boolean> {
    const { audit, waitSeconds = 20 } = this.#parts;
    const until = performance.now() + Math.min(waitSeconds, MAX_WAIT_SECONDS) * 1000;
    const abort = new AbortController();
    let isGone = context.signal?.aborted === true;
    const stop = (): void => abort.abort();
    const cancel = (): void => {
      isGone = true;
      stop();
    };
    context.signal?.addEventListener("abort", cancel, { once: true });
    connection.waiting.set(inbound.id, cancel);
    const retract = question.form === "elicitation" ? this.#elicit(question, context, connection, stop) : undefined;
    let progressAt = performance.now() + PROGRESS_MS;
    let progress = 0;
    try {
      while (!abort.signal.aborted && !isGone) {
        const left = until - performance.now();
        const item = audit.items.get(question.item.id);
        if (left <= 0 || item?.state !== "open" || item.expiresAt <= this.#parts.now()) break;
        if (performance.now() >= progressAt) {
          sendProgress(inbound, context, ++progress);
          progressAt += PROGRESS_MS;
        }
        await pause(Math.min(POLL_MS, left), abort.signal);
      }
      // Nobody answered in time: that is signed before it is said.
      await this.sweep();
      return !isGone;
    } finally {
      context.signal?.removeEventListener("abort", cancel);
      connection.waiting.delete(inbound.id);
      retract?.();
    }
  }

  /** Closes what nobody answered in time, and signs that nobody did. */
  async sweep(): Promise<void> {
    const { identity, audit, now } = this.#parts;
    const at = now();
    for (const item of audit.items.due(at)) {
      let entry: ReturnType<typeof parseCarriedEntry> | undefined;
      if (item.state === "open") {
        const { run, prev, req, caller } = item;
        const { policy } = item;
        const claims = { run, prev, step: "approval_request", result: "timeout", req, aud: caller, sub: { policy } };
        entry = parseCarriedEntry(await signEntry(identity, { ...claims, now: at }));
      }
      audit.transact(() => audit.items.timeOut(item, entry, at));
    }
  }

  /** Tells of the open items that a guard asked about which ended before it could tell. */
  async tellAgain(): Promise<void> {
    await this.sweep();
    const { audit, now } = this.#parts;
    const at = now();
    for (const item of audit.items.untold(new Date(at.getTime() - TELL_AGAIN_MS), at)) this.#post(item);
  }

  #tell(item: ApprovalItem): void {
    try {
      this.#parts.onAsk?.(item);
    } catch (problem) {
      this.#parts.alarm(problem);
    }
    this.#post(item);
  }

  #post(item: ApprovalItem): void {
    const { webhook, audit, alarm } = this.#parts;
    if (!webhook || this.#telling.has(item.id)) return;
    this.#telling.add(item.id);
    webhook.notify(item, (arrived) => {
      this.#telling.delete(item.id);
      try {
        audit.transact(() => audit.items.setTold(item.id, arrived));
      } catch (problem) {
        alarm(problem);
      }
    });
  }

  #elicit(question: Question, context: Context, connection: Connection, stop: () => void): () => void {
    const id = `${QUESTION_PREFIX}${crypto.randomUUID()}`;
    connection.questions.set(id, (response) => {
      const result = response["result"];
      const action = typeof result === "object" && result !== null && "action" in result ? result["action"] : undefined;
      // "Accept" says that the page was opened. Only a signed entry says more.
      if (action !== "accept") stop();
    });
    context.send?.(elicitation(id, question));
    return () => {
      connection.questions.delete(id);
      const params = { elicitationId: question.item.id };
      context.send?.({ jsonrpc: "2.0", method: "notifications/elicitation/complete", params });
    };
  }

  #seal(trace: Trace, item: ApprovalItem, round: number): string | undefined {
    const { identity, now } = this.#parts;
    const params = trace.subject?.params;
    const asked = typeof params === "object" && params !== null && !Array.isArray(params) ? params : {};
    const { requestState, inputResponses } = asked as { requestState?: JsonValue; inputResponses?: JsonValue };
    const isFollowUp = requestState !== undefined || inputResponses !== undefined;
    return this.states.seal({
      guard: identity.did,
      caller: item.caller,
      req: item.req,
      item: item.id,
      exp: unixSeconds(now()) + STATE_SECONDS,
      round,
      ...(isFollowUp
        ? {
            upstream: {
              ...(requestState === undefined ? {} : { requestState }),
              ...(inputResponses === undefined ? {} : { inputResponses }),
            },
          }
        : {}),
    });
  }
}

/** The ids of questions that a guard asks itself begin so. */
export const QUESTION_PREFIX = "peerage-approval-";

/** The refusal of a call that a person must approve and nobody can be asked about. */
export function nobodyToAsk(): PeerageError {
  return new PeerageError("ERR_APPROVAL_REQUIRED", "a person must approve this, and this guard keeps no audit log", {
    detail: "no-audit",
  });
}

/** A legacy question waits for its answer; of the others a retry does, once the caller knows where to get one. */
export function isWaiting(form: AskForm, isNew: boolean): boolean {
  return form === "elicitation" || !isNew;
}

function sendProgress(inbound: Request, context: Context, progress: number): void {
  const progressToken = inbound.meta?.["progressToken"];
  if (progressToken === undefined || !context.send) return;
  const message = "Waiting for a person to approve this call.";
  context.send({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken, progress, message } });
}

function withoutMeta(params: JsonValue | undefined): JsonValue {
  if (typeof params !== "object" || params === null || Array.isArray(params)) return params ?? {};
  const { _meta, ...rest } = params as Record<string, JsonValue>;
  return rest;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}
