import { html } from "hono/html";
import type { Score } from "@peerage/core";
import type { Frame } from "../frame.ts";
import { type Orbit, throughAmong } from "../map/orbit.ts";
import { orbitPlace, orbitRadius, orbitRings, ringText, wayTo } from "../map/orbit-place.ts";
import type { AgentRef, Asked, Html } from "../page.ts";
import { fingerprintText, scoreText } from "./format.ts";

/** An agent of the orbit in a page's data. */
export interface OrbitAgent extends AgentRef {
  readonly score: Score;
  /** Where it stands around the middle, in 100,000ths of a turn, clockwise from the top. */
  readonly angle: number;
  /** The one whose vouch leads to it, as a number in the list; −1 for the middle itself. */
  readonly through: number;
  /** All to whom the way begins with the same agent, by number of agents. */
  readonly branch: number;
}

/** What a picture of an orbit shows. */
export interface OrbitPicture {
  readonly around: readonly OrbitAgent[];
  /** The least score of the orbit, in thousandths: what stands outermost. */
  readonly least: number;
  /** How many agents the middle has no score for: they are the rim. */
  readonly unreached: number;
}

/** The first agents of an orbit in a page's data. */
export function orbitAgents(orbit: Orbit, most: number, { ref }: Pick<Asked, "ref">): OrbitAgent[] {
  const through = throughAmong(orbit, most);
  return orbit.dids.slice(0, most).map((did, i) => ({
    ...ref(did),
    score: (orbit.score[i] ?? 0) / 1_000_000,
    angle: orbit.angle[i] ?? 0,
    through: through[i] ?? -1,
    branch: orbit.branch[i] ?? 0,
  }));
}

/** A score as places are made from it. */
export function thousandths(score: Score): number {
  return score === "unknown" ? 0 : Math.round(score * 1_000);
}

interface Shape {
  /** Width and height. */
  readonly size: number;
  /** So many of the nearest have their sigil and are links; the others are dots. */
  readonly sigils: number;
}

/** The network as an agent itself sees it: in the middle the agent, further out whom it trusts less. */
export function orbit(centre: AgentRef, picture: OrbitPicture, frame: Frame, { size, sigils }: Shape): Html {
  const { around, least, unreached } = picture;
  const middle = size / 2;
  const rim = middle - 12;
  const places = around.map(({ score, angle }) => {
    const { x, y } = orbitPlace(thousandths(score), angle, least);
    return { x: round(middle + x * rim), y: round(middle + y * rim) };
  });
  const ring = (at: number): number => round(orbitRadius(at, least) * rim);
  const rings = orbitRings(least);
  const through = around.map((agent) => agent.through);
  const label = `${around.length} agents as this one sees them, the nearest the most trusted`;
  return html`<svg class="orbit still" viewBox="0 0 ${size} ${size}" role="group" aria-label="${label}">
    ${unreached > 0 ? html`<circle class="rim" cx="${middle}" cy="${middle}" r="${rim}" />` : ""}
    ${rings.map((at) => html`<circle class="ring" cx="${middle}" cy="${middle}" r="${ring(at)}" />`)}
    ${lines(around, places, middle)} ${dots(around, places, sigils)}
    ${around.slice(0, sigils).map((agent, i) => neighbour(agent, places[i] ?? { x: middle, y: middle }, chainOf(i, around, through), frame))}
    ${rings.map((at) => html`<text class="scale" x="${middle}" y="${round(middle - ring(at) + 3)}">${ringText(at)}</text>`)}
    <use href="#${frame.symbol(centre.did)}" x="${middle - 17}" y="${middle - 17}" width="34" height="34" />
  </svg>`;
}

interface Place {
  readonly x: number;
  readonly y: number;
}

/** Lines that look alike are one path. */
function lines(around: readonly OrbitAgent[], places: readonly Place[], middle: number): Html {
  const paths = { direct: "", further: "" };
  for (const [i, { through }] of around.entries()) {
    const from = places[through] ?? { x: middle, y: middle };
    const to = places[i] ?? from;
    const [x, y] = [Math.round(from.x), Math.round(from.y)];
    paths[through < 0 ? "direct" : "further"] += `M${x} ${y}l${Math.round(to.x) - x} ${Math.round(to.y) - y}`;
  }
  return html`<path class="direct" d="${paths.direct}" /><path class="further" d="${paths.further}" />`;
}

/** Those without a sigil, in the colour of whom the way to them begins with. */
function dots(around: readonly OrbitAgent[], places: readonly Place[], from: number): Html[] {
  const paths = new Map<string, string>();
  for (let i = from; i < around.length; i++) {
    const { x, y } = places[i] ?? { x: 0, y: 0 };
    const { score = 0, branch = 0 } = around[i] ?? {};
    const kind = `dots r${thousandths(score) >= 250 ? 1 : 0} c${branch % 12}`;
    paths.set(kind, `${paths.get(kind) ?? ""}M${Math.round(x)} ${Math.round(y)}h0`);
  }
  return Array.from(paths, ([kind, d]) => html`<path class="${kind}" d="${d}" />`);
}

function neighbour(agent: OrbitAgent, { x, y }: Place, chain: string, frame: Frame): Html {
  const radius = 9;
  return html`<a href="${frame.links.agent(agent.did)}"
    ><title>${`${nameText(agent)}: ${scoreText(agent.score)} from here${chain}`}</title
    ><use
      href="#${frame.symbol(agent.did)}"
      x="${round(x - radius)}"
      y="${round(y - radius)}"
      width="${2 * radius}"
      height="${2 * radius}"
  /></a>`;
}

/** By way of whom, where it is not the middle's own vouch. */
function chainOf(i: number, around: readonly OrbitAgent[], through: readonly number[]): string {
  const between = wayTo(i, through).slice(0, -1);
  if (between.length === 0) return ", by its own vouch";
  return `, by way of ${between.flatMap((n) => (around[n] ? [nameText(around[n])] : [])).join(" and ")}`;
}

function nameText({ did, name }: AgentRef): string {
  return name === undefined ? fingerprintText(did) : `${name} ${fingerprintText(did)}`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
