import { EdgeGraph, type EdgeEdit } from "../../core/src/trust/edge-graph.ts";
import { type Attack, attacksBy } from "./attacks.ts";
import type { Dataset } from "./dataset.ts";
import { compared, hops } from "./metrics.ts";
import { randomFrom, sample } from "./random.ts";

export const thresholds: readonly number[] = [0.5, 0.25];

/** Who is fooled: so many honest agents at a distance from the root. */
const placements = [
  { name: "1 near", count: 1, near: (distance: number) => distance === 1 },
  { name: "2 near", count: 2, near: (distance: number) => distance === 1 },
  { name: "1 at 2 hops", count: 1, near: (distance: number) => distance === 2 },
  { name: "5 at 2 hops", count: 5, near: (distance: number) => distance === 2 },
  { name: "20 anywhere", count: 20, near: (distance: number) => distance >= 1 && distance < Infinity },
] as const;

/** One line of the table: means over the roots. */
export interface SybilRow {
  readonly network: string;
  readonly threshold: number;
  readonly metric: string;
  /** Share of the honest agents that a chain of any length leads to. */
  readonly coverage: number;
  /** Standard deviation of the coverage from root to root. */
  readonly spread: number;
  /** The same of those within three hops. */
  readonly near: number;
  readonly admitted: number;
  /** Admitted fakes per fooled agent in the attack that is worst for that root, by placement. */
  readonly sybils: Readonly<Record<string, number>>;
  /** The attack that was worst most often, by placement. */
  readonly worst: Readonly<Record<string, string>>;
}

/**
 * Coverage and admitted fakes on one network. Roots are random honest agents that vouch for two agents or more and from
 * whom a tenth of the network can be reached: who vouches for one sees through that one's eyes only.
 * @param rootCount roots for the coverage; the first `attackCount` of them are attacked as well
 */
export function sybilTable(dataset: Dataset, rootCount: number, attackCount: number, seed: number): SybilRow[] {
  const random = randomFrom(seed);
  const { graph, netRating } = dataset;
  const honest = (agent: number): boolean => netRating[agent]! >= 0;
  const everyone = Array.from({ length: graph.agents }, (_, agent) => agent);
  const roots: number[] = [];
  for (const agent of sample(everyone.filter(honest), graph.agents, random)) {
    if (roots.length === rootCount) break;
    const run = graph.outgoing(agent);
    if (run.end - run.start < 2) continue;
    const reached = hops(graph, agent).reduce((count, distance) => count + (distance < Infinity ? 1 : 0), 0);
    if (reached >= graph.agents / 10) roots.push(agent);
  }
  if (roots.length === 0) return [];
  const edges = [...graph.all()];
  const cells = new Map<string, Cell>();
  for (const [number, root] of roots.entries()) {
    const distance = hops(graph, root);
    const reachable = everyone.filter((agent) => honest(agent) && agent !== root && distance[agent]! < Infinity);
    const close = reachable.filter((agent) => distance[agent]! <= 3);
    for (const { name, scores } of compared) {
      const score = scores(graph, root);
      for (const threshold of thresholds) {
        const cell = cellOf(cells, `${threshold} ${name}`);
        const admitted = reachable.filter((agent) => score[agent]! >= threshold).length;
        cell.coverage.push(admitted / Math.max(1, reachable.length));
        cell.near.push(close.filter((agent) => score[agent]! >= threshold).length / Math.max(1, close.length));
        cell.admitted.push(admitted);
      }
    }
    for (const placement of number < attackCount ? placements : []) {
      const candidates = reachable.filter((agent) => placement.near(distance[agent]!));
      const fooled = sample(candidates, placement.count, random);
      if (fooled.length < placement.count) continue;
      attackRoot(graph, edges, root, fooled, placement.name, cells);
    }
  }
  return thresholds.flatMap((threshold) =>
    compared.map(({ name }) => rowOf(dataset.name, threshold, name, cellOf(cells, `${threshold} ${name}`))),
  );
}

