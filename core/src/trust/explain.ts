/* eslint-disable @typescript-eslint/no-non-null-assertion -- every index is within bounds by construction */
import type { Did } from "../did/did-key.ts";
import type { Digest } from "../json/digest.ts";
import { ChainFinder, contribution, type Hop } from "./chain.ts";
import { WEIGHT } from "./edge-list.ts";
import { type Evidence, FLOW, type FlowState, gather, hopsTo } from "./flow-state.ts";
import { FlowVector, scoreOf } from "./flow.ts";
import type { TrustGraph, VouchFields } from "./graph.ts";
import { findSupport } from "./holds-up.ts";
import { countIndependent } from "./independent.ts";
import { type Provenance, publish, type Score } from "./metric.ts";
import { findAdditions } from "./raise.ts";

/** One vouch of a chain. */
export interface ChainStep {
  readonly issuer: Did;
  readonly subject: Did;
  readonly vouch: Digest;
  /** 1 to 100, as the vouch says. */
  readonly confidence: number;
  /** What this vouch contributes to its subject, at that many hops from the roots. */
  readonly value: number;
}

/** What one voucher contributes to the target: `value = decay · power · dilution · weight`. */
export interface Contribution {
  readonly voucher: Did;
  readonly vouch: Digest;
  /** A root's word counts in full: decay, power and dilution are 1. */
  readonly root: boolean;
  /** μ, or 1 for a root. */
  readonly decay: number;
  /** min(1, p) of the voucher. */
  readonly power: number;
  /** min(1, K / W) of the voucher. */
  readonly dilution: number;
  /** confidence / 100. */
  readonly weight: number;
  /** What it adds to the score, 0 to 1. */
  readonly value: number;
  /** The chain that carried most of it, from a root to the target. */
  readonly chain: readonly ChainStep[];
}

/** The vouch whose removal would cost the target most, and its score then. */
export interface HoldsUp {
  readonly issuer: Did;
  readonly subject: Did;
  readonly vouch: Digest;
  readonly scoreAfter: Score;
  /** False if the graph is too entangled to rule out that another vouch matters even more. */
  readonly exact: boolean;
}

/** A way to reach the threshold: these agents, who do not vouch for the target yet, do so with this confidence. */
export interface RaiseOption {
  readonly by: readonly Did[];
  /** 1 to 100. */
  readonly confidence: number;
  readonly scoreAfter: Score;
}

/** A vouch for the target that was looked at and does not count, and why. */
export interface NotCounted {
  readonly vouch: Pick<VouchFields, "id" | "issuer" | "subject">;
  readonly reason: string;
}

/** Most contributions, powerless vouchers and vouches not counted that an explanation lists: the largest, the first. */
export const MOST_LISTED = 1_000;

/** How much more there is than an explanation lists. */
export interface Unlisted {
  /** Contributions that are not listed. */
  readonly contributions: number;
  /** What those contribute together. */
  readonly value: number;
  /** Vouchers without power that are not listed. */
  readonly powerless: number;
  /** Vouches left out of the graph that are not listed. */
  readonly notCounted: number;
}

/** Why an agent has its score; see docs/trust.md. */
export interface Explanation {
  readonly target: string;
  readonly score: Score;
  /** The target is a root: its score is 1 by choice, and nothing else is said about it. */
  readonly root: boolean;
  /** What the contributions add up to, in their order; the score is at most 1 of it. 0 for a root and for an unknown. */
  readonly evidence: number;
  /** Ascending by the voucher's DID, the order in which they are added. */
  readonly contributions: readonly Contribution[];
  /** Chains without a common agent; up to 16 are told apart. */
  readonly independentVouchers: number;
  /** Absent if the loss of no single vouch lowers the score. */
  readonly holdsUp?: HoldsUp;
  /** Given a threshold that is not reached: the ways to reach it with the fewest vouches; none if no agent can. */
  readonly raise?: { readonly threshold: number; readonly options: readonly RaiseOption[] };
  /** Agents that vouch for the target and whom the roots give no power. */
  readonly powerless: readonly Did[];
  /** As passed in by the caller, who chose the vouches in force. */
  readonly notCounted: readonly NotCounted[];
  /** Absent if everything is listed, as it is unless thousands vouch for the target. */
  readonly unlisted?: Unlisted;
  readonly provenance: Provenance;
}

