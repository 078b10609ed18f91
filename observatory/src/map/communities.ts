import type { Link } from "./layout.ts";

/**
 * Groups points that are linked more among themselves than chance would (one-level and merged Louvain moves on
 * modularity). Deterministic: points are visited in their order.
 * @returns the group of each point; groups are numbered by size, largest first
 */
export function communities(count: number, links: readonly Link[]): number[] {
  let group = Array.from({ length: count }, (_, i) => i);
  let nodes = count;
  let weights = linkWeights(links);
  for (let level = 0; level < 6; level++) {
    const moved = moveNodes(nodes, weights);
    const names = [...new Set(moved)];
    if (names.length === nodes) break;
    const renamed = moved.map((name) => names.indexOf(name));
    group = group.map((name) => renamed[name] ?? 0);
    weights = merged(weights, renamed);
    nodes = names.length;
  }
  return bySize(group);
}

/** Weight of the links between two nodes, by `a * 2^20 + b` with a ≤ b. */
type Weights = ReadonlyMap<number, number>;
const SHIFT = 2 ** 20;

function linkWeights(links: readonly Link[]): Weights {
  const weights = new Map<number, number>();
  for (const [a, b] of links) add(weights, a, b, 1);
  return weights;
}

function add(weights: Map<number, number>, a: number, b: number, weight: number): void {
  const key = Math.min(a, b) * SHIFT + Math.max(a, b);
  weights.set(key, (weights.get(key) ?? 0) + weight);
}

function merged(weights: Weights, group: readonly number[]): Weights {
  const out = new Map<number, number>();
  for (const [key, weight] of weights) {
    add(out, group[Math.floor(key / SHIFT)] ?? 0, group[key % SHIFT] ?? 0, weight);
  }
  return out;
}

function moveNodes(nodes: number, weights: Weights): number[] {
  const peers = Array.from({ length: nodes }, (): [number, number][] => []);
  const degree = new Array<number>(nodes).fill(0);
  let total = 0;
  for (const [key, weight] of weights) {
    const a = Math.floor(key / SHIFT);
    const b = key % SHIFT;
    degree[a] = (degree[a] ?? 0) + weight;
    degree[b] = (degree[b] ?? 0) + weight;
    total += weight;
    if (a === b) continue;
    peers[a]?.push([b, weight]);
    peers[b]?.push([a, weight]);
  }
  const group = Array.from({ length: nodes }, (_, i) => i);
  const groupDegree = [...degree];
  for (let round = 0, changed = true; changed && round < 20; round++) {
    changed = false;
    for (let node = 0; node < nodes; node++) {
      const own = group[node] ?? 0;
      const k = degree[node] ?? 0;
      const towards = new Map<number, number>([[own, 0]]);
      for (const [peer, weight] of peers[node] ?? []) {
        const name = group[peer] ?? 0;
        towards.set(name, (towards.get(name) ?? 0) + weight);
      }
      groupDegree[own] = (groupDegree[own] ?? 0) - k;
      const gain = (name: number): number => (towards.get(name) ?? 0) - ((groupDegree[name] ?? 0) * k) / (2 * total);
      let best = own;
      for (const name of towards.keys()) if (gain(name) > gain(best) + 1e-12) best = name;
      groupDegree[best] = (groupDegree[best] ?? 0) + k;
      if (best !== own) {
        group[node] = best;
        changed = true;
      }
    }
  }
  return group;
}

function bySize(group: readonly number[]): number[] {
  const sizes = new Map<number, number>();
  for (const name of group) sizes.set(name, (sizes.get(name) ?? 0) + 1);
  const order = [...sizes].sort(([a, n], [b, m]) => m - n || a - b).map(([name]) => name);
  return group.map((name) => order.indexOf(name));
}
