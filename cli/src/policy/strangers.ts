import type { AllowRule, Limit, PolicyDocument } from "@peerage/core";

/** What somebody whom nobody knows could do under a policy: one rule, and what it still asks for. */
export interface StrangerRule {
  readonly rule: string;
  readonly kind: "tools" | "prompts" | "resources" | "methods";
  readonly targets: readonly string[];
  /** What must be so beside a signed call, in words. */
  readonly wants: readonly string[];
}

/** The rules of a policy that let in anyone who makes a key, without a score and without a SPIFFE ID. */
export function strangerRules(document: PolicyDocument): StrangerRule[] {
  return document.allow.flatMap((rule, index) => {
    if (rule.spiffe !== undefined || !list(rule.agents).includes("*")) return [];
    const unknown = rule.trust === undefined ? undefined : (rule.unknown ?? document.defaults?.unknown ?? "deny");
    if (unknown === "deny") return [];
    const kind = (["tools", "prompts", "resources", "methods"] as const).find((one) => rule[one] !== undefined);
    if (kind === undefined) return [];
    const wants = [...wantsOf(rule, unknown, document), ...limitsOf(rule)];
    return [{ rule: rule.id ?? `allow[${index}]`, kind, targets: list(rule[kind]), wants }];
  });
}

function wantsOf(rule: AllowRule, unknown: string | undefined, document: PolicyDocument): string[] {
  const wants: string[] = [];
  if (unknown === "allow-readonly")
    wants.push(`only what is read-only: ${list(document.readonly).join(", ") || "nothing"}`);
  if (unknown === "ask-human") {
    const by = rule.approval?.by ?? document.defaults?.approvers;
    wants.push(`after a yes by ${list(by).join(", ")}`);
  }
  for (const { step, by } of rule.require ?? []) wants.push(`after ${step} by ${list(by).join(", ")}`);
  if (rule.approval !== undefined && unknown !== "ask-human")
    wants.push(`after a yes by ${list(rule.approval.by).join(", ")}`);
  if (rule.args !== undefined) wants.push(`with ${Object.keys(rule.args).join(", ")} as the rule says`);
  if (rule.when !== undefined) wants.push("when its condition holds");
  return wants;
}

function limitsOf({ limit }: AllowRule): string[] {
  const limits = limit === undefined ? [] : Array.isArray(limit) ? (limit as readonly Limit[]) : [limit as Limit];
  return limits.map(({ calls, per, of }) => `at most ${calls} in ${per}${of === "all" ? " by all together" : ""}`);
}

function list(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : typeof value === "string" ? [value] : value;
}