/** Plays every attack on one root and notes the worst for each metric and threshold. */
function attackRoot(
  graph: EdgeGraph,
  edges: readonly EdgeEdit[],
  root: number,
  fooled: readonly number[],
  placement: string,
  cells: Map<string, Cell>,
): void {
  const most = new Map<string, { fakes: number; attack: string }>();
  for (const attack of attacksBy(fooled.length)) {
    const attacked = withAttack(graph.agents, edges, attack, fooled);
    for (const { name, scores } of compared) {
      const fakes = scores(attacked, root).subarray(graph.agents);
      for (const threshold of thresholds) {
        const key = `${threshold} ${name}`;
        const admitted = fakes.reduce((count, score) => count + (score >= threshold ? 1 : 0), 0);
        if (admitted > (most.get(key)?.fakes ?? -1)) most.set(key, { fakes: admitted, attack: attack.name });
      }
    }
  }
  for (const [key, { fakes, attack }] of most) {
    const cell = cellOf(cells, key);
    (cell.sybils[placement] ??= []).push(fakes / fooled.length);
    (cell.worst[placement] ??= []).push(fakes > 0 ? attack : "none");
  }
}

function withAttack(agents: number, edges: readonly EdgeEdit[], attack: Attack, fooled: readonly number[]): EdgeGraph {
  const all = [...edges];
  for (const { issuer, subject, confidence } of attack.edges) {
    all.push({ issuer: issuer + agents, subject: subject + agents, confidence });
  }
  fooled.forEach((issuer, i) => all.push({ issuer, subject: agents + attack.entry(i), confidence: 100 }));
  return new EdgeGraph({
    agents: agents + attack.count,
    issuers: Uint32Array.from(all, (edge) => edge.issuer),
    subjects: Uint32Array.from(all, (edge) => edge.subject),
    confidences: Uint8Array.from(all, (edge) => edge.confidence),
  });
}

interface Cell {
  coverage: number[];
  near: number[];
  admitted: number[];
  sybils: Record<string, number[]>;
  worst: Record<string, string[]>;
}

function cellOf(cells: Map<string, Cell>, key: string): Cell {
  let cell = cells.get(key);
  if (!cell) {
    cell = { coverage: [], near: [], admitted: [], sybils: {}, worst: {} };
    cells.set(key, cell);
  }
  return cell;
}

function rowOf(network: string, threshold: number, metric: string, cell: Cell): SybilRow {
  return {
    network,
    threshold,
    metric,
    coverage: mean(cell.coverage),
    spread: Math.sqrt(mean(cell.coverage.map((value) => (value - mean(cell.coverage)) ** 2))),
    near: mean(cell.near),
    admitted: mean(cell.admitted),
    sybils: Object.fromEntries(Object.entries(cell.sybils).map(([name, values]) => [name, mean(values)])),
    worst: Object.fromEntries(Object.entries(cell.worst).map(([name, values]) => [name, mostFrequent(values)])),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function mostFrequent(values: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "none";
}

/** Prints the rows as a Markdown table. */
export function printSybilTable(rows: readonly SybilRow[]): void {
  const names = placements.map(({ name }) => name);
  console.log(
    `| network, threshold | metric | coverage (± from root to root) | ≤ 3 hops | admitted | ${names.join(" | ")} | worst attacks |`,
  );
  console.log(`|---|---|---|---|---|${"---|".repeat(names.length + 1)}`);
  for (const row of rows) {
    const sybils = names.map((name) => row.sybils[name]?.toFixed(2) ?? "–");
    const worst = [...new Set(names.map((name) => row.worst[name]))]
      .filter((name) => name && name !== "none")
      .join(", ");
    console.log(
      `| ${row.network} ${row.threshold} | ${row.metric} | ${row.coverage.toFixed(3)} ± ${row.spread.toFixed(2)} | ${row.near.toFixed(3)} | ` +
        `${Math.round(row.admitted)} | ${sybils.join(" | ")} | ${worst} |`,
    );
  }
}
