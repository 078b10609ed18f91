import type { Did, View } from "@peerage/core";
import { agentRows } from "../seen.ts";
import { communities } from "./communities.ts";
import { fit, layoutGraph, type Link, type Point } from "./layout.ts";

/** Below this many agents every agent is drawn with its sigil. */
export const POSTER_AGENTS = 60;
/** Most agents of the still picture. */
export const STILL_AGENTS = 240;

/** The size of the picture. */
export const SKY: { readonly width: number; readonly height: number } = { width: 640, height: 560 };

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
export function skyOf(view: View): Sky {
  let sky = kept.get(view);
  if (!sky) {
    sky = draw(view);
    kept.set(view, sky);
  }
  return sky;
}

function draw(view: View): Sky {
  const shown = [...agentRows(view)].sort((a, b) => b.received - a.received).slice(0, STILL_AGENTS);
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
  const points = layoutGraph(shown.length, links);
  const group = communities(shown.length, links);
  const form = shown.length < POSTER_AGENTS ? "poster" : "still";
  const margin = form === "poster" ? { x: 40, y: 34 } : { x: 14, y: 14 };
  const gap = form === "poster" ? posterGap(shown.length) : { x: 17, y: 17 };
  fit(points, { ...SKY, margin, gap });
  const nodes = shown.map(({ did, received }, i) => ({
    did,
    received,
    community: group[i] ?? 0,
    x: Math.round((points[i]?.x ?? 0) * 10) / 10,
    y: Math.round((points[i]?.y ?? 0) * 10) / 10,
  }));
  return { form, nodes, edges };
}

/** Room for a sigil and its label, as far as the picture has it. */
function posterGap(agents: number): Point {
  const x = Math.min(104, Math.sqrt((0.78 * SKY.width * SKY.height) / Math.max(agents, 1)));
  return { x, y: x / 1.3 };
}
