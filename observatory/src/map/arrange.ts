import { UndirectedGraph } from "graphology";
import louvainModule from "graphology-communities-louvain";
import forceAtlas2Module from "graphology-layout-forceatlas2";
import { seeded } from "./layout.ts";

// Both are CommonJS modules with a default export that is the module itself.
const louvain = louvainModule as unknown as (typeof louvainModule)["default"];
const forceAtlas2 = forceAtlas2Module as unknown as (typeof forceAtlas2Module)["default"];

/** What a layout is made of: numbers only, so that it can be handed to a thread. */
export interface Shape {
  readonly nodes: number;
  /** Pairs of nodes that are joined, in either direction, each once: `from[i]` with `to[i]`. */
  readonly from: Uint32Array;
  readonly to: Uint32Array;
  /** Positions of the first nodes from an earlier layout, to go on from. */
  readonly x?: Float32Array;
  readonly y?: Float32Array;
}

/** Where everything stands, in a square from −10,000 to 10,000, and to which community it belongs. */
export interface Arranged {
  readonly x: Int16Array;
  readonly y: Int16Array;
  /** Communities are numbered by size, the largest first; what is joined to nothing has the highest number. */
  readonly community: Uint32Array;
  readonly communities: number;
}

const EXTENT = 10_000;

/**
 * Louvain communities, each started as a spiral, then ForceAtlas2; whoever is joined to nobody stands on a belt around
 * them. The same shape always gives the same picture.
 */
export function arrange(shape: Shape): Arranged {
  const { nodes, from, to } = shape;
  const degree = new Uint32Array(nodes);
  const graph = new UndirectedGraph();
  for (let i = 0; i < from.length; i++) {
    degree[from[i] ?? 0] = (degree[from[i] ?? 0] ?? 0) + 1;
    degree[to[i] ?? 0] = (degree[to[i] ?? 0] ?? 0) + 1;
  }
  for (let node = 0; node < nodes; node++) if ((degree[node] ?? 0) > 0) graph.addNode(node, { x: 0, y: 0, size: 1 });
  for (let i = 0; i < from.length; i++) graph.mergeUndirectedEdge(from[i], to[i]);
  const { community, communities } = split(graph, nodes);
  start(graph, shape, community);
  const joined = graph.order;
  if (joined > 1) {
    forceAtlas2.assign(graph, {
      iterations: iterations(joined, shape.x !== undefined),
      settings: {
        ...forceAtlas2.inferSettings(joined),
        barnesHutOptimize: joined > 800,
        barnesHutTheta: 0.7,
        strongGravityMode: true,
        gravity: 0.15,
        scalingRatio: 30,
        slowDown: 3,
      },
    });
  }
  const { x, y } = scaled(graph, nodes);
  belt(x, y, degree, joined);
  return { x, y, community, communities };
}

function iterations(nodes: number, goingOn: boolean): number {
  const full = nodes <= 1_000 ? 400 : nodes <= 10_000 ? 200 : nodes <= 50_000 ? 80 : 40;
  return goingOn ? Math.round(full / 4) : full;
}

/** Louvain with a fixed seed. Members of no community stand behind all others. */
function split(graph: UndirectedGraph, nodes: number): { community: Uint32Array; communities: number } {
  const community = new Uint32Array(nodes);
  const found = graph.size === 0 ? {} : louvain(graph, { rng: seeded(graph.order * 31 + graph.size) });
  const sizes = new Map<number, number>();
  for (const name of Object.values(found)) sizes.set(name, (sizes.get(name) ?? 0) + 1);
  const rank = new Map([...sizes].sort(([a, n], [b, m]) => m - n || a - b).map(([name], i) => [name, i]));
  community.fill(rank.size);
  for (const [node, name] of Object.entries(found)) community[Number(node)] = rank.get(name) ?? 0;
  return { community, communities: rank.size };
}