/** What {@link explainTrust} is asked. */
export interface ExplainOptions {
  readonly roots: Iterable<Did>;
  readonly target: string;
  /** In (0, 1]: also say what would raise the score to it. */
  readonly threshold?: number;
  /** Vouches that were considered and left out of the graph. */
  readonly notCounted?: readonly NotCounted[];
  /** Entries of the log that the graph was made from, for the explanation to name. */
  readonly logSize?: number;
  /** The scores for these very roots, if they are at hand; otherwise they are computed. */
  readonly vector?: FlowVector;
}

/**
 * Explains a trust score.
 * @throws {RangeError} a threshold outside (0, 1], or a vector of another graph, other roots or an older state
 */
export function explainTrust(graph: TrustGraph, options: ExplainOptions): Explanation {
  const { target, threshold, logSize } = options;
  if (threshold !== undefined && !(threshold > 0 && threshold <= 1)) throw new RangeError("a threshold is in (0, 1]");
  const vector = vectorFor(graph, options);
  const score = vector.score(target);
  const root = vector.roots.includes(target as Did);
  const index = root ? -1 : graph.indexOf(target);
  const { unlisted, ...working } = index < 0 ? nothing : work(vector, index);
  const notCounted = (options.notCounted ?? []).slice(0, MOST_LISTED);
  const more = { ...unlisted, notCounted: (options.notCounted?.length ?? 0) - notCounted.length };
  const raise = threshold === undefined || (score !== "unknown" && score >= threshold) ? undefined : threshold;
  return {
    target,
    score,
    root,
    ...working,
    ...(raise === undefined ? {} : { raise: { threshold: raise, options: raiseTo(vector, index, raise) } }),
    notCounted,
    ...(more.contributions + more.powerless + more.notCounted > 0 ? { unlisted: more } : {}),
    provenance: vector.provenance(logSize),
  };
}

const nothing = {
  evidence: 0,
  contributions: [],
  independentVouchers: 0,
  powerless: [],
  unlisted: { contributions: 0, value: 0, powerless: 0 },
};

function vectorFor(graph: TrustGraph, { vector, roots }: ExplainOptions): FlowVector {
  if (!vector) return new FlowVector(graph, roots);
  const wanted = new Set(roots);
  if (vector.graph !== graph || !vector.current) throw new RangeError("the scores are of another state of the graph");
  if (wanted.size !== vector.roots.length || vector.roots.some((root) => !wanted.has(root))) {
    throw new RangeError("the scores are as seen from other roots");
  }
  return vector;
}

type Working = Pick<Explanation, "evidence" | "contributions" | "independentVouchers" | "powerless" | "holdsUp"> & {
  readonly unlisted: Omit<Unlisted, "notCounted">;
};

function work(vector: FlowVector, target: number): Working {
  const { graph, state } = vector;
  const { edges } = graph;
  const share = state.shares(FLOW.L - 1);
  const run = edges.incoming(target);
  const given: Hop[] = [];
  const powerless: Did[] = [];
  let unheard = 0;
  for (let i = run.start; i < run.end; i++) {
    const issuer = run.peers[i]!;
    const confidence = run.confidences[i]!;
    if (share[issuer] !== 0) {
      given.push({ issuer, subject: target, confidence, value: contribution(share[issuer]!, confidence) });
    } else if (powerless.length < MOST_LISTED) powerless.push(graph.did(issuer));
    else unheard++;
  }
  const listed = largest(given);
  const rest = given.length > listed.length ? withoutAll(given, listed) : [];
  const chains = new ChainFinder(state, target);
  const support = given.length === 0 ? undefined : findSupport(state, target, hopsTo(edges, target));
  return {
    evidence: state.evidence(target),
    contributions: listed.map((hop) => contributionOf(vector, hop, chains)),
    unlisted: {
      contributions: rest.length,
      value: rest.reduce((sum, { value }) => sum + value, 0),
      powerless: unheard,
    },
    independentVouchers: countIndependent(state, target),
    powerless,
    ...(support && {
      holdsUp: {
        issuer: graph.did(support.issuer),
        subject: graph.did(support.subject),
        vouch: vouchId(graph, support.issuer, support.subject),
        scoreAfter: scoreOf(support.evidenceAfter),
        exact: support.exact,
      },
    }),
  };
}

