export { parsePolicy, MAX_POLICY_RULES, type Policy } from "./load.ts";
export type { PolicyFile } from "./merge.ts";
export type { CompileWhen, PolicyEngines } from "./engines.ts";
export { MAX_POLICY_BYTES } from "./read-yaml.ts";
export {
  decide,
  couldAllow,
  requiredScopes,
  type ApprovalAsk,
  type Decision,
  type FailedCondition,
  type Failure,
  type Obligations,
} from "./decide.ts";
export {
  explainDecision,
  type ExplainedCondition,
  type ExplainedRule,
  type Explanation as PolicyExplanation,
} from "./explain.ts";
export {
  diffPolicies,
  replayCalls,
  type PolicyDiff,
  type RecordedCall,
  type ReplayedCall,
  type ReplayReport,
  type RuleRef,
} from "./diff.ts";
export { parsePolicyTests, testPolicy, type PolicyTest, type PolicyTestResult } from "./policy-tests.ts";
export { suggestPolicy, type SuggestedRule, type Suggestion } from "./suggest.ts";
export { completeInput, type PartialInput } from "./complete-input.ts";
export type { GuardMemory } from "./judge.ts";
export { bindings, inputDigest, type Binding, type CallerDocument, type PolicyInput } from "./input.ts";
export { counterKey, type BudgetObligation, type LimitObligation } from "./counters.ts";
export type { ConditionKind } from "./conditions.ts";
export type {
  AllowRule,
  Approval,
  ArgumentTest,
  ArgumentTests,
  Budget,
  DenyRule,
  Dimension,
  Limit,
  Need,
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
export { loadCel, MAX_CEL_LENGTH, MAX_CEL_NESTING, MAX_CEL_NODES, mentionsWhen } from "./cel.ts";
export {
  ADAPTER_TIMEOUT_MS,
  askAdapters,
  type AdapterAnswer,
  type PolicyAdapter,
  type PolicyAdapters,
} from "./adapters/adapter.ts";
export { cedarAdapter, type CedarOptions } from "./adapters/cedar.ts";
export { CEDAR_TYPES } from "./adapters/cedar-request.ts";
export { MAX_OPA_ANSWER_BYTES, OPA_TIMEOUT_MS, opaAdapter, type OpaOptions } from "./adapters/opa.ts";
