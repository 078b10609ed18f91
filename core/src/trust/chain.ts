/* eslint-disable @typescript-eslint/no-non-null-assertion -- every index is within bounds by construction */
import { WEIGHT } from "./edge-list.ts";
import { FLOW, type FlowState } from "./flow-state.ts";

/** One hop of a chain as numbers. */
export interface Hop {
  readonly issuer: number;
  readonly subject: number;
  readonly confidence: number;
  /** c(issuer→subject), with the issuer's power at that distance from the roots. */
  readonly value: number;
}

/** c(v→u) for the share v has: a root's word counts in full. */
export function contribution(share: number, confidence: number): number {
  return share < 0 ? WEIGHT[confidence]! : share * WEIGHT[confidence]!;
}

/** A chain holds at most L agents but its last, and the target stays off it: of so many more there is always another. */
const MOST_KEPT = FLOW.L + 1;

/** Who gave an agent most of what counted at one number of hops. */
interface Givers {
  /** The largest of what counted, largest first; of equal ones the first in the order of the graph. */
  readonly best: readonly Hop[];
  /** The largest contribution by an agent that is no root: the one that the definition leaves out of the power. */
  readonly leftOut: Hop | undefined;
}

/** Finds the chains behind one target. Each agent's vouchers are looked through once for each number of hops. */
export class ChainFinder {
  readonly #state: FlowState;
  readonly #target: number;
  readonly #givers = new Map<number, Givers>();

  constructor(state: FlowState, target: number) {
    this.#state = state;
    this.#target = target;
  }

  /**
   * The chain from a root that carried most of an agent's power after `layer` hops, root first; empty for a root. No agent
   * is on it twice, and the target is not on it at all: who leads to the target only by way of the target itself has one
   * voucher in truth, and so no power.
   *
   * At each hop back it takes the largest contribution that counts, so not the one that the definition leaves out, unless
   * nothing else leads back to a root.
   */
  strongest(agent: number, layer: number): Hop[] {
    const back: Hop[] = [];
    const seen = new Set([agent]);
    let subject = agent;
    for (let k = layer; k >= 1 && !this.#state.isRoot(subject); k--) {
      const hop = this.#strongestHop(subject, k, seen);
      if (!hop) break;
      back.push(hop);
      seen.add(hop.issuer);
      subject = hop.issuer;
    }
    return withoutLoops(back.reverse());
  }

  #strongestHop(subject: number, layer: number, seen: ReadonlySet<number>): Hop | undefined {
    const { best, leftOut } = this.#giversOf(subject, layer);
    const others = best.filter(({ issuer }) => issuer !== this.#target);
    const fresh = others.find(({ issuer }) => !seen.has(issuer));
    if (fresh) return fresh;
    const last = leftOut && leftOut.issuer !== this.#target ? leftOut : undefined;
    return last && !seen.has(last.issuer) ? last : (others[0] ?? last);
  }

  #giversOf(subject: number, layer: number): Givers {
    const key = subject * FLOW.L + layer - 1;
    let givers = this.#givers.get(key);
    if (!givers) this.#givers.set(key, (givers = giversOf(this.#state, subject, layer)));
    return givers;
  }
}

function giversOf(state: FlowState, subject: number, layer: number): Givers {
  const share = state.shares(Math.max(1, layer - 1));
  const run = state.graph.incoming(subject);
  const best: Hop[] = [];
  let leftOut: Hop | undefined;
  const offer = (hop: Hop): void => {
    let at = best.length;
    while (at > 0 && best[at - 1]!.value < hop.value) at--;
    if (at < MOST_KEPT) best.splice(at, 0, hop);
    if (best.length > MOST_KEPT) best.pop();
  };
  for (let i = run.start; i < run.end; i++) {
    const issuer = run.peers[i]!;
    const s = share[issuer]!;
    if (s === 0 || (layer === 1 && s > 0)) continue;
    const confidence = run.confidences[i]!;
    const value = contribution(s, confidence);
    if (s < 0 || (leftOut && value <= leftOut.value)) {
      if (best.length < MOST_KEPT || value > best[MOST_KEPT - 1]!.value) offer({ issuer, subject, confidence, value });
    } else {
      if (leftOut) offer(leftOut);
      leftOut = { issuer, subject, confidence, value };
    }
  }
  return { best, leftOut };
}

/** Leaves out what lies between two visits of one agent. */
function withoutLoops(chain: readonly Hop[]): Hop[] {
  const kept: Hop[] = [];
  for (const hop of chain) {
    kept.push(hop);
    const before = kept.findIndex(({ issuer }) => issuer === hop.subject);
    if (before >= 0) kept.length = before;
  }
  return kept;
}
