import { compileArgs, type CompiledArgs } from "./args.ts";
import {
  listOf,
  targetOf,
  type AllowRule,
  type DenyRule,
  type Limit,
  type PolicyDocument,
  type TargetKind,
  type Unknown,
} from "./document.ts";
import { anyMatcher, nameGlob, pathGlob, type Matcher } from "./glob.ts";
import { principalSet, type PrincipalSet } from "./principals.ts";
import { parseDuration, parseTime } from "./time.ts";

/** A bucket that an admitted call draws from; the guard keeps the counters. */
export interface LimitObligation {
  /** Names the bucket within this guard: the limit's name or the rule's, and its dimensions. Survives edits of numbers. */
  readonly counter: string;
  /** The size of the bucket. */
  readonly calls: number;
  /** The time in which an empty bucket is full again. */
  readonly perSeconds: number;
  /** Who has a bucket of their own; empty: all callers and tools share one. */
  readonly of: readonly ("agent" | "tool")[];
}

/** What the guard must carry out with an admitted call; one that it cannot carry out is a refusal. */
export interface Obligations {
  readonly limits: readonly LimitObligation[];
  /** The decision is on disk before the call goes on. */
  readonly audit?: "durable";
}

/** A rule of either kind, compiled. */
export interface CompiledRule {
  /** Its id, or its place: `allow[0]`. */
  readonly name: string;
  readonly target: Matcher;
  readonly agents: PrincipalSet | undefined;
  /** Unix milliseconds; in force from `from` on and before `until`. */
  readonly from: number;
  readonly until: number;
  readonly args: CompiledArgs | undefined;
  readonly because: string | undefined;
}

/** An allow rule, compiled. */
export interface CompiledAllowRule extends CompiledRule {
  readonly agents: PrincipalSet;
  readonly trust: CompiledTrust | undefined;
  readonly closed: boolean;
  readonly obligations: Obligations;
}

export interface CompiledTrust {
  readonly scope: string;
  readonly min: number;
  readonly maxAgeSeconds: number;
  readonly unknown: Unknown;
}

/** A policy ready to decide: rules by what they are about, in file order. */
export interface CompiledPolicy {
  readonly deny: Readonly<Record<TargetKind, readonly CompiledRule[]>>;
  readonly allow: Readonly<Record<TargetKind, readonly CompiledAllowRule[]>>;
  readonly readonly: Matcher;
  /** The scopes that some rule asks a score for, sorted. */
  readonly scopes: readonly string[];
}

/** Compiles a resolved document that has passed the schema and the load checks. */
export function compile(document: PolicyDocument): CompiledPolicy {
  const deny = byKind<CompiledRule>();
  const allow = byKind<CompiledAllowRule>();
  for (const [index, rule] of (document.deny ?? []).entries()) {
    deny[targetOf(rule).kind].push(compileRule(rule, rule.id ?? `deny[${index}]`, document));
  }
  for (const [index, rule] of document.allow.entries()) {
    allow[targetOf(rule).kind].push(compileAllowRule(rule, rule.id ?? `allow[${index}]`, document));
  }
  const scopes = Object.values(allow).flatMap((rules) => rules.flatMap((rule) => rule.trust?.scope ?? []));
  return {
    deny,
    allow,
    readonly: anyMatcher(listOf<string>(document.readonly).map(nameGlob)),
    scopes: [...new Set(scopes)].sort(),
  };
}

function byKind<T>(): Record<TargetKind, T[]> {
  return { tools: [], prompts: [], resources: [], methods: [] };
}

function compileRule(rule: DenyRule | AllowRule, name: string, document: PolicyDocument): CompiledRule {
  const { kind, patterns } = targetOf(rule);
  return {
    name,
    target: anyMatcher(patterns.map(kind === "resources" ? pathGlob : nameGlob)),
    agents: rule.agents === undefined ? undefined : principalSet(rule.agents, document.groups),
    from: (rule.from === undefined ? undefined : parseTime(rule.from)) ?? -Infinity,
    until: (rule.until === undefined ? undefined : parseTime(rule.until)) ?? Infinity,
    args: rule.args === undefined ? undefined : compileArgs(rule.args),
    because: rule.because,
  };
}

function compileAllowRule(rule: AllowRule, name: string, document: PolicyDocument): CompiledAllowRule {
  return {
    ...compileRule(rule, name, document),
    agents: principalSet(rule.agents, document.groups),
    trust: compileTrust(rule, document.defaults),
    closed: rule.closed ?? false,
    obligations: {
      limits: compileLimits(listOf<Limit>(rule.limit), name),
      ...(rule.audit && { audit: rule.audit }),
    },
  };
}

/** The trust that a rule asks for, its gaps filled from `defaults`. */
export function compileTrust(rule: AllowRule, defaults: PolicyDocument["defaults"]): CompiledTrust | undefined {
  if (rule.trust === undefined) return undefined;
  const trust = typeof rule.trust === "number" ? { min: rule.trust } : rule.trust;
  return {
    scope: trust.scope ?? defaults?.scope ?? "tools",
    min: trust.min,
    maxAgeSeconds: parseDuration(trust.maxAge ?? defaults?.maxTrustAge ?? "24h") ?? 0,
    unknown: rule.unknown ?? defaults?.unknown ?? "deny",
  };
}

function compileLimits(limits: readonly Limit[], rule: string): LimitObligation[] {
  const seen = new Map<string, number>();
  return limits.map(({ calls, per, of, name }) => {
    const dimensions = dimensionsOf(of);
    const base = `${name ?? rule}/${dimensions.join("+") || "all"}`;
    // A second limit of one rule over the same callers is a bucket of its own: 10 a second and 100 an hour.
    const count = (seen.get(base) ?? 0) + 1;
    seen.set(base, count);
    const counter = count === 1 ? base : `${base}/${count}`;
    return { counter, calls, perSeconds: parseDuration(per) ?? 0, of: dimensions };
  });
}

/** The dimensions of a limit in fixed order; empty for `all`. */
export function dimensionsOf(of: Limit["of"]): readonly ("agent" | "tool")[] {
  if (of === "all") return [];
  const named = listOf<"agent" | "tool">(of ?? "agent");
  return (["agent", "tool"] as const).filter((dimension) => named.includes(dimension));
}
