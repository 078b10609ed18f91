/** The score: what it costs on networks of growing size, beside PageRank and the shortest path over the same graphs. */
import { createRequire } from "node:module";
import { buildTrustGraph, explainTrust, scoreVector, trustScore } from "@peerage/core";
import { EdgeGraph } from "../core/src/trust/edge-graph.ts";
import { FlowState } from "../core/src/trust/flow-state.ts";
import { evidenceOf } from "../core/src/trust/flow-view.ts";
import type { EdgeInput } from "../core/src/trust/csr.ts";
import type { Goal, Measurement } from "./lib/figures.ts";
import { at, cpuMs, measured, type Scale } from "./lib/measure.ts";
import { quantile } from "./lib/stats.ts";
import { vouchesOf } from "./trust/as-vouches.ts";
import { hops } from "./trust/metrics.ts";
import { randomEdit } from "./trust/edits.ts";
import { randomFrom } from "./trust/random.ts";
import { powerLaw } from "./trust/synthetic.ts";

const require = createRequire(import.meta.url);
const ROOTS = 12;
const VOUCHES_EACH = 10;

export async function benchTrustQueries(scale: Scale): Promise<Measurement[]> {
  const normal = [1_000, 10_000, 100_000];
  // The largest comes first: a heap full of graphology's objects makes every large allocation slow.
  const sizes = at(scale, { quick: [1_000], normal, full: [...normal, 1_000_000] }).toReversed();
  const rounds = at(scale, { quick: 2, normal: 6 });
  const engines = sizes.map((agents) => engine(powerLaw(agents, agents * VOUCHES_EACH, 5), rounds, scale));
  const asked = at(scale, { quick: 1_000, normal: 10_000 });
  return [...engines.toReversed().flat(), ...answers(powerLaw(asked, asked * VOUCHES_EACH, 5), rounds)];
}

type Row = (
  name: string,
  what: string,
  unit: "ms" | "µs" | "ns",
  rounds: readonly number[],
  more?: Partial<Measurement>,
) => Measurement;

function rowsOf(suffix: string, label: string): Row {
  return (name, what, unit, rounds, more = {}) =>
    measured(`trust/${name}-${suffix}`, `${label}: ${what}`, unit, rounds, more);
}

/** One warm-up, then so many rounds in which the actions take turns. */
function takeTurns<N extends string>(rounds: number, actions: Readonly<Record<N, () => unknown>>): Record<N, number[]> {
  const names = Object.keys(actions) as N[];
  const taken = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<N, number[]>;
  for (let round = -1; round < rounds; round++) {
    for (const name of names) {
      const ms = cpuMs(actions[name]);
      if (round >= 0) taken[name].push(ms);
    }
  }
  return taken;
}

function engine(input: EdgeInput, rounds: number, scale: Scale): Measurement[] {
  const { agents } = input;
  const [few, many] = [evenly(agents, ROOTS), evenly(agents, Math.floor(agents / 50))];
  let graph = new EdgeGraph(input);
  const times = takeTurns(rounds, {
    build: () => (graph = new EdgeGraph(input)),
    shortest: () => few.forEach((root) => hops(graph, root)),
    vector: () => new FlowState(graph, few),
    active: () => new FlowState(graph, many),
  });
  const row = rowsOf(String(agents), `${agents.toLocaleString("en-US")} agents`);
  const name = (of: string): string => `trust/${of}-${agents}`;
  const goalAt = (size: number, goal: Goal): Pick<Measurement, "goal"> => (agents === size ? { goal } : {});
  const rows = [
    row(
      "build",
      `build the graph, ${VOUCHES_EACH} vouches an agent in random order`,
      "ms",
      times.build,
      goalAt(1e6, { of: "value", atMost: 1_000 }),
    ),
    row("shortest", `naive: shortest path from each of ${ROOTS} roots to everybody`, "ms", times.shortest),
    row("vector", `scores of everybody from ${ROOTS} roots`, "ms", times.vector, { beside: name("shortest") }),
  ];
  if (agents <= at(scale, { quick: 1_000, normal: 10_000, full: 100_000 })) {
    const pageRank = pageRankOf(input);
    const ranks = takeTurns(rounds, { pageRank, active: () => new FlowState(graph, many) });
    const beside = name("pagerank");
    rows.push(row("pagerank", "graphology's PageRank", "ms", ranks.pageRank));
    rows.push(
      row("active", "scores of everybody from 2 % of the agents, all of it active", "ms", ranks.active, {
        beside,
        goal: { of: "ratio", atMost: 1 / 25 },
      }),
    );
  } else {
    const goal = goalAt(1e6, { of: "value", atMost: 600 });
    rows.push(row("active", "scores of everybody from 2 % of the agents, all of it active", "ms", times.active, goal));
  }
  rows.push(...memory(graph, new FlowState(graph, many), agents));
  return [...rows, ...changes(graph, many, row, rounds), ...views(new EdgeGraph(input), row, rounds)];
}

