import type { Did } from "../did/did-key.ts";

// The document as it is written, after YAML: defaults are not filled in. grammar.ts is its zod schema.

/** The four kinds of target, in the order of the grammar. */
export const targetKinds = ["tools", "prompts", "resources", "methods"] as const;
/** What a rule is about. */
export type TargetKind = (typeof targetKinds)[number];

export type OneOrMore<T> = T | readonly T[];
/** A DID, `"*"` (any verified DID), `"@me"`, `"@roots"`, `"@group"` or a SPIFFE ID pattern. */
export type Principal = string;
/** A whole number of seconds, minutes, hours or days: `30s`, `15m`, `24h`, `7d`. */
export type Duration = string;
/** What happens to a caller without a score. */
export type Unknown = "deny" | "ask-human" | "allow-readonly";
/** A value that arguments are compared with. */
export type Scalar = string | number | boolean;

/** The operators of one argument test; all must hold. */
export interface Operators {
  readonly "=="?: Scalar;
  readonly "!="?: Scalar;
  readonly in?: readonly Scalar[];
  readonly notIn?: readonly Scalar[];
  /** Below this number. */
  readonly "<"?: number;
  /** At most this number. */
  readonly "<="?: number;
  /** Above this number. */
  readonly ">"?: number;
  /** At least this number. */
  readonly ">="?: number;
  readonly like?: OneOrMore<string>;
  readonly notLike?: OneOrMore<string>;
  /** In code points. */
  readonly maxLength?: number;
  readonly absent?: true;
}

/** Equal to a value, to one of a list, or operators. */
export type ArgumentTest = Scalar | readonly Scalar[] | Operators;
/** Tests by argument path: `a.b.c` or `/a/b`, a trailing `[]` for every element. */
export type ArgumentTests = Readonly<Record<string, ArgumentTest>>;

/** The trust that a rule asks for. */
export interface TrustRequirement {
  /** In (0, 1]. */
  readonly min: number;
  readonly scope?: string;
  readonly maxAge?: Duration;
}

/** Who shares a counter: everyone, or each agent, tool, run or combination of them. */
export type Dimensions = "all" | OneOrMore<Dimension>;
export const dimensions = ["agent", "tool", "run"] as const;
/** What limits and budgets are counted by. */
export type Dimension = (typeof dimensions)[number];

/** A rate limit: a bucket of `calls` that refills over `per`. */
export interface Limit {
  /** How many calls the bucket holds. */
  readonly calls: number;
  readonly per: Duration;
  readonly of?: Dimensions;
  readonly name?: string;
}

/** A budget: at most `max` in each window of `per`, of an argument summed or of a fixed cost a call. */
export interface Budget {
  /** What each window has, in the unit of what is summed. */
  readonly max: number;
  readonly per: Duration;
  /** The path of the argument that is summed; exactly one of `sum` and `cost`. */
  readonly sum?: string;
  /** What one call takes of it. */
  readonly cost?: number;
  readonly of?: Dimensions;
  readonly name?: string;
}

/** What the presented history must prove; all of it holds of one entry. */
export interface Need {
  readonly step: string;
  /** Principals, or `"$caller"`. */
  readonly by: OneOrMore<Principal>;
  readonly result?: OneOrMore<string>;
  readonly within?: Duration;
  readonly binds?: "run" | "tool" | "request";
  /** How many such entries, by different signers, 1 to 16; 1 by default. */
  readonly count?: number;
  readonly after?: OneOrMore<string>;
  readonly once?: boolean;
  readonly self?: boolean;
  readonly at?: "start";
  readonly tool?: OneOrMore<string>;
  readonly sub?: ArgumentTests;
}

/** A person's word on this very request. */
export interface Approval {
  readonly by: OneOrMore<Principal>;
  readonly within?: Duration;
  readonly timeout?: Duration;
  /** How many different people, 1 to 16; 1 by default. */
  readonly count?: number;
  readonly after?: OneOrMore<string>;
  readonly self?: boolean;
}

