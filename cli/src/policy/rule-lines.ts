import type { AllowRule, DenyRule, PolicyDocument } from "@peerage/core";

/** Who may, or may not, use what: one rule in short. */
export interface RuleLine {
  readonly list: "allow" | "deny";
  readonly rule: string;
  readonly kind: "tools" | "prompts" | "resources" | "methods";
  readonly targets: readonly string[];
  /** Principals, SPIFFE ID patterns among them; everyone, of a deny rule that names nobody. */
  readonly agents: readonly string[];
  /** The other conditions, by their keys. */
  readonly asks: readonly string[];
  readonly until?: string;
}

/** The rules of a policy in the order in which they are asked: deny first. */
export function ruleLinesOf({ deny = [], allow }: PolicyDocument): readonly RuleLine[] {
  return [
    ...deny.map((rule, index) => lineOf(rule, "deny", index)),
    ...allow.map((rule, index) => lineOf(rule, "allow", index)),
  ];
}

const kinds = ["tools", "prompts", "resources", "methods"] as const;
const notAsked = new Set<string>([...kinds, "id", "agents", "spiffe", "because", "from", "until"]);

function lineOf(rule: AllowRule | DenyRule, list: RuleLine["list"], index: number): RuleLine {
  const kind = kinds.find((one) => rule[one] !== undefined) ?? "tools";
  const agents = [rule.agents ?? [], rule.spiffe ?? []].flat();
  return {
    list,
    rule: rule.id ?? `${list}[${index}]`,
    kind,
    targets: [rule[kind] ?? []].flat(),
    agents: agents.length === 0 ? ["*"] : agents,
    asks: Object.keys(rule).filter((key) => !notAsked.has(key)),
    ...(rule.until === undefined ? {} : { until: rule.until }),
  };
}