/** From where it stood, from the middle of those it is joined to, or on the spiral of its community. */
function start(graph: UndirectedGraph, { x, y }: Shape, community: Uint32Array): void {
  const placed = new Map<number, number>();
  const golden = Math.PI * (3 - Math.sqrt(5));
  const radius = Math.sqrt(graph.order) * 6;
  const kept = x?.length ?? 0;
  const fresh: string[] = [];
  graph.forEachNode((name) => {
    const node = Number(name);
    const known = node < kept && x && y ? { x: x[node] ?? 0, y: y[node] ?? 0 } : undefined;
    // Who stood on the belt, joined to nobody, is as new as one who has just come.
    if (known && (known.x !== 0 || known.y !== 0) && Math.hypot(known.x, known.y) < EXTENT * 0.93) {
      const scale = radius / EXTENT;
      graph.mergeNodeAttributes(name, { x: known.x * scale, y: known.y * scale });
      return;
    }
    fresh.push(name);
    const c = community[node] ?? 0;
    const n = placed.get(c) ?? 0;
    placed.set(c, n + 1);
    const centre = { angle: c * golden, distance: radius * Math.min(1, 0.22 * Math.sqrt(c)) };
    graph.mergeNodeAttributes(name, {
      x: Math.cos(centre.angle) * centre.distance + Math.cos(n * golden) * 3 * Math.sqrt(n + 1),
      y: Math.sin(centre.angle) * centre.distance + Math.sin(n * golden) * 3 * Math.sqrt(n + 1),
    });
  });
  if (kept === 0) return;
  const isFresh = new Set(fresh);
  for (const name of fresh) {
    const around = graph.neighbors(name).filter((other) => !isFresh.has(other));
    if (around.length === 0) continue;
    const mean = (key: "x" | "y"): number =>
      around.reduce((sum, other) => sum + (graph.getNodeAttribute(other, key) as number), 0) / around.length;
    graph.mergeNodeAttributes(name, { x: mean("x") + 1, y: mean("y") + 1 });
  }
}

/** The joined nodes around (0, 0) in a circle of 90 % of the square; the few far out are drawn in. */
function scaled(graph: UndirectedGraph, nodes: number): { x: Int16Array; y: Int16Array } {
  const x = new Int16Array(nodes);
  const y = new Int16Array(nodes);
  let [sumX, sumY] = [0, 0];
  graph.forEachNode((_, at) => {
    sumX += at["x"] as number;
    sumY += at["y"] as number;
  });
  const [midX, midY] = [sumX / (graph.order || 1), sumY / (graph.order || 1)];
  const distances: number[] = [];
  graph.forEachNode((_, at) => distances.push(Math.hypot((at["x"] as number) - midX, (at["y"] as number) - midY)));
  distances.sort((a, b) => a - b);
  const usual = distances[Math.floor(distances.length * 0.97)] || distances.at(-1) || 1;
  graph.forEachNode((name, at) => {
    const [dx, dy] = [(at["x"] as number) - midX, (at["y"] as number) - midY];
    const distance = Math.hypot(dx, dy) / usual;
    const pulled = distance <= 1 ? distance : 1 + 0.08 * (1 - 1 / distance);
    const factor = distance === 0 ? 0 : (pulled / distance / usual) * EXTENT * 0.83;
    x[Number(name)] = Math.round(dx * factor);
    y[Number(name)] = Math.round(dy * factor);
  });
  return { x, y };
}

/** Whoever is joined to nobody: on rings at the rim, evenly, in order of number. */
function belt(x: Int16Array, y: Int16Array, degree: Uint32Array, joined: number): void {
  const alone = Array.from(degree.keys()).filter((node) => degree[node] === 0);
  const perRing = Math.max(180, Math.ceil(alone.length / 3));
  for (const [i, node] of alone.entries()) {
    const ring = Math.floor(i / perRing);
    const inRing = Math.min(perRing, alone.length - ring * perRing);
    const turn = joined === 0 && alone.length < 60 ? 0.7 : 1;
    const angle = (((i % perRing) + (ring % 2) / 2) / inRing) * 2 * Math.PI - Math.PI / 2;
    const radius = EXTENT * (0.96 + ring * 0.012) * turn;
    x[node] = Math.round(Math.cos(angle) * radius);
    y[node] = Math.round(Math.sin(angle) * radius);
  }
}
