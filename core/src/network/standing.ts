import type { Did } from "../did/did-key.ts";
import { independentVouchers } from "../trust/explain.ts";
import type { FlowVector } from "../trust/flow.ts";
import type { View } from "./view.ts";

/** Reporters count from this score on. */
export const TRUSTED_REPORTER = 0.5;

/** What stands behind a score, for policies that ask for more than the number. */
export interface Standing {
  /** Chains from the roots without a common agent; 0 for a stranger. */
  readonly independent_vouchers: number;
  /** Seconds since the newest and the oldest vouch that carries evidence was witnessed; absent for a stranger. */
  readonly newest_evidence_age_seconds?: number;
  readonly oldest_evidence_age_seconds?: number;
  /** How many agents with a score of at least 0.5 in the scope report it, withdrawn reports apart. */
  readonly reports_from_trusted: number;
}

/**
 * The standing of an agent in one scope, as seen from some roots. Reports never propagate and change no score: what they
 * mean is the policy's decision.
 */
export function standingOf(view: View, vector: FlowVector, target: Did, scope: string): Standing {
  const agent = view.agent(target);
  const carries = (did: Did): boolean => typeof vector.score(did) === "number";
  const times = (agent?.received ?? [])
    .filter(({ statement, scopes }) => scopes.includes(scope) && carries(statement.issuer))
    .map(({ statement, time }) => view.time - Math.max(time, statement.validFrom));
  const reporters = new Set<Did>();
  for (const { statement, withdrawnBy } of agent?.reports ?? []) {
    const score = vector.score(statement.issuer);
    if (!withdrawnBy && typeof score === "number" && score >= TRUSTED_REPORTER) reporters.add(statement.issuer);
  }
  return {
    independent_vouchers: independentVouchers(vector, target),
    ...(times.length === 0
      ? {}
      : { newest_evidence_age_seconds: Math.min(...times), oldest_evidence_age_seconds: Math.max(...times) }),
    reports_from_trusted: reporters.size,
  };
}
