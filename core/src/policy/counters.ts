import { findArgument, parseArgumentPath } from "./argument-path.ts";
import {
  dimensions,
  listOf,
  type AllowRule,
  type Budget,
  type Dimension,
  type Dimensions,
  type Limit,
} from "./document.ts";
import type { Facts, PolicyInput } from "./input.ts";
import { parseDuration } from "./time.ts";

interface Counter {
  /** Names the counter within this guard: the name or the rule's, and its dimensions. Survives edits of numbers. */
  readonly counter: string;
  readonly perSeconds: number;
  /** Who has a counter of their own; empty: all callers, tools and runs share one. */
  readonly of: readonly Dimension[];
}

/** A bucket that an admitted call draws from; the guard keeps the counters. */
export interface LimitObligation extends Counter {
  /** The size of the bucket; it refills over `perSeconds`. */
  readonly calls: number;
}

/** An amount that is reserved in the current window, and given back only if nothing was sent. */
export interface BudgetObligation extends Counter {
  /** The most that a window of `perSeconds`, aligned to the epoch, may sum up to. */
  readonly max: number;
  /** What this call adds: a whole number, not negative. */
  readonly amount: number;
}

/** The key under which a guard counts a call: the counter with this call's agent, tool and run. */
export function counterKey({ counter, of }: Pick<Counter, "counter" | "of">, input: PolicyInput): string {
  const parts: Readonly<Record<Dimension, string>> = {
    agent: input.caller?.did ?? input.caller?.spiffe ?? "",
    tool: input.target,
    // Calls without a history share one counter: a fresh run costs nothing to begin.
    run: input.run ?? "",
  };
  return [counter, ...of.map((dimension) => JSON.stringify(parts[dimension]))].join(" ");
}

/** A budget, compiled; its amount is known only with the call. */
export interface CompiledBudget extends Counter {
  readonly max: number;
  /** The argument that is summed. */
  readonly path: string | undefined;
  /** What the call adds; undefined if the argument is no whole number, or negative, which refuses. */
  readonly amount: (facts: Facts) => number | undefined;
}

export function compileLimits(rule: AllowRule, ruleName: string): LimitObligation[] {
  const name = counterNames(ruleName);
  return listOf<Limit>(rule.limit).map((limit) => ({
    ...name(limit),
    calls: limit.calls,
    perSeconds: parseDuration(limit.per) ?? 0,
  }));
}

export function compileBudgets(rule: AllowRule, ruleName: string): CompiledBudget[] {
  const name = counterNames(`budget/${ruleName}`, "budget/");
  return listOf<Budget>(rule.budget).map((budget) => ({
    ...name(budget),
    max: budget.max,
    perSeconds: parseDuration(budget.per) ?? 0,
    path: budget.sum,
    amount: amountOf(budget),
  }));
}

/** The dimensions of a counter in fixed order; empty for `all`. */
export function dimensionsOf(of: Dimensions | undefined): readonly Dimension[] {
  if (of === "all") return [];
  const named = listOf<Dimension>(of ?? "agent");
  return dimensions.filter((dimension) => named.includes(dimension));
}

function counterNames(own: string, prefix = ""): (counted: Limit | Budget) => Pick<Counter, "counter" | "of"> {
  const seen = new Map<string, number>();
  return ({ name, of }) => {
    const named = dimensionsOf(of);
    const base = `${name === undefined ? own : `${prefix}${name}`}/${named.join("+") || "all"}`;
    // A second one of one rule over the same callers is a counter of its own: 10 a second and 100 an hour.
    const count = (seen.get(base) ?? 0) + 1;
    seen.set(base, count);
    return { counter: count === 1 ? base : `${base}/${count}`, of: named };
  };
}

function amountOf({ sum, cost }: Budget): (facts: Facts) => number | undefined {
  if (sum === undefined) return () => cost;
  const path = parseArgumentPath(sum);
  if (!path) throw new TypeError(`not an argument path: ${sum}`);
  return ({ args }) => {
    const found = findArgument(args, path.segments);
    if (found.kind !== "value") return undefined;
    const values: unknown = path.each ? found.value : [found.value];
    if (!Array.isArray(values)) return undefined;
    let total = 0;
    for (const value of values as unknown[]) {
      if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) return undefined;
      total += value;
    }
    return Number.isSafeInteger(total) ? total : undefined;
  };
}
