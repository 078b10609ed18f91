import { type Did, FLOW, type FlowVector, LruMap, type View } from "@peerage/core";
import { Seen } from "../seen.ts";
import { branches, TURN } from "./orbit-place.ts";

/** Orbits kept for one view. One of 100,000 agents is 3 MiB. */
const KEPT = 6;

/**
 * The network as an agent itself sees it in a scope: those it has a score for, the most trusted first; columns, as there
 * may be very many.
 */
export interface Orbit {
  readonly centre: Did;
  readonly dids: readonly Did[];
  /** Its number in the graph, which goes by DID: in this order those stand to whom the same agent leads. */
  readonly number: Uint32Array;
  /** In millionths, as scores are published. */
  readonly score: Uint32Array;
  /** The number of the one whose vouch leads to it, on the strongest of the shortest chains; −1 for the middle itself. */
  readonly through: Int32Array;
  /** Parts of {@link TURN}. Those to whom the same agent leads stand together. */
  readonly angle: Uint32Array;
  /** The number of the branch, by size: all to whom the way begins with the same agent. */
  readonly branch: Uint32Array;
  /** The score that stands outermost, with those below it, in thousandths, at most 500. */
  readonly least: number;
}

const kept = new WeakMap<View, LruMap<string, Orbit>>();

/** All that an agent has a score for. Made once for a view: 0.1 s of 100,000 agents. */
export function orbitOf(seen: Seen, centre: Did): Orbit {
  let known = kept.get(seen.view);
  if (!known) {
    known = new LruMap<string, Orbit>(KEPT);
    kept.set(seen.view, known);
  }
  const key = `${seen.scope} ${centre}`;
  let orbit = known.get(key);
  if (!orbit) {
    orbit = makeOrbit(new Seen(seen.view, { kind: "agent", roots: [centre] }, seen.scope, seen.past).vector, centre);
    known.set(key, orbit);
  }
  return orbit;
}

/** The nearest of an orbit as one of their own, which has the whole circle for itself. */
export function nearest(orbit: Orbit, most: number): Orbit {
  if (orbit.dids.length <= most) return orbit;
  const { centre, dids, number, score } = orbit;
  const through = throughAmong(orbit, most);
  return orbitFrom({
    centre,
    dids: dids.slice(0, most),
    number: number.slice(0, most),
    score: score.slice(0, most),
    through,
  });
}

/** Who leads to each of the nearest, of the nearest themselves. */
export function throughAmong(orbit: Orbit, most: number): Int32Array {
  return orbit.through.slice(0, most).map((before) => {
    // Who leads to it may be further out than those that are shown: then it is by way of who leads there.
    let shown = before;
    while (shown >= most) shown = orbit.through[shown] ?? -1;
    return shown;
  });
}

function makeOrbit(vector: FlowVector, centre: Did): Orbit {
  const { graph, state } = vector;
  // Sorted as numbers: most trusted first, and equal ones as the graph has them, which is by DID.
  const SHIFT = 2 ** 24;
  const keys: number[] = [];
  for (const [did, score] of vector.scores()) {
    if (did !== centre) keys.push((1_000_000 - Math.round(score * 1_000_000)) * SHIFT + graph.indexOf(did));
  }
  const sorted = Float64Array.from(keys).sort();
  const rank = new Int32Array(graph.agentCount).fill(-1);
  sorted.forEach((value, i) => (rank[value % SHIFT] = i));
  const score = Uint32Array.from(sorted, (value) => 1_000_000 - Math.floor(value / SHIFT));
  const through = Int32Array.from(sorted, (value) => {
    const before = leadingTo(state, value % SHIFT);
    return before < 0 ? -1 : (rank[before] ?? -1);
  });
  const number = Uint32Array.from(sorted, (value) => value % SHIFT);
  const dids = Array.from(number, (agent) => graph.did(agent));
  return orbitFrom({ centre, dids, number, score, through });
}

function orbitFrom(agents: Pick<Orbit, "centre" | "dids" | "number" | "score" | "through">): Orbit {
  const { number, score, through } = agents;
  // A few far below all others stand with those above them, or the picture would be theirs alone.
  const usual = score[Math.floor(score.length * 0.97)] ?? 0;
  const least = Math.min(500, Math.max(1, Math.round(usual / 1_000)));
  return { ...agents, angle: spread(through, number), branch: branches(through), least };
}

/**
 * The agent whose vouch leads to another one: of those who reach it by the fewest hops, who gives the most; −1 where the
 * viewer itself vouches. Whoever is returned is itself reached by fewer hops, so this never leads in a circle.
 */
function leadingTo(state: FlowVector["state"], agent: number): number {
  const { peers, confidences, start, end } = state.graph.incoming(agent);
  for (let layer = 1; layer < FLOW.L; layer++) {
    const share = state.shares(layer);
    let best = -1;
    let most = 0;
    for (let i = start; i < end; i++) {
      const peer = peers[i] ?? 0;
      if (state.isRoot(peer)) return -1;
      const gives = (share[peer] ?? 0) * (confidences[i] ?? 0);
      if (gives > most) [best, most] = [peer, gives];
    }
    if (best >= 0) return best;
  }
  return -1;
}

/** Gives every branch of the tree a sector as wide as its number of ends, in the middle of which it stands. */
function spread(through: Int32Array, number: Uint32Array): Uint32Array {
  const count = through.length;
  const order = fromTheMiddle(through, number);
  // A node counts as an end for as long as no other has been found behind it.
  const ends = new Float64Array(count + 1);
  for (let n = count - 1; n >= 0; n--) {
    const i = order[n] ?? 0;
    ends[i] ||= 1;
    const before = through[i] ?? -1;
    ends[before < 0 ? count : before] = (ends[before < 0 ? count : before] ?? 0) + (ends[i] ?? 1);
  }
  const unit = TURN / (ends[count] || 1);
  const next = new Float64Array(count + 1);
  const angle = new Uint32Array(count);
  for (const i of order) {
    const before = through[i] ?? -1;
    const parent = before < 0 ? count : before;
    const from = next[parent] ?? 0;
    const width = (ends[i] ?? 1) * unit;
    next[parent] = from + width;
    next[i] = from;
    angle[i] = Math.floor(from + width / 2) % TURN;
  }
  return angle;
}

/** Every agent behind the one that leads to it; of those as far from the middle, as the graph has them. */
function fromTheMiddle(through: Int32Array, number: Uint32Array): Int32Array {
  const depth = new Uint8Array(through.length);
  const depthOf = (i: number): number => {
    let known = depth[i] ?? 0;
    if (known === 0) {
      const before = through[i] ?? -1;
      known = before < 0 ? 1 : depthOf(before) + 1;
      depth[i] = known;
    }
    return known;
  };
  const sizes = new Int32Array(FLOW.L + 2);
  for (let i = 0; i < through.length; i++) sizes[depthOf(i) + 1] = (sizes[depthOf(i) + 1] ?? 0) + 1;
  for (let d = 1; d < sizes.length; d++) sizes[d] = (sizes[d] ?? 0) + (sizes[d - 1] ?? 0);
  const order = new Int32Array(through.length);
  // By score they would stand in a spiral.
  const byNumber = Int32Array.from(through.keys()).sort((a, b) => (number[a] ?? 0) - (number[b] ?? 0));
  for (const i of byNumber) {
    const d = depth[i] ?? 1;
    order[sizes[d] ?? 0] = i;
    sizes[d] = (sizes[d] ?? 0) + 1;
  }
  return order;
}
