/** Trust questions over graphs of 1,000 and 100,000 vouches: from any viewpoint, and as a guard asks with fixed roots. */
import {
  buildTrustGraph,
  type Did,
  explainTrust,
  scoreVector,
  type TrustGraph,
  trustScore,
  type VouchFields,
} from "@peerage/core";
// The engine takes verified vouches only. These are made up for the measurement, so the mark is set by hand.
import { markVerified } from "../core/src/verified.ts";
import { perSecond, quantile, rate, type Row, type Section } from "./report.ts";

export function benchTrustQueries(): Section {
  return { title: "Trust queries, one core", rows: [1_000, 100_000].flatMap(measure) };
}

function measure(vouches: number): Row[] {
  const agents = vouches / 5;
  const random = generator(7);
  const graph = powerLaw(agents, vouches, random);
  const dids = [...graph.dids()];
  const pick = (): Did => dids[Math.floor(random() * dids.length)]!;
  const roots = [dids[0]!, dids[1]!];
  const vector = scoreVector(graph, roots);
  const label = `${vouches.toLocaleString("en-US")} vouches, ${agents.toLocaleString("en-US")} agents`;

  const lookup = rate(() => void vector.score(pick()));
  const single = rate(() => void trustScore(graph, { roots: [pick()], target: pick() }), { ms: 300 });
  const times: number[] = [];
  for (let i = 0; i < 400; i++) {
    const [root, target] = [pick(), pick()];
    const start = performance.now();
    explainTrust(graph, { roots: [root], target });
    times.push(performance.now() - start);
  }
  return [
    { what: `guard lookup, fixed roots: ${label}`, value: perSecond(lookup), goal: "≤ 1 µs" },
    { what: `score as seen by anyone: ${label}`, value: perSecond(single), goal: "p50 ≤ 1 ms" },
    {
      what: `explanation with chains: ${label}`,
      value: `p50 ${quantile(times, 0.5).toFixed(2)} ms, p99 ${quantile(times, 0.99).toFixed(2)} ms`,
      goal: "p99 ≤ 20 ms",
    },
  ];
}

/** Vouches whose givers and receivers are drawn by a power law: a few are very busy, most are not. */
function powerLaw(agents: number, vouches: number, random: () => number): TrustGraph {
  const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
  const dids = Array.from({ length: agents }, (): Did => {
    const tail = Array.from({ length: 44 }, () => alphabet[Math.floor(random() * alphabet.length)]);
    return `did:key:z6Mk${tail.join("")}`;
  });
  const draw = (): number => Math.floor(agents * random() ** 2.5);
  const seen = new Set<number>();
  const fields: VouchFields[] = [];
  while (fields.length < vouches) {
    const [from, to] = [draw(), draw()];
    if (from === to || seen.has(from * agents + to)) continue;
    seen.add(from * agents + to);
    fields.push({
      id: `sha256:${fields.length.toString(16).padStart(64, "0")}`,
      issuer: dids[from]!,
      subject: dids[to]!,
      scope: ["tools"],
      confidence: 40 + Math.floor(random() * 61),
      validFrom: 0,
      validUntil: 1,
    });
  }
  return buildTrustGraph(fields.map(markVerified), { scope: "tools" });
}

function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