interface Rule extends Readonly<Partial<Record<TargetKind, OneOrMore<string>>>> {
  readonly id?: string;
  readonly agents?: OneOrMore<Principal>;
  readonly spiffe?: OneOrMore<string>;
  readonly args?: ArgumentTests;
  /** RFC 3339, UTC; in force from then on. */
  readonly from?: string;
  /** RFC 3339, UTC; in force before then. */
  readonly until?: string;
  readonly because?: string;
  /** A CEL expression over the input. */
  readonly when?: string;
}

/** A rule that refuses; without `agents` and `spiffe` everyone. */
export type DenyRule = Rule;

/** A rule that admits; at least one of `agents` and `spiffe`. */
export interface AllowRule extends Rule {
  readonly binding?: "connection" | "head" | "body" | "message";
  readonly trust?: number | TrustRequirement;
  readonly unknown?: Unknown;
  readonly closed?: boolean;
  readonly require?: readonly Need[];
  readonly custody?: "caller" | "any";
  readonly signers?: OneOrMore<Principal>;
  readonly approval?: Approval;
  readonly limit?: OneOrMore<Limit>;
  readonly budget?: OneOrMore<Budget>;
  readonly audit?: "durable";
}

/** Used where a rule says nothing. */
export interface Defaults {
  readonly scope?: string;
  readonly unknown?: Unknown;
  readonly approvers?: OneOrMore<Principal>;
  readonly maxTrustAge?: Duration;
}

/** A policy document. */
export interface PolicyDocument {
  readonly apiVersion: "peerage.dev/v1";
  readonly kind: "Policy";
  readonly metadata?: { readonly name: string; readonly version?: string };
  readonly open?: boolean;
  readonly groups?: Readonly<Record<string, OneOrMore<Principal>>>;
  readonly defaults?: Defaults;
  readonly readonly?: OneOrMore<string>;
  readonly deny?: readonly DenyRule[];
  readonly allow: readonly AllowRule[];
  /** Names of adapters that must allow as well. */
  readonly also?: readonly string[];
}

/** Who `@me` and `@roots` are on this machine. */
export interface PolicyMembers {
  readonly me?: readonly Did[];
  readonly roots?: readonly Did[];
}

/** The id of a rule, or its place: `allow[0]`. */
export function nameOf(rule: DenyRule, list: "deny" | "allow", index: number): string {
  return rule.id ?? `${list}[${index}]`;
}

/** The trust that a rule asks for, its gaps filled from `defaults`. */
export function trustOf(rule: AllowRule, defaults: Defaults | undefined): Required<TrustRequirement> | undefined {
  if (rule.trust === undefined) return undefined;
  const trust = typeof rule.trust === "number" ? { min: rule.trust } : rule.trust;
  return { scope: defaults?.scope ?? "tools", maxAge: defaults?.maxTrustAge ?? "24h", ...trust };
}

/** What a rule does with callers without a score; undefined if it asks for none. */
export function unknownOf(rule: AllowRule, defaults: Defaults | undefined): Unknown | undefined {
  return rule.trust === undefined ? undefined : (rule.unknown ?? defaults?.unknown ?? "deny");
}

/** The approval by which a person may stand in for trust: the rule's own, or else one by `defaults.approvers`. */
export function standInOf(rule: AllowRule, defaults: Defaults | undefined): Approval | undefined {
  if (unknownOf(rule, defaults) !== "ask-human") return undefined;
  return rule.approval ?? (defaults?.approvers === undefined ? undefined : { by: defaults.approvers });
}

/** The one target of a rule. */
export function targetOf(rule: DenyRule | AllowRule): { kind: TargetKind; patterns: readonly string[] } {
  for (const kind of targetKinds) {
    const patterns = rule[kind];
    if (patterns !== undefined) return { kind, patterns: listOf(patterns) };
  }
  throw new TypeError("a rule without a target");
}

/** One or more as a list. */
export function listOf<T extends string | object>(value: OneOrMore<T> | undefined): readonly T[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}
