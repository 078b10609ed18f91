import type { JsonValue } from "../json/types.ts";
import { member } from "../json/types.ts";
import { compileArgs, type CompiledArgs, type Verdict } from "./args.ts";
import {
  listOf,
  trustOf,
  unknownOf,
  type AllowRule,
  type DenyRule,
  type PolicyDocument,
  type Unknown,
} from "./document.ts";
import type { CompiledBudget } from "./counters.ts";
import { anyMatcher, pathGlob, type Matcher } from "./glob.ts";
import { bindings, type Binding, type CallerFacts, type Facts, type PolicyInput } from "./input.ts";
import { includes, principalSet } from "./principals.ts";
import { parseDuration } from "./time.ts";
import { either, principalsText, testText } from "./wording.ts";

/** What a rule can ask of a call, by the key of the language that asks it. */
export type ConditionKind =
  | "agents"
  | "approval"
  | "args"
  | "binding"
  | "budget"
  | "closed"
  | "custody"
  | "require"
  | "signers"
  | "spiffe"
  | "trust"
  | "when";

/** One condition, compiled: its verdict, and what it wants and finds, for people. */
export interface Condition {
  readonly kind: ConditionKind;
  /** The argument path of `args` and `budget`. */
  readonly path?: string;
  readonly wanted: string;
  /** Undefined: it cannot be evaluated, which is not met in an allow rule and met in a deny rule. */
  readonly holds: (facts: Facts) => Verdict;
  readonly found: (facts: Facts) => string;
}

/** Decides a CEL expression; anything but true or false, an error among it, cannot be evaluated. */
export type When = (input: PolicyInput) => unknown;

type Rule = AllowRule | DenyRule;

/** Who the rule is about: `agents` and `spiffe`. A deny rule also sees a SPIFFE ID that is not bound, beside a bound one. */
export function callerConditions(rule: Rule, list: "deny" | "allow", document: PolicyDocument): Condition[] {
  const conditions: Condition[] = [];
  const unboundOf = (caller: CallerFacts | undefined): string | undefined =>
    list === "deny" ? caller?.unbound : undefined;
  const spiffeOf = ({ caller }: Facts): string | undefined => caller?.spiffe ?? unboundOf(caller);
  if (rule.agents !== undefined) {
    const agents = principalSet(rule.agents, document.groups);
    conditions.push({
      kind: "agents",
      wanted: `a call by ${principalsText(rule.agents)}`,
      holds: ({ caller }) =>
        caller === undefined
          ? undefined
          : includes(agents, caller.did, caller.spiffe) || includes(agents, caller.did, unboundOf(caller)),
      found: (facts) => facts.caller?.did ?? spiffeOf(facts) ?? "no caller",
    });
  }
  if (rule.spiffe !== undefined) {
    const patterns = listOf<string>(rule.spiffe);
    const matches: Matcher = anyMatcher(patterns.map(pathGlob));
    const isLike = (id: string | undefined): boolean => id !== undefined && matches(id) === true;
    conditions.push({
      kind: "spiffe",
      wanted: `a bound SPIFFE ID like ${either(patterns)}`,
      holds: ({ caller }) => (caller === undefined ? undefined : isLike(caller.spiffe) || isLike(unboundOf(caller))),
      found: (facts) => spiffeOf(facts) ?? (facts.caller?.unbound === undefined ? "none" : "one that is not bound"),
    });
  }
  return conditions;
}

/** The tests of the call's arguments. */
export function argsConditions(rule: Rule): { conditions: Condition[]; compiled: CompiledArgs | undefined } {
  if (rule.args === undefined) return { conditions: [], compiled: undefined };
  const compiled = compileArgs(rule.args);
  const conditions = compiled.tests.map(({ path, test, found }): Condition => {
    const wanted = rule.args?.[path];
    return {
      kind: "args",
      path,
      wanted: wanted === undefined ? path : testText(path, wanted),
      holds: ({ args }) => test(args),
      found: ({ args }) => found(args),
    };
  });
  return { conditions, compiled };
}

/** The expression of `when`. */
export function whenCondition(expression: string, when: When): Condition {
  const evaluate = ({ input }: Facts): unknown => {
    try {
      return when(input);
    } catch {
      return undefined;
    }
  };
  return {
    kind: "when",
    wanted: expression,
    holds: (facts) => {
      const answer = evaluate(facts);
      return typeof answer === "boolean" ? answer : undefined;
    },
    found: (facts) => {
      const answer = evaluate(facts);
      return typeof answer === "boolean" ? String(answer) : "no answer";
    },
  };
}

