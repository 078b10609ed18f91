/* eslint-disable @typescript-eslint/no-non-null-assertion -- every index is within bounds by construction */
import type { Did } from "../did/did-key.ts";
import { independentVouchers } from "../trust/explain.ts";
import { FLOW } from "../trust/flow-state.ts";
import type { FlowVector } from "../trust/flow.ts";
import type { View } from "./view.ts";

/** Reporters count from this score on. */
export const TRUSTED_REPORTER = 0.5;

/** What stands behind a score, for policies that ask for more than the number. */
export interface Standing {
  /** Chains from the roots without a common agent; 0 for a stranger. */
  readonly independent_vouchers: number;
  /**
   * Seconds since the newest and the oldest vouch that carries evidence was witnessed, or began if that was later;
   * absent for a stranger. A vouch by an agent without power carries none.
   */
  readonly newest_evidence_age_seconds?: number;
  /** The same of the oldest vouch, in seconds. */
  readonly oldest_evidence_age_seconds?: number;
  /** How many agents with a score of at least 0.5 in the scope report it, withdrawn reports apart. */
  readonly reports_from_trusted: number;
}

/**
 * The standing of an agent in the scope of `vector`, as seen from its roots. Reports never propagate and change no score:
 * what they mean is the policy's decision. Vouches and reports by those without weight cost a look each, no more.
 */
export function standingOf(view: View, vector: FlowVector, target: Did): Standing {
  const reporters = new Set<Did>();
  const trusted = (issuer: Did): boolean => {
    const score = vector.score(issuer);
    return typeof score === "number" && score >= TRUSTED_REPORTER;
  };
  for (const { statement, withdrawnBy } of view.reportsBy(trusted, target)) {
    if (!withdrawnBy) reporters.add(statement.issuer);
  }
  return {
    independent_vouchers: independentVouchers(vector, target),
    ...evidenceAges(view, vector, target),
    reports_from_trusted: reporters.size,
  };
}

function evidenceAges(
  view: View,
  { graph, state }: FlowVector,
  target: Did,
): Pick<Standing, "newest_evidence_age_seconds" | "oldest_evidence_age_seconds"> {
  const index = graph.indexOf(target);
  if (index < 0 || state.isRoot(index)) return {};
  const share = state.shares(FLOW.L - 1);
  const run = graph.edges.incoming(index);
  let [newest, oldest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = run.start; i < run.end; i++) {
    const voucher = run.peers[i]!;
    if (share[voucher] === 0) continue;
    const vouch = graph.vouch(graph.did(voucher), target)!;
    const witnessed = view.statement(vouch.id)?.time ?? vouch.validFrom;
    const age = view.time - Math.max(witnessed, vouch.validFrom);
    newest = Math.min(newest, age);
    oldest = Math.max(oldest, age);
  }
  return newest > oldest ? {} : { newest_evidence_age_seconds: newest, oldest_evidence_age_seconds: oldest };
}
