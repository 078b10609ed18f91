import { createRequire } from "node:module";
import { EdgeGraph, type EdgeEdit } from "../../core/src/trust/edge-graph.ts";
import { FlowState } from "../../core/src/trust/flow-state.ts";
import { evidenceOf } from "../../core/src/trust/flow-view.ts";
import { explainTrust } from "../../core/src/trust/explain.ts";
import { scoreVector } from "../../core/src/trust/flow.ts";
import { buildTrustGraph } from "../../core/src/trust/graph.ts";
import { markVerified } from "../../core/src/verified.ts";
import { sha256Hex } from "../../core/src/encoding/sha256.ts";
import type { Did } from "../../core/src/did/did-key.ts";
import type { EdgeInput } from "../../core/src/trust/csr.ts";
import { median, quantile, type Row, type Section } from "../report.ts";
import { randomFrom } from "./random.ts";
import { powerLaw } from "./synthetic.ts";

const require = createRequire(import.meta.url);

/**
 * Speed and memory on power-law networks with ten vouches an agent, one section a size. The largest comes first: a heap
 * full of graphology's objects makes every collection, and so every large allocation, slow.
 */
export function speedTables(quick: boolean, done: (section: Section) => void): Section[] {
  const sizes = quick ? [100_000, 10_000] : [1_000_000, 100_000, 10_000];
  return sizes.map((agents) => {
    const input = powerLaw(agents, agents * 10, 5);
    const rows = engineRows(input);
    if (agents === 10_000) rows.push(...answerRows(input));
    if (agents === 100_000) rows.push(pageRankRow(input));
    const edges = input.issuers.length.toLocaleString("en-US");
    const section = { title: `${agents.toLocaleString("en-US")} agents, ${edges} vouches, power law`, rows };
    done(section);
    return section;
  });
}

function engineRows(input: EdgeInput): Row[] {
  const { agents } = input;
  const million = agents === 1_000_000;
  const rows: Row[] = [];
  const add = (what: string, times: Times, goal?: string, note?: () => string): void => {
    const ratio = [`${median(times.cpu).toPrecision(2)} ms of processor time`, ...(note ? [note()] : [])].join("; ");
    rows.push({ what, value: spread(times.wall), ratio, ...(goal && million ? { goal } : {}) });
  };
  let graph = new EdgeGraph(input);
  add(
    "build, vouches in random order",
    time(5, () => (graph = new EdgeGraph(input))),
    "≤ 1 s",
  );

  const few = evenly(agents, 12);
  let state = new FlowState(graph, few);
  add(
    "full vector, 12 roots",
    time(9, () => (state = new FlowState(graph, few))),
    undefined,
    () => active(state),
  );
  const many = evenly(agents, Math.floor(agents / 50));
  add(
    "full vector, 2 % of the agents as roots",
    time(9, () => (state = new FlowState(graph, many))),
    "≤ 600 ms",
    () => active(state),
  );

  const random = randomFrom(11);
  const updates = tailOf();
  for (let i = 0; i < 1000; i++) {
    const edit = randomEdit(graph, random);
    note(updates, () => {
      graph.set(edit);
      state.update([edit]);
    });
  }
  rows.push({
    what: "one vouch or revocation, all of it active",
    ...columnsOf(updates),
    ...(million ? { goal: "p50 ≤ 1 ms, p99 ≤ 20 ms" } : {}),
  });

  graph = new EdgeGraph(input);
  state = new FlowState(graph, many);
  const views = viewTimes(graph, random);
  rows.push({
    what: "as seen by anyone, one target; hubs and misses included",
    ...columnsOf(views),
    ...(agents === 10_000 ? { goal: "p50 ≤ 1 ms, p99 ≤ 10 ms" } : {}),
  });
  const [edgeBytes, agentBytes] = bytes(graph, state);
  const total = graph.byteLength + state.byteLength;
  rows.push({
    what: "memory: edges, agents; together",
    value: `${edgeBytes.toFixed(1)} B an edge, ${agentBytes.toFixed(1)} B an agent; ${(total / 2 ** 20).toFixed(1)} MiB`,
    ratio: `${((100 * total) / (24 * graph.edges + 40 * agents)).toFixed(0)} % of 24 B an edge + 40 B an agent`,
    goal: "≤ 24 B, ≤ 40 B",
  });
  return rows;
}

/** Half new vouches between random agents, half revocations of what is there. */
function randomEdit(graph: EdgeGraph, random: () => number): EdgeEdit {
  for (;;) {
    const issuer = Math.floor(random() * graph.agents);
    const run = graph.outgoing(issuer);
    if (random() < 0.5 && run.end > run.start) {
      const at = run.start + Math.floor(random() * (run.end - run.start));
      return { issuer, subject: run.peers[at]!, confidence: 0 };
    }
    const subject = Math.floor(random() * graph.agents);
    if (subject !== issuer) return { issuer, subject, confidence: 80 };
  }
}

function viewTimes(graph: EdgeGraph, random: () => number): Tail {
  const busiest = Array.from({ length: graph.agents }, (_, agent) => agent)
    .sort((a, b) => graph.outWeight[b]! - graph.outWeight[a]!)
    .slice(0, 100);
  const times = tailOf();
  for (let i = 0; i < 2000; i++) {
    const viewer = i % 10 === 0 ? busiest[(i / 10) % 100]! : Math.floor(random() * graph.agents);
    const target = Math.floor(random() * graph.agents);
    if (viewer === target) continue;
    note(times, () => evidenceOf(graph, [viewer], target));
  }
  return times;
}

