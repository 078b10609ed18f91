import { digest, type Digest } from "../json/digest.ts";
import type { JsonValue } from "../json/types.ts";
import { parseArgumentPath } from "./argument-path.ts";
import { decide, type Decision } from "./decide.ts";
import { listOf, nameOf, type AllowRule, type Budget, type DenyRule, type PolicyDocument } from "./document.ts";
import { readInput, type Facts, type PolicyInput } from "./input.ts";
import { isInForce } from "./judge.ts";
import type { Policy } from "./load.ts";

/** A rule of one list. */
export interface RuleRef {
  readonly list: "deny" | "allow";
  /** Its id, or its place: `allow[0]`. */
  readonly rule: string;
}

/** What differs between two policies. */
export interface PolicyDiff {
  readonly before: Digest;
  readonly after: Digest;
  readonly added: readonly RuleRef[];
  readonly removed: readonly RuleRef[];
  /** Rules of one id that differ, and the keys in which they do. */
  readonly changed: readonly (RuleRef & { readonly keys: readonly string[] })[];
  /** The other parts of the document that differ: `groups`, `defaults`, … */
  readonly settings: readonly string[];
}

/** Compares two policies. A rule without an id is known by its content, so one that moved is the same. */
export function diffPolicies(before: Policy, after: Policy): PolicyDiff {
  const [old, next] = [rulesOf(before.document), rulesOf(after.document)];
  const both = [...old.keys()].filter((key) => next.has(key));
  const changed = both.flatMap((key) => {
    const [a, b] = [old.get(key), next.get(key)];
    if (!a || !b || isSame(a.content, b.content)) return [];
    return [{ list: b.list, rule: b.rule, keys: differingKeys(a.content, b.content) }];
  });
  const missingIn = (from: typeof old, other: typeof old): RuleRef[] =>
    [...from].filter(([key]) => !other.has(key)).map(([, { list, rule }]) => ({ list, rule }));
  const settings = differingKeys(before.document, after.document).filter((key) => key !== "deny" && key !== "allow");
  return {
    before: before.digest,
    after: after.digest,
    added: missingIn(next, old),
    removed: missingIn(old, next),
    changed,
    settings,
  };
}

/** A call as an audit recorded it. */
export interface RecordedCall {
  readonly input: PolicyInput;
  /** What of the arguments is in `input.args`: all (default), the members of these names only, or nothing. */
  readonly args?: "full" | "digest" | { readonly redacted: readonly string[] };
  /** The scopes in which a score was asked for; a scope among them without a score was unknown. All, if left out. */
  readonly scopes?: readonly string[];
  /** Digests that were used up by then. */
  readonly spent?: readonly Digest[];
}

/** One recorded call under two policies. */
export interface ReplayedCall {
  /** Its place among the calls that were handed in. */
  readonly index: number;
  readonly before?: Decision;
  readonly after?: Decision;
  readonly verdict: "same" | "newly-allowed" | "newly-refused" | "now-asked" | "undecidable";
}

/** What became of recorded calls under another policy; `calls` holds those whose effect is not the same. */
export interface ReplayReport {
  readonly counts: Readonly<Record<ReplayedCall["verdict"], number>>;
  readonly calls: readonly ReplayedCall[];
}

/**
 * Replays recorded calls under two policies, each with its own time, trust and history. A call is undecidable if either
 * policy reads what was not recorded; it is counted, never guessed.
 */
export function replayCalls(before: Policy, after: Policy, calls: readonly RecordedCall[]): ReplayReport {
  const counts = { same: 0, "newly-allowed": 0, "newly-refused": 0, "now-asked": 0, undecidable: 0 };
  const changed: ReplayedCall[] = [];
  for (const [index, call] of calls.entries()) {
    const replayed = replay(before, after, call, index);
    counts[replayed.verdict]++;
    if (replayed.verdict !== "same") changed.push(replayed);
  }
  return { counts, calls: changed };
}

function replay(before: Policy, after: Policy, call: RecordedCall, index: number): ReplayedCall {
  if ([before, after].some((policy) => readsMore(policy, call))) return { index, verdict: "undecidable" };
  const used = new Set<string>(call.spent);
  const memory = { spent: (one: Digest) => used.has(one) };
  const [old, next] = [decide(before, call.input, memory), decide(after, call.input, memory)];
  const verdict =
    old.effect === next.effect
      ? "same"
      : next.effect === "allow"
        ? "newly-allowed"
        : next.effect === "ask"
          ? "now-asked"
          : "newly-refused";
  return { index, before: old, after: next, verdict };
}

/** True if a rule about this call asks for an argument or a score that was not recorded. */
function readsMore({ document, compiled }: Policy, { input, args = "full", scopes }: RecordedCall): boolean {
  const facts = readInput(input);
  if (!facts) return false;
  const about = [
    ...compiled.deny[facts.kind].about(facts.target, true),
    ...compiled.allow[facts.kind].about(facts.target, false),
  ];
  const inForce = new Set(about.filter((rule) => isInForce(rule, facts)).map(({ name }) => name));
  const written = [...rulesOf(document).values()].filter(({ rule }) => inForce.has(rule));
  const asked = new Set(
    compiled.allow[facts.kind].all.filter(({ name }) => inForce.has(name)).map(({ trust }) => trust?.scope),
  );
  if (scopes && [...asked].some((scope) => scope !== undefined && !scopes.includes(scope) && !hasScore(facts, scope))) {
    return true;
  }
  return (
    args !== "full" && written.some(({ content }) => readsArguments(content, args === "digest" ? [] : args.redacted))
  );
}

function hasScore(facts: Facts, scope: string): boolean {
  return Object.hasOwn(facts.trust, scope);
}

function readsArguments(rule: AllowRule, recorded: readonly string[]): boolean {
  if (rule.closed === true || rule.when !== undefined) return true;
  const paths = [...Object.keys(rule.args ?? {}), ...listOf<Budget>(rule.budget).flatMap(({ sum }) => sum ?? [])];
  return paths.some((path) => !recorded.includes(parseArgumentPath(path)?.segments[0] ?? ""));
}

interface PlacedRule extends RuleRef {
  readonly content: AllowRule;
}

/** Rules by what they are known by: the id, or else the content. */
function rulesOf({ deny = [], allow }: PolicyDocument): Map<string, PlacedRule> {
  const rules = new Map<string, PlacedRule>();
  const add = (list: "deny" | "allow", content: AllowRule | DenyRule, index: number): void => {
    const name = nameOf(content, list, index);
    let key = content.id === undefined ? `${list} ${digest(content as unknown as JsonValue)}` : `${list} ${content.id}`;
    // The same rule twice is two rules.
    while (rules.has(key)) key += " again";
    rules.set(key, { list, rule: name, content });
  };
  for (const [index, rule] of deny.entries()) add("deny", rule, index);
  for (const [index, rule] of allow.entries()) add("allow", rule, index);
  return rules;
}

function differingKeys(a: object, b: object): string[] {
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])];
  return keys.filter((key) => !isSame(left[key], right[key])).sort();
}

function isSame(a: unknown, b: unknown): boolean {
  if (a === undefined || b === undefined) return a === b;
  return digest(a as JsonValue) === digest(b as JsonValue);
}
