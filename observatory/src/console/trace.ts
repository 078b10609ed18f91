import {
  type Digest,
  explainDecision,
  isPeerageError,
  parseEntry,
  type Policy,
  type PolicyExplanation,
  type RecordedCall,
} from "@peerage/core";
import { scoreText } from "../ui/format.ts";
import type { Asked } from "./ask.ts";
import { visible } from "./fields.ts";
import { present } from "./live.ts";
import type { DecisionRecord, GuardCall, GuardSource, OutcomeRecord } from "./source.ts";
import { reasonText } from "./words.ts";

/** The steps of the pipeline in their order, and what each asks. */
const steps = [
  ["parse", "read", "one well-formed message"],
  ["proof", "proof", "signed, by a key that is acceptable"],
  ["audience", "audience and time", "for this guard, fresh, and for exactly this message"],
  ["replay", "replay and session", "used for the first time, in the caller’s own session"],
  ["spiffe", "SPIFFE", "an SVID that is bound to this key, where one is asked for"],
  ["key", "key state", "the key stands behind the identity, in a fresh view of the log"],
  ["trust", "trust", "the score from this guard’s own roots"],
  ["history", "history", "every presented step is signed and in its place"],
  ["policy", "policy", "a rule allows it"],
  ["approval", "approval", "a person’s signed yes to exactly this, where a rule asks for one"],
  ["forward", "forward", "recorded first, then sent on"],
  ["receipt", "receipt", "the outcome, signed by the guard"],
] as const;

/** One step of one call. `none`: it asked nothing of this call. `later`: an earlier step ended it. */
export interface TraceStep {
  readonly step: string;
  readonly label: string;
  readonly asks: string;
  readonly state: "held" | "failed" | "waits" | "none" | "later";
  /** What was found. */
  readonly found?: string;
}

/** One rule over the call: what each condition wanted, and what it found. */
export interface TraceRule {
  readonly rule: string;
  readonly list: "deny" | "allow";
  readonly met: boolean;
  /** The rule is the one that decided, or the one that came nearest. */
  readonly decided: boolean;
  readonly because?: string;
  readonly conditions: readonly {
    readonly condition: string;
    readonly path?: string;
    /** Absent: it cannot be evaluated, or what it reads was not recorded. */
    readonly holds?: boolean;
    readonly wanted: string;
    readonly found: string;
  }[];
}

/** A signed step that the decision was made on. */
export interface TraceEntry {
  readonly digest: Digest;
  readonly did?: string;
  readonly name?: string;
  readonly step: string;
  readonly result: string;
  readonly at?: string;
  /** `signed`: its signature holds. `broken`: it does not. `gone`: the guard keeps it no longer. */
  readonly state: "signed" | "broken" | "gone";
  readonly counted: boolean;
  readonly usedUp: boolean;
  readonly held: boolean;
}

const readsArguments: ReadonlySet<string> = new Set(["args", "closed", "budget", "when"]);

/** The decision step by step, the one that failed with what it wanted and found. */
export function traceOf(
  { decision, outcome }: GuardCall,
  recorded: RecordedCall | undefined,
  why: string | undefined,
): readonly TraceStep[] {
  const { step: ended, verdict } = decision;
  const end = steps.findIndex(([step]) => step === ended);
  return steps.map(([step, label, asks], i): TraceStep => {
    if (end >= 0 && i > end) return { step, label, asks, state: "later" };
    if (end >= 0 && i === end) {
      const detail = step === "policy" || decision.detail === undefined ? "" : `: ${decision.detail}`;
      const found = visible(`${why ?? reasonText(decision.reason ?? "")}${detail}`);
      return { step, label, asks, state: verdict === "asked" ? "waits" : "failed", found };
    }
    return { step, label, asks, ...passed(step, decision, outcome, recorded) };
  });
}

type Passed = Pick<TraceStep, "state" | "found">;

function passed(
  step: (typeof steps)[number][0],
  decision: DecisionRecord,
  outcome: OutcomeRecord | undefined,
  recorded: RecordedCall | undefined,
): Passed {
  const { caller, input, method, target } = decision;
  const unsigned: Passed = { state: "none", found: "unsigned, as this message may be" };
  const held = (found: string | undefined): Passed => ({ state: "held", ...present("found", found) });
  switch (step) {
    case "parse":
      return held(visible([method, target].filter((part) => part !== undefined && part !== "").join(" ")));
    case "proof":
      return caller ? held(caller.did) : unsigned;
    case "audience":
      return caller ? held("for this guard, and for this message") : unsigned;
    case "replay":
      return caller ? held(decision.call === undefined ? undefined : `once: ${decision.call}`) : unsigned;
    case "spiffe": {
      const spiffe = recorded?.input.caller?.spiffe;
      return spiffe === undefined ? { state: "none", found: "none was asked for" } : held(visible(spiffe));
    }
    case "key":
      if (!caller) return unsigned;
      return held(viewText(decision.view));
    case "trust": {
      if (caller?.score === undefined) return { state: "none" };
      const scores = Object.entries(recorded?.input.trust ?? {}).map(
        ([scope, score]) => `${scoreText(score)} in ${scope}`,
      );
      const age = recorded?.input.trust_age_seconds;
      const data = age === undefined || !Number.isFinite(age) ? "" : `, from data ${Math.round(age)} s old`;
      return held(`${scores.length > 0 ? scores.join(", ") : scoreText(caller.score)}${data}`);
    }
    case "history": {
      const n = input?.history?.length ?? 0;
      return n === 0
        ? { state: "none", found: "none was presented" }
        : held(`${n} signed ${n === 1 ? "step" : "steps"}`);
    }
    case "policy":
      return decision.rule === undefined
        ? { state: "none", found: "open without a rule" }
        : held(`rule ${decision.rule} of ${decision.policy.slice(0, 15)}…`);
    case "approval":
      return decision.item === undefined
        ? { state: "none", found: "no rule asks for one" }
        : held("a person approved exactly this");
    case "forward":
      return forwarded(decision, outcome);
    case "receipt":
      if (decision.notification) return { state: "none", found: "a notification has no answer" };
      if (!outcome) return { state: "waits", found: "the call still runs" };
      return caller
        ? held(outcome.res === undefined ? outcome.outcome : `${outcome.outcome}, result ${outcome.res}`)
        : unsigned;
  }
}

