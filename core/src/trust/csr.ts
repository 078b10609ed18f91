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
 * Sorts edges by stable counting passes. Edges from an agent to itself are left out.
 * @throws {RangeError} unknown agent, confidence outside 1..100, or two edges between the same two agents
 */
export function buildCsr(input: EdgeInput): Csr {
  const { agents } = input;
  const { outOffset, inOffset, edges, sorted } = count(input);
  // By issuer, then by subject: each incoming run comes out in ascending order of its issuers. And back: likewise.
  const rows = new Uint32Array(edges * 4);
  const given = withoutLoops(input, edges);
  const byIssuer = sorted ? given : regroup(given, "issuer", outOffset, rows);
  const into = regroup(byIssuer, "subject", inOffset, rows);
  refuseTwice(into.issuer, inOffset);
  const out = regroup(into, "issuer", outOffset, rows);
  const outWeight = new Float64Array(agents);
  for (let v = 0; v < agents; v++) {
    let sum = 0;
    for (let i = outOffset[v]!; i < outOffset[v + 1]!; i++) sum += WEIGHT[out.confidence[i]!]!;
    outWeight[v] = sum;
  }
  return {
    agents,
    edges,
    inOffset,
    inPeer: into.issuer,
    inConfidence: into.confidence,
    outOffset,
    outPeer: out.subject,
    outConfidence: out.confidence,
    outRef: out.ref,
    outWeight,
  };
}

/** Edges column by column. */
interface Columns {
  readonly issuer: Uint32Array;
  readonly subject: Uint32Array;
  readonly confidence: Uint8Array;
  /** Absent where it is the position itself. */
  readonly ref: Uint32Array | undefined;
}

function columns(edges: number): Columns & { ref: Uint32Array } {
  return {
    issuer: new Uint32Array(edges),
    subject: new Uint32Array(edges),
    confidence: new Uint8Array(edges),
    ref: new Uint32Array(edges),
  };
}

/** Enough that the edges of one bucket stay in a processor's cache, few enough to write to all of them at once. */
const BUCKETS = 256;

/**
 * Sorts by one column, stably. First into buckets of neighbouring keys, then bucket by bucket to the final place:
 * scattering over the whole arrays at once would miss the cache with every edge.
 * @param rows room for four numbers an edge
 */
function regroup(
  from: Columns,
  column: "issuer" | "subject",
  offset: Uint32Array,
  rows: Uint32Array,
): Columns & { ref: Uint32Array } {
  const { issuer, subject, confidence, ref } = from;
  const keys = from[column];
  const edges = keys.length;
  const agents = offset.length - 1;
  let shift = 0;
  while (agents >> shift >= BUCKETS) shift++;
  const start = new Uint32Array(BUCKETS);
  for (let bucket = 0; bucket < BUCKETS; bucket++) start[bucket] = offset[Math.min(agents, bucket << shift)]!;
  for (let i = 0; i < edges; i++) {
    const bucket = keys[i]! >>> shift;
    const at = start[bucket]!;
    start[bucket] = at + 1;
    const row = at * 4;
    rows[row] = issuer[i]!;
    rows[row + 1] = subject[i]!;
    rows[row + 2] = ref ? ref[i]! : i;
    rows[row + 3] = confidence[i]!;
  }
  const to = columns(edges);
  const next = offset.slice();
  const key = column === "issuer" ? 0 : 1;
  for (let row = 0; row < rows.length; row += 4) {
    const group = rows[row + key]!;
    const at = next[group]!;
    next[group] = at + 1;
    to.issuer[at] = rows[row]!;
    to.subject[at] = rows[row + 1]!;
    to.ref[at] = rows[row + 2]!;
    to.confidence[at] = rows[row + 3]!;
  }
  return to;
}

function withoutLoops({ issuers, subjects, confidences }: EdgeInput, edges: number): Columns {
  if (edges === issuers.length) return { issuer: issuers, subject: subjects, confidence: confidences, ref: undefined };
  const to = columns(edges);
  let at = 0;
  for (let i = 0; i < issuers.length; i++) {
    if (issuers[i] === subjects[i]) continue;
    to.issuer[at] = issuers[i]!;
    to.subject[at] = subjects[i]!;
    to.confidence[at] = confidences[i]!;
    to.ref[at] = i;
    at++;
  }
  return to;
}

function refuseTwice(issuers: Uint32Array, offset: Uint32Array): void {
  for (let u = 0; u + 1 < offset.length; u++) {
    for (let i = offset[u]! + 1; i < offset[u + 1]!; i++) {
      if (issuers[i] === issuers[i - 1]) throw new RangeError("two edges between the same two agents");
    }
  }
}

function count({ agents, issuers, subjects, confidences }: EdgeInput): {
  outOffset: Uint32Array;
  inOffset: Uint32Array;
  edges: number;
  sorted: boolean;
} {
  if (subjects.length !== issuers.length || confidences.length !== issuers.length) {
    throw new RangeError("issuers, subjects and confidences must have one entry an edge");
  }
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
  return { outOffset: offsets(outCount), inOffset: offsets(inCount), edges, sorted };
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
