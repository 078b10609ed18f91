import { type Digest, member, type Policy, requiredScopes, type SpiffeFacts } from "@peerage/core";
import type { AuditLog, DecisionEffects, Recorded } from "../audit/audit-log.ts";
import type { DecisionBody, Outcome, RecordedCaller, RecordedSpiffe } from "../audit/record.ts";
import { namedArguments, recordInput } from "../audit/recorded-input.ts";
import { type Opening, sealArguments } from "../audit/sealed.ts";
import type { Trace } from "./trace.ts";
import { limitsOf, reservationsOf } from "./policy.ts";
import type { DecisionRecord, Verdict } from "./types.ts";

/** Messages without a verified caller are recorded one by one up to so many a minute, then counted; … */
const MAX_UNVERIFIED_PER_MINUTE = 600;
/** … and refusals of verified callers, of whom anybody can make any number. */
const MAX_REFUSED_PER_MINUTE = 6_000;
/** Names of the caller's choosing are cut to this length. */
const MAX_NAME = 512;

/** What a call was answered with. */
export interface Answered {
  /** Digest of the result. */
  readonly res?: Digest | undefined;
  readonly receipt?: string | undefined;
}

/** Writes a guard's decisions and outcomes into its audit log. */
export class Recorder {
  readonly #audit: AuditLog;
  readonly #now: () => Date;
  readonly #named = new WeakMap<Policy, readonly string[]>();
  /** What opens the sealed arguments of a record that is being written. */
  readonly #openings = new WeakMap<DecisionBody, readonly Opening[]>();
  #minute = 0;
  #counts = { unverified: 0, refused: 0 };

  constructor(audit: AuditLog, now: () => Date) {
    this.#audit = audit;
    this.#now = now;
  }

  /**
   * Records that a message is admitted, and carries out what its rule obliges to, in one transaction.
   * @returns undefined for an unsigned message of a flood, which is only counted
   * @throws {PeerageError} ERR_AUDIT_UNAVAILABLE, ERR_RATE_LIMITED, ERR_POLICY_DENIED, ERR_APPROVAL_INVALID
   */
  admitted(trace: Trace, record: DecisionRecord): Recorded | undefined {
    if (!trace.proven && this.#isSuppressed("unverified")) return undefined;
    const { obligations, input, history } = trace;
    const isOpen = record.requestId !== undefined;
    const body = this.#body(trace, record, { admitted: true });
    const effects: DecisionEffects =
      obligations && input
        ? {
            limits: limitsOf(obligations, input),
            reservations: reservationsOf(obligations, input),
            spend: obligations.spend,
            item: trace.item,
            durable: obligations.audit === "durable",
          }
        : {};
    return this.#audit.decide(
      isOpen ? body : { ...body, notification: true },
      {
        ...effects,
        isOpen,
        openings: this.#openings.get(body),
        ...(history ? { keep: history.entries } : {}),
      },
      trace.policy,
    );
  }

  /**
   * Records that a message is refused, or that a person is asked.
   * @returns what its receipt, or its outcome where it goes on all the same, will refer to; undefined in a flood
   * @throws {PeerageError} ERR_AUDIT_UNAVAILABLE
   */
  refused(trace: Trace, record: DecisionRecord, verdict: Verdict & { admitted: false }): Recorded | undefined {
    if (this.#isSuppressed(trace.spent ? "refused" : "unverified")) return undefined;
    const isOpen = verdict.isShadow === true && record.requestId !== undefined;
    const body = this.#body(trace, record, verdict);
    const openings = this.#openings.get(body);
    const keep = trace.ask && trace.history ? { keep: trace.history.entries, openings } : { openings };
    return this.#audit.decide(
      verdict.isShadow ? { ...body, mode: "shadow" } : body,
      isOpen ? { ...keep, isOpen } : keep,
      trace.policy,
    );
  }