/** `binding`: levels never add up. */
export function bindingCondition(wanted: Binding): Condition {
  const least = bindings.indexOf(wanted);
  return {
    kind: "binding",
    wanted: `a caller bound to the ${wanted}`,
    holds: ({ caller }) => caller !== undefined && caller.level >= least,
    found: ({ caller }) => (caller === undefined ? "no caller" : (bindings[caller.level] ?? "none")),
  };
}

/** `closed`: no argument that `args` does not name. */
export function closedCondition(args: CompiledArgs | undefined): Condition {
  const hasNone = (all: JsonValue | undefined): boolean =>
    typeof all === "object" && all !== null && Object.keys(all).length === 0;
  const allNamed = args?.allNamed ?? hasNone;
  return {
    kind: "closed",
    wanted: "no other argument",
    holds: (facts) => allNamed(facts.args),
    found: (facts) => (allNamed(facts.args) ? "none" : "another argument, or none that can be read"),
  };
}

/** `budget` with `sum`: the amount is a whole number, not negative. */
export function budgetConditions(budgets: readonly CompiledBudget[]): Condition[] {
  return budgets.flatMap(({ path, amount }): Condition[] =>
    path === undefined
      ? []
      : [
          {
            kind: "budget",
            path,
            wanted: `${path} a whole number, not negative`,
            holds: (facts) => amount(facts) !== undefined,
            found: (facts) => String(amount(facts) ?? "no such number"),
          },
        ],
  );
}

/** `custody`: a history is not a bearer token. */
export const custodyCondition: Condition = {
  kind: "custody",
  wanted: "a history whose run the caller may continue",
  holds: ({ inCustody }) => inCustody,
  found: ({ inCustody, presented }) => {
    if (inCustody) return "its own run, or one handed to it";
    return presented === 0 ? "no history" : "the run of another agent";
  },
};

/** `signers`: of every presented entry but this guard's own. */
export function signersCondition(rule: AllowRule, document: PolicyDocument): Condition[] {
  if (rule.signers === undefined) return [];
  const signers = principalSet(rule.signers, document.groups);
  const stranger = ({ evidence, presented, server }: Facts): string | undefined => {
    for (let place = 0; place < presented; place++) {
      const entry = evidence.entries[place];
      if (entry !== undefined && entry.agent !== server && !includes(signers, entry.agent, entry.spiffe)) {
        return entry.agent;
      }
    }
    return undefined;
  };
  return [
    {
      kind: "signers",
      wanted: `every entry signed by ${principalsText(rule.signers)}`,
      holds: (facts) => stranger(facts) === undefined,
      found: (facts) => stranger(facts) ?? "no other signer",
    },
  ];
}

/** The trust that a rule asks for. */
export interface CompiledTrust {
  readonly scope: string;
  readonly min: number;
  readonly maxAgeSeconds: number;
  readonly unknown: Unknown;
  readonly wanted: string;
}

/** `human`: the caller is unknown, and a person may stand in. */
export type TrustVerdict = "holds" | "low" | "unknown" | "human";

export function compileTrust(rule: AllowRule, defaults: PolicyDocument["defaults"]): CompiledTrust | undefined {
  const trust = trustOf(rule, defaults);
  if (!trust) return undefined;
  const { scope, min, maxAge } = trust;
  return {
    scope,
    min,
    maxAgeSeconds: parseDuration(maxAge) ?? 0,
    unknown: unknownOf(rule, defaults) ?? "deny",
    wanted: `a score of at least ${min} in ${scope}, from data younger than ${maxAge}`,
  };
}

/** A score below `min` fails whatever `unknown` says; `unknown` speaks of no score, or none from data fresh enough. */
export function judgeTrust(trust: CompiledTrust, facts: Facts, readonly: Matcher): TrustVerdict {
  const score = member(facts.trust, trust.scope);
  const isFresh = facts.trustAgeSeconds !== undefined && facts.trustAgeSeconds < trust.maxAgeSeconds;
  if (typeof score === "number" && isFresh) return score >= trust.min ? "holds" : "low";
  if (trust.unknown === "ask-human") return "human";
  return trust.unknown === "allow-readonly" && readonly(facts.target) === true ? "holds" : "unknown";
}

/** What stands where a score is wanted. */
export function trustFound(trust: CompiledTrust, facts: Facts): string {
  const score = member(facts.trust, trust.scope);
  if (typeof score !== "number") return "unknown: no chain from this guard's roots";
  const age = facts.trustAgeSeconds;
  return `${score}, from data ${age === undefined ? "of unknown age" : `${age} s old`}`;
}
