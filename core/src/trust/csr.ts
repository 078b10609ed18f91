/* eslint-disable @typescript-eslint/no-non-null-assertion -- every index is within bounds by construction */
import { WEIGHT } from "./edge-list.ts";

/** Edges of one scope as plain numbers. Agents are 0 … agents − 1 in ascending order of their DID. */
export interface EdgeInput {
  readonly agents: number;
  readonly issuers: Uint32Array;
  readonly subjects: Uint32Array;
  /** 1..100 an edge. */
  readonly confidences: Uint8Array;
}

/**
 * Compressed sparse rows in both directions: incoming edges by (subject, issuer) for computing, outgoing ones by
 * (issuer, subject) for spreading changes. 14 bytes an edge, 16 an agent.
 */
export interface Csr {
  readonly agents: number;
  readonly edges: number;
  readonly inOffset: Uint32Array;
  readonly inPeer: Uint32Array;
  readonly inConfidence: Uint8Array;
  readonly outOffset: Uint32Array;
  readonly outPeer: Uint32Array;
  readonly outConfidence: Uint8Array;
  /** Position of the edge in the input. */
  readonly outRef: Uint32Array;
  /** W(v), summed in ascending order of the subjects. */
  readonly outWeight: Float64Array;
}

/**
 * Sorts edges by three stable counting passes. Edges from an agent to itself are left out.
 * @throws {RangeError} unknown agent, confidence outside 1..100, or two edges between the same two agents
 */
export function buildCsr(input: EdgeInput): Csr {
  const { agents, issuers, subjects, confidences } = input;
  if (subjects.length !== issuers.length || confidences.length !== issuers.length) {
    throw new RangeError("issuers, subjects and confidences must have one entry an edge");
  }
  const { outCount, inCount, edges, sorted } = count(input);
  const outOffset = offsets(outCount);
  const inOffset = offsets(inCount);

  // Ascending issuer, then subject by subject: each incoming run ends up in ascending order of its issuers.
  let order: Uint32Array | undefined;
  if (!sorted) {
    order = new Uint32Array(edges);
    const next = outOffset.slice();
    for (let i = 0; i < issuers.length; i++) {
      const v = issuers[i]!;
      if (v !== subjects[i]) order[next[v]!++] = i;
    }
  }
  const inPeer = new Uint32Array(edges);
  const inConfidence = new Uint8Array(edges);
  const inRef = new Uint32Array(edges);
  const nextIn = inOffset.slice();
  for (let j = 0; j < (order ? edges : issuers.length); j++) {
    const i = order ? order[j]! : j;
    const u = subjects[i]!;
    const v = issuers[i]!;
    if (u === v) continue;
    const at = nextIn[u]!++;
    if (at > inOffset[u]! && inPeer[at - 1] === v) throw new RangeError("two edges between the same two agents");
    inPeer[at] = v;
    inConfidence[at] = confidences[i]!;
    inRef[at] = i;
  }

  const outPeer = order ?? new Uint32Array(edges);
  const outConfidence = new Uint8Array(edges);
  const outRef = new Uint32Array(edges);
  const outWeight = new Float64Array(agents);
  const nextOut = outOffset.slice();
  for (let u = 0; u < agents; u++) {
    for (let i = inOffset[u]!; i < inOffset[u + 1]!; i++) {
      const v = inPeer[i]!;
      const at = nextOut[v]!++;
      const confidence = inConfidence[i]!;
      outPeer[at] = u;
      outConfidence[at] = confidence;
      outRef[at] = inRef[i]!;
      outWeight[v] = outWeight[v]! + WEIGHT[confidence]!;
    }
  }
  return { agents, edges, inOffset, inPeer, inConfidence, outOffset, outPeer, outConfidence, outRef, outWeight };
}

function count({ agents, issuers, subjects, confidences }: EdgeInput): {
  outCount: Uint32Array;
  inCount: Uint32Array;
  edges: number;
  sorted: boolean;
} {
  const outCount = new Uint32Array(agents + 1);
  const inCount = new Uint32Array(agents + 1);
  let edges = 0;
  let sorted = true;
  let last = 0;
  for (let i = 0; i < issuers.length; i++) {
    const v = issuers[i]!;
    const u = subjects[i]!;
    const confidence = confidences[i]!;
    if (v >= agents || u >= agents) throw new RangeError("an edge names an agent that does not exist");
    if (confidence < 1 || confidence > 100) throw new RangeError("a confidence is an integer in 1..100");
    if (v < last) sorted = false;
    last = v;
    if (u === v) continue;
    outCount[v] = outCount[v]! + 1;
    inCount[u] = inCount[u]! + 1;
    edges++;
  }
  return { outCount, inCount, edges, sorted };
}

/** Turns counts (with one spare entry at the end) into offsets, in place. */
function offsets(counts: Uint32Array): Uint32Array {
  let sum = 0;
  for (let v = 0; v < counts.length; v++) {
    const own = counts[v]!;
    counts[v] = sum;
    sum += own;
  }
  return counts;
}
