import { html } from "hono/html";
import type { Did, Score } from "@peerage/core";
import type { AgentRef, Html } from "../page.ts";
import { fingerprint, scoreText } from "./format.ts";
import { sigilOf } from "./sigil.ts";

/** What a badge and a card say of an agent. */
export interface BadgeData {
  readonly agent: AgentRef;
  readonly score: Score;
  readonly scope: string;
  /** In words; `nobody yet` where there is no score. */
  readonly viewpoint: string;
  readonly active: boolean;
  readonly vouches: number;
  readonly chains: number;
}

/** Of pictures that stand on other pages, where our style sheet is not. */
export const mono: string = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";
export const sans: string = "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, Verdana, sans-serif";

/** The one word of a badge: a score, `unknown`, `no viewpoint`, or what is wrong with the key. */
export function badgeWord({ score, viewpoint, active }: BadgeData): string {
  if (!active) return "key inactive";
  return viewpoint === "nobody yet" ? "no viewpoint" : scoreText(score);
}

/** A small picture for a README: from whom the score is seen stands in it. It holds no name, as names are self-chosen. */
export function badge(data: BadgeData): Html {
  const { head, tail } = fingerprint(data.agent.did);
  const left = `${head}…${tail}`;
  const right = `${badgeWord(data)} ${data.scope} · as seen by ${data.viewpoint}`;
  const [a, b] = [left.length * 6.7 + 34, right.length * 6.25 + 16].map(Math.round) as [number, number];
  const known = data.active && data.score !== "unknown" && data.viewpoint !== "nobody yet";
  const colour = !data.active ? "#b3261e" : known ? "#0a6b5a" : "#586178";
  return html`<svg
    xmlns="http://www.w3.org/2000/svg"
    width="${a + b}"
    height="22"
    viewBox="0 0 ${a + b} 22"
    role="img"
    aria-label="${`${left}: ${right}`}"
  >
    <title>${`${data.agent.did}: ${right}`}</title>
    <rect width="${a + b}" height="22" rx="5" fill="#182034" />
    <path d="M${a} 0h${b - 5}a5 5 0 0 1 5 5v12a5 5 0 0 1-5 5H${a}z" fill="${colour}" />
    ${sigilShape(data.agent.did, 4, 3, 16)}
    <g fill="#fff" font-size="11">
      <text x="25" y="15" font-family="${mono}" textLength="${a - 33}">${left}</text>
      <text x="${a + 8}" y="15" font-family="${sans}" textLength="${b - 16}">${right}</text>
    </g>
  </svg> `;
}

/** A social card of 1200 × 630. */
export function card(data: BadgeData): Html {
  const { agent, scope, viewpoint, vouches, chains } = data;
  const { head, tail } = fingerprint(agent.did);
  const print = `z6Mk${head}…${tail}`;
  const known = data.active && data.score !== "unknown" && viewpoint !== "nobody yet";
  const width = known ? Math.round(data.score * 1056) : 0;
  return html`<svg
    xmlns="http://www.w3.org/2000/svg"
    width="1200"
    height="630"
    viewBox="0 0 1200 630"
    role="img"
    aria-label="${print}"
  >
    <title>${`${agent.name === undefined ? "" : `${agent.name} `}${print}`}</title>
    <rect width="1200" height="630" fill="#0a0f1d" />
    ${sigilShape(agent.did, 72, 84, 168)}
    <g font-family="${sans}" fill="#e9edf8">
      <text x="280" y="160" font-size="58" font-weight="700">${shortened(agent.name ?? print, 24)}</text>
      <text x="280" y="222" font-size="32" font-family="${mono}" fill="#9ba7c4">${print}</text>
      <text
        x="72"
        y="410"
        font-size="${known ? 128 : 84}"
        font-weight="700"
        fill="${data.active ? "#e9edf8" : "#ff7b72"}"
      >
        ${badgeWord(data)}
      </text>
      <text x="1128" y="368" font-size="32" text-anchor="end" fill="#9ba7c4">
        ${`in ${scope}, as seen by ${viewpoint}`}
      </text>
      <text x="1128" y="412" font-size="32" text-anchor="end" fill="#9ba7c4">
        ${`${chains} independent chains · ${vouches} vouches`}
      </text>
      <rect x="72" y="452" width="1056" height="14" rx="7" fill="#212c4b" />
      ${width > 0 ? html`<rect x="72" y="452" width="${Math.max(14, width)}" height="14" rx="7" fill="#52d6b6" />` : ""}
      <text x="72" y="560" font-size="28" fill="#9ba7c4">Should you let this agent in?</text>
      <text x="1128" y="560" font-size="28" text-anchor="end" font-weight="700">Peerage</text>
    </g>
  </svg> `;
}

/** A sigil as a shape of its own, for pictures that refer to nothing. */
export function sigilShape(did: Did, x: number, y: number, size: number): Html {
  const { disc, line, lines, large, largeStars, small, smallStars } = sigilOf(did);
  return html`<g transform="translate(${x} ${y}) scale(${size / 64})" fill="none" stroke-linecap="round">
    <circle cx="32" cy="32" r="32" fill="${disc}" />
    <path d="${lines}" stroke="${line}" stroke-width="2" />
    <path d="${smallStars}" stroke="${small}" stroke-width="8" />
    <path d="${largeStars}" stroke="${large}" stroke-width="10.5" />
  </g>`;
}

function shortened(text: string, most: number): string {
  const points = Array.from(text);
  return points.length <= most ? text : `${points.slice(0, most - 1).join("")}…`;
}
