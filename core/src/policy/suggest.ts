import type { AllowRule, PolicyDocument, TargetKind } from "./document.ts";
import { targetKinds } from "./document.ts";
import { kindOf, type PolicyInput } from "./input.ts";

/** A rule that some calls would need. */
export interface SuggestedRule {
  readonly rule: AllowRule;
  /** How many of the calls it is for. */
  readonly calls: number;
}

/** The narrowest policy by agents and targets under which calls would be admitted. */
export interface Suggestion {
  readonly document: PolicyDocument;
  /** As in the document, in its order. */
  readonly rules: readonly SuggestedRule[];
  /** How many calls no rule can be for: by nobody that is verified, or of a name with a `*` in it. */
  readonly left: number;
}

/**
 * Suggests a policy from the inputs of calls that should be admitted: which agents used which targets, and nothing more.
 * Targets that the same agents used share a rule. What arguments, trust or approvals to ask for is left to a person.
 */
export function suggestPolicy(inputs: Iterable<PolicyInput>): Suggestion {
  const seen = new Map<TargetKind, Map<string, Map<string, number>>>(targetKinds.map((kind) => [kind, new Map()]));
  let left = 0;
  for (const { method, target, caller } of inputs) {
    const agent = caller?.did ?? caller?.spiffe;
    const targets = seen.get(kindOf(method));
    if (agent === undefined || targets === undefined || target.includes("*")) {
      left++;
      continue;
    }
    const agents = targets.get(target) ?? new Map<string, number>();
    targets.set(target, agents.set(agent, (agents.get(agent) ?? 0) + 1));
  }
  const rules = [...seen].flatMap(([kind, targets]) => rulesOf(kind, targets));
  const named = rules.map(({ rule, calls }, index) => ({ rule: { id: `seen-${index + 1}`, ...rule }, calls }));
  const allow = named.map(({ rule }) => rule);
  return { document: { apiVersion: "peerage.dev/v1", kind: "Policy", allow }, rules: named, left };
}

/** One rule for all targets that the same agents used; the most used first. */
function rulesOf(kind: TargetKind, targets: ReadonlyMap<string, ReadonlyMap<string, number>>): SuggestedRule[] {
  const shared = new Map<string, { targets: string[]; agents: readonly string[]; calls: number }>();
  for (const [target, agents] of targets) {
    const names = [...agents.keys()].sort();
    const key = JSON.stringify(names);
    const rule = shared.get(key) ?? { targets: [], agents: names, calls: 0 };
    rule.targets.push(target);
    rule.calls += [...agents.values()].reduce((sum, calls) => sum + calls, 0);
    shared.set(key, rule);
  }
  return [...shared.values()]
    .sort((a, b) => b.calls - a.calls)
    .map(({ targets: names, agents, calls }) => ({
      rule: {
        [kind]: names.length === 1 ? names[0] : names.sort(),
        agents: agents.length === 1 ? agents.join() : agents,
      },
      calls,
    }));
}