/** What guard and registry ask: on a graph of vouches by DID. */
function answerRows(input: EdgeInput): Row[] {
  const dids = Array.from(
    { length: input.agents },
    (_, agent): Did => `did:key:z6Mk${String(agent).padStart(44, "1")}`,
  );
  const vouches = Array.from(input.issuers, (issuer, i) =>
    markVerified({
      id: `sha256:${sha256Hex(String(i))}` as const,
      issuer: dids[issuer]!,
      subject: dids[input.subjects[i]!]!,
      scope: ["tools"],
      confidence: input.confidences[i]!,
      validFrom: 0,
      validUntil: 1,
    }),
  );
  const graph = buildTrustGraph(vouches, { scope: "tools" });
  const roots = evenly(input.agents, 12).map((agent) => dids[agent]!);
  const vector = scoreVector(graph, roots);
  const random = randomFrom(3);
  const asked = Array.from({ length: 1 << 12 }, () => dids[Math.floor(random() * dids.length)]!);
  const lookups = time(9, () => {
    for (let round = 0; round < 16; round++) for (const did of asked) vector.score(did);
  }).wall.map((ms) => (ms * 1e6) / (16 * asked.length));
  const [explanations, without] = [tailOf(), tailOf()];
  for (const target of asked.slice(0, 1000)) note(explanations, () => explainTrust(graph, { roots, target, vector }));
  for (const target of asked.slice(0, 300)) {
    note(without, () => explainTrust(graph, { roots, target, threshold: 0.9 }));
  }
  const range = `${Math.min(...lookups).toFixed(0)}–${Math.max(...lookups).toFixed(0)}`;
  return [
    { what: "lookup by DID", value: `${median(lookups).toFixed(0)} ns (${range})`, goal: "≤ 1 µs" },
    { what: "explanation with chains, vector at hand", ...columnsOf(explanations), goal: "p99 ≤ 20 ms" },
    { what: "explanation from nothing, with what would raise it", ...columnsOf(without), goal: "p99 ≤ 20 ms" },
  ];
}

/** graphology's PageRank on the same graph, beside the full vector with all of it active. */
function pageRankRow(input: EdgeInput): Row {
  // Loaded by require: the packages are CommonJS whose types do not describe a default export.
  const { DirectedGraph } = require("graphology") as { DirectedGraph: new () => Graphology };
  const pagerank = require("graphology-metrics/centrality/pagerank") as (graph: Graphology) => unknown;
  const graph = new DirectedGraph();
  for (let agent = 0; agent < input.agents; agent++) graph.addNode(agent);
  for (let i = 0; i < input.issuers.length; i++) {
    graph.addEdge(input.issuers[i]!, input.subjects[i]!, { weight: input.confidences[i]! / 100 });
  }
  const ours = new EdgeGraph(input);
  const roots = evenly(input.agents, Math.floor(input.agents / 50));
  const full = median(time(9, () => new FlowState(ours, roots)).cpu);
  const times = time(3, () => pagerank(graph));
  return {
    what: "graphology PageRank, same graph",
    value: spread(times.wall),
    ratio: `${(median(times.cpu) / full).toFixed(0)} × the full vector with all of it active, in processor time`,
    goal: "≥ 25 ×",
  };
}

interface Graphology {
  addNode(node: number): void;
  addEdge(source: number, target: number, attributes: { weight: number }): void;
}

function evenly(agents: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * agents) / count));
}

/** The share of the edges over which something flows in the last pass. */
function active(state: FlowState): string {
  const { graph } = state;
  const share = state.shares(5);
  let edges = 0;
  for (let agent = 0; agent < graph.agents; agent++) {
    if (share[agent] === 0) continue;
    const run = graph.outgoing(agent);
    edges += run.end - run.start;
  }
  return `${((100 * edges) / graph.edges).toFixed(1)} % of the edges active`;
}

function bytes(graph: EdgeGraph, state: FlowState): [number, number] {
  const { inPeer, inConfidence, outPeer, outConfidence, outRef } = graph.base;
  const edges = [inPeer, inConfidence, outPeer, outConfidence, outRef].reduce(
    (sum, array) => sum + array.byteLength,
    0,
  );
  return [edges / graph.edges, (graph.byteLength - edges + state.byteLength) / graph.agents];
}

function once(action: () => unknown): number {
  const start = performance.now();
  action();
  return performance.now() - start;
}

/** How long many short things took one by one: by the clock, and of this thread's processor time. */
interface Tail {
  readonly wall: number[];
  readonly cpu: number[];
}

function tailOf(): Tail {
  return { wall: [], cpu: [] };
}

function note(times: Tail, action: () => unknown): void {
  const before = process.threadCpuUsage();
  times.wall.push(once(action));
  const { user, system } = process.threadCpuUsage(before);
  times.cpu.push((user + system) / 1000);
}

/** The columns of a row: a busy machine stretches the first only. */
function columnsOf({ wall, cpu }: Tail): Pick<Row, "value" | "ratio"> {
  return { value: tail(wall), ratio: `p99 ${quantile(cpu, 0.99).toPrecision(2)} ms of processor time` };
}

/** Milliseconds by the clock, and of processor time: a busy machine stretches the first only. */
interface Times {
  readonly wall: number[];
  readonly cpu: number[];
}

function time(rounds: number, action: () => unknown): Times {
  action();
  const times: Times = { wall: [], cpu: [] };
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    times.wall.push(once(action));
    const { user, system } = process.cpuUsage(before);
    times.cpu.push((user + system) / 1000);
  }
  return times;
}

function spread(times: readonly number[]): string {
  const digits = median(times) < 10 ? 2 : 0;
  return `${median(times).toFixed(digits)} ms (${Math.min(...times).toFixed(digits)}–${Math.max(...times).toFixed(digits)})`;
}

function tail(times: readonly number[]): string {
  const at = (share: number): string => quantile(times, share).toPrecision(2);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}