/** The largest, in the order in which they came. */
function largest(given: readonly Hop[]): readonly Hop[] {
  if (given.length <= MOST_LISTED) return given;
  const kept = new Set([...given].sort((a, b) => b.value - a.value).slice(0, MOST_LISTED));
  return given.filter((hop) => kept.has(hop));
}

function withoutAll(given: readonly Hop[], listed: readonly Hop[]): Hop[] {
  const known = new Set(listed);
  return given.filter((hop) => !known.has(hop));
}

function contributionOf({ graph, state }: FlowVector, last: Hop, chains: ChainFinder): Contribution {
  const { issuer, subject, confidence, value } = last;
  const root = state.isRoot(issuer);
  return {
    voucher: graph.did(issuer),
    vouch: vouchId(graph, issuer, subject),
    root,
    decay: root ? 1 : FLOW.mu,
    power: root ? 1 : Math.min(1, powerOf(state, issuer)),
    dilution: root ? 1 : Math.min(1, FLOW.K / graph.edges.outWeight[issuer]!),
    weight: WEIGHT[confidence]!,
    value,
    chain: [...chains.strongest(issuer, FLOW.L - 1), last].map((hop) => step(graph, hop)),
  };
}

/** p(v) with which the last hop is computed. */
function powerOf(state: FlowState, agent: number): number {
  const sum: Evidence = { evidence: 0, largest: 0 };
  gather(state.graph.incoming(agent), state.shares(FLOW.L - 2), sum);
  return sum.evidence - sum.largest;
}

function raiseTo(vector: FlowVector, target: number, threshold: number): RaiseOption[] {
  const { graph, state, roots } = vector;
  if (target >= 0) {
    const additions = findAdditions(state, target, threshold);
    const options = additions.map(({ issuers, confidence, evidenceAfter }) => ({
      by: issuers.map((issuer) => graph.did(issuer)),
      confidence,
      scoreAfter: scoreOf(evidenceAfter),
    }));
    if (options[0]?.by.length === 1) return options;
  }
  // A root that is in no vouch yet can always give its word, which counts in full beside what there is.
  const evidence = target < 0 ? 0 : state.evidence(target);
  const absent = roots.filter((root) => target < 0 || graph.indexOf(root) < 0);
  let confidence = 1;
  while (confidence < 100 && publish(Math.min(1, evidence + WEIGHT[confidence]!)) < threshold) confidence++;
  const scoreAfter = scoreOf(evidence + WEIGHT[confidence]!);
  return absent.slice(0, 3).map((root) => ({ by: [root], confidence, scoreAfter }));
}

function step(graph: TrustGraph, { issuer, subject, confidence, value }: Hop): ChainStep {
  return {
    issuer: graph.did(issuer),
    subject: graph.did(subject),
    vouch: vouchId(graph, issuer, subject),
    confidence,
    value,
  };
}

function vouchId(graph: TrustGraph, issuer: number, subject: number): Digest {
  return graph.vouch(graph.did(issuer), graph.did(subject))!.id;
}

/** The number of independent vouchers of an agent, without the rest of an explanation; 0 for roots and unknowns. */
export function independentVouchers(vector: FlowVector, target: string): number {
  const index = vector.graph.indexOf(target);
  return index < 0 || vector.state.isRoot(index) ? 0 : countIndependent(vector.state, index);
}