function forwarded({ notification }: DecisionRecord, outcome: OutcomeRecord | undefined): Passed {
  if (outcome?.sent === false)
    return { state: "failed", found: "nothing was sent: the server behind the guard is down" };
  if (outcome) return { state: "held", found: outcome.ms === undefined ? "sent" : `answered after ${outcome.ms} ms` };
  return notification ? { state: "held", found: "sent" } : { state: "waits", found: "sent, not answered yet" };
}

/** Every rule about the call, with what its conditions wanted and found, as the gate's own engine explains it. */
export function rulesOf(
  decision: DecisionRecord,
  recorded: RecordedCall | undefined,
  policy: Policy | undefined,
): readonly TraceRule[] | undefined {
  if (!recorded || !policy) return undefined;
  const used = new Set<string>(recorded.spent);
  let explained: PolicyExplanation;
  try {
    explained = explainDecision(policy, recorded.input, { spent: (digest: Digest) => used.has(digest) });
  } catch (error) {
    if (isPeerageError(error)) return undefined;
    throw error;
  }
  const isUnrecorded = recorded.args === "digest";
  const denies = explained.rules.find(({ list, met }) => list === "deny" && met)?.rule;
  const nearest = decision.verdict === "refused" ? (denies ?? explained.change?.rule) : decision.rule;
  return explained.rules.map(({ conditions, because, ...rule }): TraceRule => {
    const told = conditions.map(({ condition, path, holds, wanted, found }) => ({
      condition,
      ...present("path", path),
      wanted: visible(wanted),
      ...(isUnrecorded && readsArguments.has(condition)
        ? { found: "arguments are not recorded (--audit-args)" }
        : { ...present("holds", holds), found: visible(condition === "trust" ? shortNumbers(found) : found) }),
    }));
    return { ...rule, decided: rule.rule === nearest, ...present("because", because), conditions: told };
  });
}

/** What today's policy would say to the same call. */
export function againWith(
  today: Policy | undefined,
  decision: DecisionRecord,
  recorded: RecordedCall | undefined,
): "allow" | "ask" | "deny" | undefined {
  if (!today || !recorded || today.digest === decision.policy || recorded.args === "digest") return undefined;
  const used = new Set<string>(recorded.spent);
  return explainDecision(today, recorded.input, { spent: (digest: Digest) => used.has(digest) }).decision.effect;
}

/** The signed steps that a decision was made on, in their order: presented ones, then those the guard held. */
export function entriesOf(
  decision: DecisionRecord,
  source: GuardSource,
  { nameOf }: Pick<Asked, "nameOf">,
): TraceEntry[] {
  const { input, evidence = [], spent = [] } = decision;
  const presented = input?.history ?? [];
  const held = (input?.held ?? []).filter((digest) => !presented.includes(digest));
  return [...presented, ...held].map((digest): TraceEntry => {
    const about = {
      digest,
      counted: evidence.includes(digest),
      usedUp: spent.includes(digest),
      held: held.includes(digest),
    };
    return { ...about, ...entryAt(source, digest, nameOf) };
  });
}

/** One kept entry, its signature checked now. */
export function entryAt(
  source: GuardSource,
  digest: Digest,
  nameOf: Asked["nameOf"],
): Omit<TraceEntry, "digest" | "counted" | "usedUp" | "held"> {
  const token = source.entry(digest);
  if (token === undefined) return { step: "not kept any more", result: "", state: "gone" };
  try {
    const { issuer, step, result, issuedAt } = parseEntry(token);
    const name = nameOf(issuer);
    return {
      did: issuer,
      ...present("name", name),
      step,
      result,
      at: new Date(issuedAt * 1000).toISOString(),
      state: "signed",
    };
  } catch {
    return { step: "does not verify", result: "", state: "broken" };
  }
}

/** The snapshot of the log that a key was looked up in: its origin and size; the root stands among the claims. */
function viewText(view: string | undefined): string {
  if (view === undefined) return "the identity’s own key; no registry is followed";
  const [origin = "", size] = view.split(" ");
  return size === undefined ? `active in ${view}` : `active, at size ${size} of ${origin}`;
}

/** Seconds and scores without the digits that say nothing. */
function shortNumbers(text: string): string {
  return text.replace(/\b(\d+\.\d\d)\d+/g, "$1");
}