/** Of the graph with all of it active. */
function memory(graph: EdgeGraph, state: FlowState, agents: number): Measurement[] {
  const { inPeer, inConfidence, outPeer, outConfidence, outRef } = graph.base;
  const edges = [inPeer, inConfidence, outPeer, outConfidence, outRef].reduce(
    (sum, { byteLength }) => sum + byteLength,
    0,
  );
  const all = graph.byteLength + state.byteLength;
  const label = `${agents.toLocaleString("en-US")} agents: memory`;
  return [
    measured(`trust/bytes-edge-${agents}`, `${label} of a vouch`, "B", [edges / graph.edges]),
    measured(`trust/bytes-agent-${agents}`, `${label} of an agent`, "B", [(all - edges) / agents]),
    measured(
      `trust/memory-${agents}`,
      `${label} of all, of 24 B a vouch and 40 B an agent`,
      "%",
      [(100 * all) / (24 * graph.edges + 40 * agents)],
      { goal: { of: "value", atMost: 100 } },
    ),
  ];
}

/** A vouch more or one less, with all of the graph active. */
function changes(graph: EdgeGraph, roots: readonly number[], row: Row, rounds: number): Measurement[] {
  const state = new FlowState(graph, roots);
  const random = randomFrom(11);
  const edits = Array.from({ length: 200 * (rounds + 1) }, () => randomEdit(graph, random));
  const tails = tailsOf(
    rounds,
    (round) => edits.slice(200 * round, 200 * (round + 1)),
    (edit) => {
      graph.set(edit);
      state.update([edit]);
    },
  );
  return tailRows(row, "change", "one vouch or revocation more", "µs", tails, [1_000, 20_000]);
}

/** One target as seen by anyone; hubs and misses included. */
function views(graph: EdgeGraph, row: Row, rounds: number): Measurement[] {
  const random = randomFrom(12);
  const busiest = evenly(graph.agents, graph.agents)
    .sort((a, b) => graph.outWeight[b]! - graph.outWeight[a]!)
    .slice(0, 100);
  const questions = Array.from({ length: 400 }, (_, i) => {
    const viewer = i % 10 === 0 ? busiest[(i / 10) % busiest.length]! : Math.floor(random() * graph.agents);
    return [viewer, Math.floor(random() * graph.agents)] as const;
  }).filter(([viewer, target]) => viewer !== target);
  const tails = tailsOf(
    rounds,
    () => questions,
    ([viewer, target]) => evidenceOf(graph, [viewer], target),
  );
  // A score as seen by anyone is promised of a network of this size; guards look theirs up.
  const goals = graph.agents <= 10_000 ? ([1_000, 10_000] as const) : undefined;
  return tailRows(row, "view", "one score as seen by anyone", "µs", tails, goals);
}

