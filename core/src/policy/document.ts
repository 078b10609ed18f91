import type { Did } from "../did/did-key.ts";

// The document as it is written, after YAML: defaults are not filled in. grammar.ts is its zod schema.

/** The four kinds of target, in the order of the grammar. */
export const targetKinds = ["tools", "prompts", "resources", "methods"] as const;
/** What a rule is about. */
export type TargetKind = (typeof targetKinds)[number];

export type OneOrMore<T> = T | readonly T[];
/** A DID, `"*"` (any verified DID), `"@me"`, `"@roots"` or `"@group"`. */
export type Principal = string;
/** A whole number of seconds, minutes, hours or days: `30s`, `15m`, `24h`, `7d`. */
export type Duration = string;
/** What happens to a caller without a score. */
export type Unknown = "deny" | "allow-readonly";
/** A value that arguments are compared with. */
export type Scalar = string | number | boolean;

/** The operators of one argument test; all must hold. */
export interface Operators {
  readonly "=="?: Scalar;
  readonly "!="?: Scalar;
  readonly in?: readonly Scalar[];
  readonly notIn?: readonly Scalar[];
  readonly "<"?: number;
  readonly "<="?: number;
  readonly ">"?: number;
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

/** A rate limit: a bucket of `calls` that refills over `per`. */
export interface Limit {
  readonly calls: number;
  readonly per: Duration;
  readonly of?: "all" | OneOrMore<"agent" | "tool">;
  readonly name?: string;
}

interface Rule extends Readonly<Partial<Record<TargetKind, OneOrMore<string>>>> {
  readonly id?: string;
  readonly args?: ArgumentTests;
  /** RFC 3339, UTC; in force from then on. */
  readonly from?: string;
  /** RFC 3339, UTC; in force before then. */
  readonly until?: string;
  readonly because?: string;
}

/** A rule that refuses; without `agents` everyone. */
export interface DenyRule extends Rule {
  readonly agents?: OneOrMore<Principal>;
}

/** A rule that admits. */
export interface AllowRule extends Rule {
  readonly agents: OneOrMore<Principal>;
  readonly binding?: "message";
  readonly trust?: number | TrustRequirement;
  readonly unknown?: Unknown;
  readonly closed?: boolean;
  readonly limit?: OneOrMore<Limit>;
  readonly audit?: "durable";
}

/** A policy document. */
export interface PolicyDocument {
  readonly apiVersion: "peerage.dev/v1";
  readonly kind: "Policy";
  readonly metadata?: { readonly name: string; readonly version?: string };
  readonly open?: boolean;
  readonly groups?: Readonly<Record<string, OneOrMore<Principal>>>;
  readonly defaults?: { readonly scope?: string; readonly unknown?: Unknown; readonly maxTrustAge?: Duration };
  readonly readonly?: OneOrMore<string>;
  readonly deny?: readonly DenyRule[];
  readonly allow: readonly AllowRule[];
}

/** Who `@me` and `@roots` are on this machine. */
export interface PolicyMembers {
  readonly me?: readonly Did[];
  readonly roots?: readonly Did[];
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
