export {
  type ChainStep,
  type Contribution,
  type Explanation,
  type ExplainOptions,
  explainTrust,
  type HoldsUp,
  independentVouchers,
  MOST_LISTED,
  type NotCounted,
  type RaiseOption,
  type Unlisted,
} from "./explain.ts";
export { FLOW } from "./flow-state.ts";
export { flow, FlowVector, scoreVector } from "./flow.ts";
export { formatExplanation, type FormatOptions } from "./format-explanation.ts";
export { buildTrustGraph, TrustGraph, type GraphChange, type VouchEdge, type VouchFields } from "./graph.ts";
export {
  formatScore,
  type MetricName,
  type Provenance,
  type Score,
  type ScoreVector,
  type TrustMetric,
} from "./metric.ts";
export { path } from "./path.ts";
export { rank } from "./rank.ts";
export { metrics, trustScore, type TrustScore } from "./score.ts";
