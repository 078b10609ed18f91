import { type Did, LruMap, type View } from "@peerage/core";
import { agentRows, type Past, type Seen } from "../seen.ts";
import { communities } from "./communities.ts";
import { fit, layoutGraph, type Link, type Point } from "./layout.ts";

/** Below this many agents every agent is drawn with its sigil. */
const POSTER_AGENTS = 60;
/** Most agents of the still picture. */
const STILL_AGENTS = 240;

/** The size of the picture. */
export const SKY: { readonly width: number; readonly height: number } = { width: 700, height: 590 };

export interface SkyNode extends Point {
  readonly did: Did;
  readonly received: number;
  /** Number of its community, by size. */
  readonly community: number;
}

export interface SkyEdge {
  readonly from: number;
  readonly to: number;
  readonly confidence: number;
}

/** The network as a picture: the agents most vouched for, with the vouches in force between them. */
export interface Sky {
  readonly form: "poster" | "still";
  readonly nodes: readonly SkyNode[];
  readonly edges: readonly SkyEdge[];
}

const kept = new WeakMap<View, Sky>();

/** The picture of a view: drawn once, the same for everybody. */
export function skyOf({ view, past }: Seen): Sky {
  let sky = kept.get(view);
  if (!sky) {
    sky = draw(view, past);
    kept.set(view, sky);
  }
  return sky;
}

function draw(view: View, past: Past | undefined): Sky {
  const shown = [...agentRows(view, past)].sort((a, b) => b.received - a.received).slice(0, STILL_AGENTS);
  const number = new Map(shown.map(({ did }, i) => [did, i]));
  const pairs = new Map<string, SkyEdge>();
  for (const { statement } of view.vouchesInForce()) {
    const from = number.get(statement.issuer);
    const to = number.get(statement.subject);
    if (from === undefined || to === undefined) continue;
    const known = pairs.get(`${from} ${to}`);
    const confidence = Math.max(statement.confidence, known?.confidence ?? 0);
    pairs.set(`${from} ${to}`, { from, to, confidence });
  }
  const edges = [...pairs.values()];
  const links = edges.map(({ from, to }): Link => [from, to]);
  const form = shown.length < POSTER_AGENTS ? "poster" : "still";
  const { group, points } = arranged(shown.length, links, form);
  const nodes = shown.map(({ did, received }, i) => ({
    did,
    received,
    community: group[i] ?? 0,
    x: Math.round((points[i]?.x ?? 0) * 10) / 10,
    y: Math.round((points[i]?.y ?? 0) * 10) / 10,
  }));
  return { form, nodes, edges };
}

interface Arranged {
  readonly group: readonly number[];
  readonly points: readonly Point[];
}

/** Pictures whose places are kept: they take a third of a second, and most new entries of a log change nothing in them. */
const arrangements = new LruMap<string, Arranged>(8);

function arranged(count: number, links: readonly Link[], form: Sky["form"]): Arranged {
  const key = `${count} ${links.join(" ")}`;
  let known = arrangements.get(key);
  if (!known) {
    known = { group: communities(count, links), points: place(count, links, form) };
    arrangements.set(key, known);
  }
  return known;
}

/** The linked agents as their links ask for, the others in rows along the lower edge. */
function place(count: number, links: readonly Link[], form: Sky["form"]): Point[] {
  const linked = [...new Set(links.flat())].sort((a, b) => a - b);
  const alone = Array.from({ length: count }, (_, i) => i).filter((i) => !linked.includes(i));
  const margin = form === "poster" ? { x: 44, y: 34 } : { x: 14, y: 14 };
  const gap = form === "poster" ? posterGap(count) : { x: 17, y: 17 };
  const perRow = Math.max(1, Math.floor((SKY.width - 2 * margin.x) / gap.x) + 1);
  const rows = Math.ceil(alone.length / perRow);
  const height = Math.max(SKY.height - rows * gap.y, SKY.height / 3);
  const number = new Map(linked.map((i, at) => [i, at]));
  const inner = links.map(([a, b]): Link => [number.get(a) ?? 0, number.get(b) ?? 0]);
  const laid = layoutGraph(linked.length, inner);
  fit(laid, { width: SKY.width, height, margin, gap });
  const points = Array.from({ length: count }, (): Point => ({ x: 0, y: 0 }));
  linked.forEach((i, at) => (points[i] = laid[at] ?? { x: 0, y: 0 }));
  alone.forEach((i, at) => {
    const row = Math.floor(at / perRow);
    const inRow = row === rows - 1 ? alone.length - row * perRow : perRow;
    const x = SKY.width / 2 + ((at % perRow) - (inRow - 1) / 2) * gap.x;
    const bottom = linked.length === 0 ? (SKY.height + rows * gap.y) / 2 : SKY.height;
    points[i] = { x, y: bottom - margin.y - (rows - 1 - row) * gap.y };
  });
  return points;
}

/** Room for a sigil and its label, as far as the picture has it. */
function posterGap(agents: number): Point {
  const x = Math.min(112, Math.sqrt((0.8 * SKY.width * SKY.height) / Math.max(agents, 1)));
  return { x, y: x / 1.28 };
}