  /** Records how an admitted call ended. @throws {PeerageError} ERR_AUDIT_UNAVAILABLE */
  finished(recorded: Recorded, record: DecisionRecord, outcome: Outcome | "unsent", answered: Answered = {}): void {
    const { res, receipt } = answered;
    const ms = Math.max(0, this.#now().getTime() - record.at.getTime());
    const more = { ms, ...(res === undefined ? {} : { res }) };
    if (outcome === "unsent") this.#audit.finish(recorded, "errored", { ...more, sent: false });
    else this.#audit.finish(recorded, outcome, more, receipt);
  }

  /** Keeps the receipt of a refusal. @throws {PeerageError} ERR_AUDIT_UNAVAILABLE */
  receipted(recorded: Recorded, receipt: string): void {
    this.#audit.keepReceipt(recorded, receipt);
  }

  /** Who has no identity, or one made a moment ago, must not be able to fill the disk. */
  #isSuppressed(kind: "unverified" | "refused"): boolean {
    const minute = Math.floor(this.#now().getTime() / 60_000);
    if (minute !== this.#minute) {
      const { unverified, refused } = this.#counts;
      const messages =
        Math.max(0, unverified - MAX_UNVERIFIED_PER_MINUTE) + Math.max(0, refused - MAX_REFUSED_PER_MINUTE);
      this.#minute = minute;
      this.#counts = { unverified: 0, refused: 0 };
      const at = this.#now().toISOString();
      if (messages > 0) this.#audit.transact(() => this.#audit.chain.append({ kind: "suppressed", at, messages }));
    }
    return ++this.#counts[kind] > (kind === "refused" ? MAX_REFUSED_PER_MINUTE : MAX_UNVERIFIED_PER_MINUTE);
  }

  #body(trace: Trace, record: DecisionRecord, verdict: Verdict): DecisionBody {
    const { subject, policy, input, evidence, obligations, item, history } = trace;
    const target = subject?.target ?? record.tool;
    const req = trace.req ?? record.proof?.req;
    const root = history?.entries[0];
    const beganBy =
      root && (root.step === "tool_call" || root.step === "approval_request") ? root.audience : root?.issuer;
    const traceId = /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(textOf(member(subject?.meta, "traceparent")))?.[1];
    const sealed = this.#audit.args === "sealed" && input ? sealArguments(input.args) : undefined;
    const body: DecisionBody = {
      kind: "decision",
      id: record.id,
      at: record.at.toISOString(),
      verdict: verdict.admitted ? "admitted" : trace.ask && item !== undefined ? "asked" : "refused",
      ...(verdict.admitted ? {} : { step: verdict.step, reason: verdict.reason }),
      ...(verdict.admitted || verdict.detail === undefined ? {} : { detail: verdict.detail.slice(0, 2_048) }),
      ...present("caller", callerOf(trace)),
      ...(beganBy !== undefined && beganBy !== record.caller?.did
        ? { subject: beganBy as DecisionBody["subject"] & string }
        : {}),
      method: record.method.slice(0, MAX_NAME),
      ...present("target", target?.slice(0, MAX_NAME)),
      ...present("req", req),
      ...(record.proof === undefined || record.proof.req === req ? {} : { signed: record.proof.req }),
      ...present("call", record.proof?.jti),
      ...present("run", record.run),
      ...present("trace", traceId),
      ...present("rule", trace.rule),
      policy: record.policy,
      ...(trace.answers.length === 0 ? {} : { also: trace.answers }),
      ...present("shadow", trace.shadow),
      ...present("view", trace.view),
      ...(evidence.length === 0 ? {} : { evidence }),
      ...(obligations?.spend.length ? { spent: obligations.spend } : {}),
      ...present("item", item),
      ...(input && policy
        ? {
            input: {
              ...recordInput(input, this.#audit.args, this.#paths(policy)),
              ...(sealed ? { sealed: sealed.digests } : {}),
              ...scopesOf(policy),
            },
          }
        : {}),
    };
    if (sealed) this.#openings.set(body, sealed.openings);
    return body;
  }

  #paths(policy: Policy): readonly string[] {
    if (this.#audit.args !== "redacted") return [];
    let paths = this.#named.get(policy);
    if (!paths) this.#named.set(policy, (paths = namedArguments(policy.document)));
    return paths;
  }
}

function callerOf({ caller, proven, spiffe }: Trace): RecordedCaller | undefined {
  if (caller) {
    const { did, kid, binding, score } = caller;
    return { did, kid, binding, score, ...present("spiffe", recordedSpiffe(spiffe)) };
  }
  // Its signature held; that it is for this guard, or fresh, did not.
  return proven && { did: proven.issuer, kid: proven.kid, unverified: true };
}

function recordedSpiffe(facts: SpiffeFacts | undefined): RecordedSpiffe | undefined {
  const id = facts?.spiffe ?? facts?.unbound;
  if (id === undefined) return undefined;
  const beside = facts?.spiffe === undefined ? undefined : facts.unbound;
  return { id, ...present("proof", facts?.proof), ...present("beside", beside), ...facts?.evidence };
}

function scopesOf(policy: Policy): { readonly scopes?: readonly string[] } {
  const scopes = requiredScopes(policy);
  return scopes.length === 0 ? {} : { scopes };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function present<K extends string, V>(name: K, value: V | undefined): { readonly [P in K]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [P in K]?: V };
}