/** What guard and registry ask: on a graph of vouches by DID. */
function answers(input: EdgeInput, rounds: number): Measurement[] {
  const { dids, vouches } = vouchesOf(input);
  const graph = buildTrustGraph(vouches, { scope: "tools" });
  const roots = evenly(input.agents, ROOTS).map((agent) => dids[agent]!);
  const vector = scoreVector(graph, roots);
  const random = randomFrom(3);
  const asked = Array.from({ length: 4_096 }, () => dids[Math.floor(random() * dids.length)]!);
  const { lookups } = takeTurns(rounds, {
    lookups: () => {
      for (let i = 0; i < 32; i++) for (const did of asked) vector.score(did);
    },
  });
  const few = (count: number) => () => asked.slice(0, count);
  const scores = tailsOf(rounds, few(300), (target) => trustScore(graph, { roots: [roots[0]!], target }));
  const known = tailsOf(rounds, few(300), (target) => explainTrust(graph, { roots, target, vector }));
  const advice = tailsOf(rounds, few(100), (target) => explainTrust(graph, { roots, target, threshold: 0.9 }));
  const row = rowsOf("by-did", `${input.agents.toLocaleString("en-US")} agents by DID`);
  const each = lookups.map((ms) => (ms * 1e6) / (32 * asked.length));
  return [
    row("lookup", "lookup in a guard with fixed roots", "ns", each, { goal: { of: "value", atMost: 1_000 } }),
    ...tailRows(row, "score", "score as seen by one", "µs", scores, [1_000, 10_000]),
    ...tailRows(row, "explain", "explanation with chains, vector at hand", "µs", known, [20_000, 20_000]),
    ...tailRows(row, "advice", "explanation from nothing, with what would raise it", "µs", advice, [20_000, 20_000]),
  ];
}

interface Tails {
  /** Microseconds of processor time, round by round. */
  readonly p50: readonly number[];
  readonly p99: readonly number[];
}

/** Does something to each of some things, once a round and each measured by itself; the first round warms up. */
function tailsOf<T>(rounds: number, things: (round: number) => readonly T[], action: (thing: T) => unknown): Tails {
  const tails = { p50: [] as number[], p99: [] as number[] };
  for (let round = 0; round <= rounds; round++) {
    const times = things(round).map((thing) => cpuMs(() => action(thing)) * 1_000);
    if (round === 0) continue;
    tails.p50.push(quantile(times, 0.5));
    tails.p99.push(quantile(times, 0.99));
  }
  return tails;
}

function tailRows(
  row: Row,
  name: string,
  what: string,
  unit: "µs",
  { p50, p99 }: Tails,
  goals?: readonly [middle: number, tail: number],
): Measurement[] {
  const atMost = (most: number | undefined): Pick<Measurement, "goal"> =>
    most === undefined ? {} : { goal: { of: "value", atMost: most } };
  return [
    row(name, `${what}, p50`, unit, p50, atMost(goals?.[0])),
    row(`${name}-p99`, "… p99", unit, p99, atMost(goals?.[1])),
  ];
}

/** graphology's PageRank over the same graph. */
function pageRankOf(input: EdgeInput): () => unknown {
  // Loaded by require: the packages are CommonJS whose types do not describe a default export.
  const { DirectedGraph } = require("graphology") as { DirectedGraph: new () => Graphology };
  const pagerank = require("graphology-metrics/centrality/pagerank") as (graph: Graphology) => unknown;
  const graph = new DirectedGraph();
  for (let agent = 0; agent < input.agents; agent++) graph.addNode(agent);
  for (let i = 0; i < input.issuers.length; i++) {
    graph.addEdge(input.issuers[i]!, input.subjects[i]!, { weight: input.confidences[i]! / 100 });
  }
  return () => pagerank(graph);
}

interface Graphology {
  addNode(node: number): void;
  addEdge(source: number, target: number, attributes: { weight: number }): void;
}

/** So many agents, evenly spread over all. */
function evenly(agents: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * agents) / count));
}
