export { parsePolicy, MAX_POLICY_RULES, type Policy } from "./load.ts";
export { MAX_POLICY_BYTES } from "./read-yaml.ts";
export { decide, couldAllow, requiredScopes, type Condition, type Decision, type Failure } from "./decide.ts";
export { bindings, type Binding, type PolicyInput } from "./input.ts";
export type { LimitObligation, Obligations } from "./compile.ts";
export type {
  AllowRule,
  ArgumentTest,
  ArgumentTests,
  DenyRule,
  Limit,
  Operators,
  PolicyDocument,
  PolicyMembers,
  TargetKind,
  TrustRequirement,
  Unknown,
} from "./document.ts";
export { formatProblem, type PolicyProblem } from "./problem.ts";
export { policySchema } from "./grammar.ts";
export { policyJsonSchema } from "./json-schema.ts";
