import { html } from "hono/html";
import type { Score } from "@peerage/core";
import type { Frame } from "../frame.ts";
import type { AgentRef, Html } from "../page.ts";
import { fingerprintText, scoreText } from "./format.ts";

/** An agent of the orbit in a page's data. */
export interface OrbitAgent extends AgentRef {
  readonly score: Score;
  readonly angle: number;
  readonly through: number;
}

const RINGS = [0.75, 0.5, 0.25, 0.1] as const;

/** The network as an agent itself sees it: in the middle the agent, further out whom it trusts less. */
export function orbit(centre: AgentRef, around: readonly OrbitAgent[], frame: Frame, size = 420): Html {
  const middle = size / 2;
  const radius = radiusIn(size);
  const sigil = around.length > 120 ? 14 : 18;
  const places = around.map(({ score, angle }) => {
    const r = radius(score);
    return { x: round(middle + Math.cos(angle) * r), y: round(middle + Math.sin(angle) * r) };
  });
  const lines = around.map(({ through }, i) => {
    const from = places[through] ?? { x: middle, y: middle };
    const to = places[i] ?? from;
    return html`<path d="M${from.x} ${from.y}L${to.x} ${to.y}" class="${through < 0 ? "direct" : "further"}" />`;
  });
  return html`<svg
    class="orbit"
    viewBox="0 0 ${size} ${size}"
    role="group"
    aria-label="${around.length} agents as this one sees them"
  >
    ${RINGS.map((ring) => html`<circle class="ring" cx="${middle}" cy="${middle}" r="${round(radius(ring))}" />`)}
    ${lines} ${around.map((agent, i) => neighbour(agent, places[i] ?? { x: middle, y: middle }, sigil, frame))}
    ${RINGS.map((ring) => html`<text class="scale" x="${middle}" y="${round(middle - radius(ring) + 3)}">${ring.toFixed(2)}</text>`)}
    <use href="#${frame.symbol(centre.did)}" x="${middle - 17}" y="${middle - 17}" width="34" height="34" />
  </svg>`;
}

function neighbour(agent: OrbitAgent, { x, y }: { x: number; y: number }, sigil: number, frame: Frame): Html {
  const name = agent.name === undefined ? "" : `${agent.name} `;
  return html`<a href="${frame.links.agent(agent.did)}"
    ><title>${`${name}${fingerprintText(agent.did)}: ${scoreText(agent.score)} from here`}</title
    ><use
      href="#${frame.symbol(agent.did)}"
      x="${round(x - sigil / 2)}"
      y="${round(y - sigil / 2)}"
      width="${sigil}"
      height="${sigil}"
  /></a>`;
}

/** Logarithmic: 1 at the inner rim, 0.05 and less at the outer one. */
function radiusIn(size: number): (score: Score) => number {
  const [inner, outer] = [size * 0.105, size / 2 - 14];
  return (score) => {
    const value = score === "unknown" ? 0.05 : Math.min(1, Math.max(0.05, score));
    return inner + ((outer - inner) * Math.log(value)) / Math.log(0.05);
  };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
