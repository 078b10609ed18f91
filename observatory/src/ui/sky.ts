import { html } from "hono/html";
import type { Score } from "@peerage/core";
import type { Frame } from "../frame.ts";
import { SKY, skyOf } from "../map/sky.ts";
import type { AgentRef, Asked, Html } from "../page.ts";
import { fingerprint, scoreText } from "./format.ts";

/** An agent of the picture in a page's data. */
export interface SkyAgent extends AgentRef {
  readonly x: number;
  readonly y: number;
  readonly received: number;
  readonly community: number;
  readonly score: Score;
  readonly root: boolean;
}

/** The picture in a page's data. */
export interface SkyData {
  readonly form: "poster" | "still";
  readonly agents: readonly SkyAgent[];
  readonly edges: readonly { readonly from: number; readonly to: number; readonly confidence: number }[];
}

/** The picture of a view with the scores of a viewpoint. */
export function skyData({ seen, ref }: Pick<Asked, "seen" | "ref">): SkyData {
  const { form, nodes, edges } = skyOf(seen);
  const { vector } = seen;
  const roots = new Set(seen.viewpoint.roots);
  const agents = nodes.map((node) => ({
    ...ref(node.did),
    x: node.x,
    y: node.y,
    received: node.received,
    community: node.community,
    score: vector.score(node.did),
    root: roots.has(node.did),
  }));
  return { form, agents, edges };
}

/** Dots of the still picture that are links. */
const LINKED_DOTS = 40;
/** Communities beyond this one share its colour. */
const COLOURS = 12;

/**
 * The network as a server-drawn picture: agents are stars, vouches lines, brightness is trust from the page's viewpoint.
 * Below 60 agents each has its sigil and its name, above that a dot in the colour of its community.
 */
export function sky(data: SkyData, frame: Frame): Html {
  const label = `${data.agents.length} agents and the vouches between them; the directory lists the same agents`;
  return html`<svg
    class="sky ${data.form}${frame.seen.viewpoint.kind === "none" ? " unseen" : ""}"
    viewBox="0 0 ${SKY.width} ${SKY.height}"
    role="group"
    aria-label="${label}"
  >
    <defs>
      <marker id="tip" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="5" markerHeight="5" orient="auto">
        <path class="tip" d="M0 0.6L6 3L0 5.4z" />
      </marker>
      <radialGradient id="glow">
        <stop class="glow-in" offset="0.42" />
        <stop class="glow-out" offset="1" />
      </radialGradient>
    </defs>
    <g class="edges">${data.form === "still" ? stillLines(data) : data.edges.map((edge) => line(data, edge))}</g>
    ${data.form === "poster" ? data.agents.map((agent) => star(agent, frame)) : stillDots(data, frame)}
  </svg>`;
}

function line(data: SkyData, { from, to, confidence }: SkyData["edges"][number]): Html {
  const a = data.agents[from];
  const b = data.agents[to];
  if (!a || !b) return html``;
  const strength = confidence >= 80 ? "strong" : confidence >= 50 ? "fair" : "weak";
  const trusted = a.score !== "unknown" && a.score > 0 ? " lit" : "";
  const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
  // A slight bend keeps the two directions of a pair apart; the ends stop at the rims.
  const bend = Math.min(14, length * 0.07);
  const middle = {
    x: (a.x + b.x) / 2 - ((b.y - a.y) / length) * bend,
    y: (a.y + b.y) / 2 + ((b.x - a.x) / length) * bend,
  };
  const start = towards(a, middle, 16);
  const end = towards(b, middle, 18);
  return html`<path
    class="${strength}${trusted}"
    marker-end="url(#tip)"
    d="M${start.x} ${start.y}Q${round(middle.x)} ${round(middle.y)} ${end.x} ${end.y}"
  />`;
}

