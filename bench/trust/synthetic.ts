import type { EdgeInput } from "../../core/src/trust/csr.ts";
import type { EdgeEdit } from "../../core/src/trust/edge-graph.ts";
import { randomFrom, sample } from "./random.ts";

/**
 * A network with power-law degrees: the number of vouches an agent gives falls off with exponent 2.5, and half of them
 * go to agents in proportion to a popularity that falls off as slowly, half to anyone. Edges come in random order.
 * @param vouches about so many; equal pairs are drawn again
 */
export function powerLaw(agents: number, vouches: number, seed: number): EdgeInput {
  const random = randomFrom(seed);
  const given = degrees(agents, vouches, random);
  const total = given.reduce((sum, degree) => sum + degree, 0);
  const issuers = new Uint32Array(total);
  const subjects = new Uint32Array(total);
  const confidences = new Uint8Array(total);
  const lastIssuer = new Uint32Array(agents);
  // Popular agents must not be those with the small numbers: a fixed odd factor spreads them.
  const spread = coprime(Math.floor(agents * 0.618), agents);
  let at = 0;
  for (let issuer = 0; issuer < agents; issuer++) {
    for (let i = 0; i < given[issuer]!;) {
      const popular = random() < 0.5;
      const rank = Math.floor(agents * (popular ? random() ** 3 : random()));
      const subject = (rank * spread) % agents;
      if (subject === issuer || lastIssuer[subject] === issuer + 1) continue;
      lastIssuer[subject] = issuer + 1;
      issuers[at] = issuer;
      subjects[at] = subject;
      confidences[at] = 50 + Math.floor(random() * 51);
      at++;
      i++;
    }
  }
  for (let i = total - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    swap(issuers, i, j);
    swap(subjects, i, j);
    swap(confidences, i, j);
  }
  return { agents, issuers, subjects, confidences };
}

/** Degrees with a power-law tail, of about the wanted sum. */
function degrees(agents: number, sum: number, random: () => number): Uint32Array {
  const most = Math.min(agents >> 2, 5000);
  const drawn = Float64Array.from({ length: agents }, () => (1 - random()) ** (-1 / 1.5));
  const scale = sum / drawn.reduce((a, b) => a + b);
  return Uint32Array.from(drawn, (value) => Math.min(most, Math.max(1, Math.round(value * scale))));
}

function coprime(near: number, n: number): number {
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
  let factor = near | 1;
  while (gcd(factor, n) !== 1) factor += 2;
  return factor;
}

function swap(array: Uint32Array | Uint8Array, i: number, j: number): void {
  const kept = array[i]!;
  array[i] = array[j]!;
  array[j] = kept;
}

/** For whom the honest agents of a circle vouch. */
export type CircleKind = "anyone" | "neighbours" | "popular";

/**
 * Honest agents who vouch for `given` others each, at full confidence: for anyone; nine times in ten for their neighbours
 * on a ring; or the more often the more popular the other is. Agent 0 is fooled into vouching for the first of the fakes,
 * who all vouch for one another.
 */
export function fooledCircle(
  honest: number,
  fakes: number,
  given: number,
  kind: CircleKind,
  seed: number,
): { agents: number; honest: number; edges: EdgeEdit[] } {
  const random = randomFrom(seed);
  const edges: EdgeEdit[] = [];
  for (let issuer = 0; issuer < honest; issuer++) {
    for (const subject of subjectsOf(issuer, honest, given, kind, random)) {
      edges.push({ issuer, subject, confidence: 100 });
    }
  }
  edges.push({ issuer: 0, subject: honest, confidence: 100 });
  for (let i = 0; i < fakes; i++) {
    for (let j = 0; j < fakes; j++) {
      if (i !== j) edges.push({ issuer: honest + i, subject: honest + j, confidence: 100 });
    }
  }
  return { agents: honest + fakes, honest, edges };
}

function subjectsOf(
  issuer: number,
  honest: number,
  given: number,
  kind: CircleKind,
  random: () => number,
): Iterable<number> {
  if (kind === "popular") {
    const chosen = new Set<number>();
    while (chosen.size < given) {
      // Any order will do, but that of the numbers: the fooled agent is not the most popular.
      const subject = (Math.floor(honest * random() ** 2) * 77 + 41) % honest;
      if (subject !== issuer) chosen.add(subject);
    }
    return chosen;
  }
  const others = Array.from({ length: honest - 1 }, (_, i) => (issuer + i + 1) % honest);
  const ring = [...others.slice(0, given >> 1), ...others.slice(-(given >> 1))];
  const near = kind === "neighbours" ? ring.filter(() => random() < 0.9) : [];
  const far = sample(
    others.filter((other) => !ring.includes(other)),
    given - near.length,
    random,
  );
  return [...near, ...far];
}