/** The most vouched-for are links; the others, drawn alike, are points of a few paths, and the directory names them. */
function stillDots({ agents }: SkyData, frame: Frame): Html {
  const linked = new Set([...agents].sort((a, b) => b.received - a.received).slice(0, LINKED_DOTS));
  const paths = new Map<string, string>();
  for (const agent of agents) {
    if (linked.has(agent) || agent.root) continue;
    const size = Math.min(3, Math.floor(Math.sqrt(agent.received)));
    const kind = `dots r${size} c${agent.community % COLOURS}${agent.score === "unknown" ? " unknown" : ""}`;
    paths.set(kind, `${paths.get(kind) ?? ""}M${Math.round(agent.x)} ${Math.round(agent.y)}h0`);
  }
  const points = Array.from(paths, ([kind, d]) => html`<path class="${kind}" d="${d}" />`);
  return html`${points} ${agents.filter((agent) => linked.has(agent) || agent.root).map((agent) => dot(agent, frame))}`;
}

/** Lines that look alike are one path: a picture of hundreds of vouches stays small. */
function stillLines(data: SkyData): Html[] {
  const paths = new Map<string, string>();
  for (const { from, to } of data.edges) {
    const [a, b] = [data.agents[from], data.agents[to]];
    if (!a || !b) continue;
    const trusted = a.score !== "unknown" && a.score > 0 ? "lit " : "";
    const kind = `${trusted}c${a.community % COLOURS}`;
    const [x, y] = [Math.round(a.x), Math.round(a.y)];
    const step = `M${x} ${y}l${Math.round(b.x) - x} ${Math.round(b.y) - y}`;
    paths.set(kind, (paths.get(kind) ?? "") + step);
  }
  return Array.from(paths, ([kind, d]) => html`<path class="${kind}" d="${d}" />`);
}

function towards(from: { x: number; y: number }, to: { x: number; y: number }, by: number): { x: number; y: number } {
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
  return {
    x: round(from.x + ((to.x - from.x) / length) * by),
    y: round(from.y + ((to.y - from.y) / length) * by),
  };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function star(agent: SkyAgent, frame: Frame): Html {
  const { x, y, score, root } = agent;
  const known = score !== "unknown";
  const glow = known ? html`<circle class="glow" cx="${x}" cy="${y}" r="${round(18 + 14 * score)}" />` : "";
  const ring = root ? html`<circle class="ring" cx="${x}" cy="${y}" r="17.5" />` : "";
  return html`<a href="${frame.links.agent(agent.did)}" class="star${known ? "" : " unknown"}">
    <title>${tooltip(agent)}</title>
    ${glow}${ring}
    <use href="#${frame.symbol(agent.did)}" x="${round(x - 14)}" y="${round(y - 14)}" width="28" height="28" />
    ${skyLabel(agent)}
  </a>`;
}

function skyLabel(agent: SkyAgent): Html {
  const { x, y, did, name } = agent;
  const { head, tail } = fingerprint(did);
  if (name === undefined) return html`<text class="fp" x="${x}" y="${round(y + 27)}">${head}…${tail}</text>`;
  return html`<text class="name" x="${x}" y="${round(y + 26)}">${shortened(name)}</text
    ><text class="fp" x="${x}" y="${round(y + 37)}">${head}…${tail}</text>`;
}

function dot(agent: SkyAgent, frame: Frame): Html {
  const { x, y, received, community, score, root } = agent;
  const r = round(Math.min(9, 2.2 + Math.sqrt(received) * 1.35));
  return html`<a href="${frame.links.agent(agent.did)}" class="star${score === "unknown" ? " unknown" : ""}">
    <title>${tooltip(agent)}</title>
    ${root ? html`<circle class="ring" cx="${x}" cy="${y}" r="${round(r + 3)}" />` : ""}
    <circle class="dot c${community % COLOURS}" cx="${Math.round(x)}" cy="${Math.round(y)}" r="${r}" />
  </a>`;
}

function tooltip({ did, name, score, root, received }: SkyAgent): string {
  const { head, tail } = fingerprint(did);
  const who = `${name === undefined ? "" : `${name} `}z6Mk${head}…${tail}`;
  return `${who}: ${root ? "a root" : `score ${scoreText(score)}`}, ${received} vouches received`;
}

/** Cuts by code points: a label in a picture has the room of one word. */
function shortened(name: string): string {
  const points = Array.from(name);
  return points.length <= 14 ? name : `${points.slice(0, 13).join("")}…`;
}
