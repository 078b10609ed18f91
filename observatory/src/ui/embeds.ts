import { html } from "hono/html";
import { DRAWN_CHAINS, shortened } from "./chains.ts";
import { type ChainNode, layoutChains, type Run } from "./chain-layout.ts";
import { badgeWord, type BadgeData, mono, sans, sigilShape } from "./badge.ts";
import { fingerprint } from "./format.ts";
import type { Html } from "../page.ts";
import { orbitPlace, orbitRadius, orbitRings, ringText } from "../map/orbit-place.ts";
import type { Term } from "../working.ts";
import { type OrbitPicture, thousandths } from "./orbit.ts";

/** The colours of a picture that stands on somebody else's page: it cannot know that page's own. */
export type Theme = "light" | "dark";

interface Colours {
  readonly panel: string;
  readonly ink: string;
  readonly muted: string;
  readonly line: string;
  readonly edge: string;
  readonly ok: string;
}

const themes: Readonly<Record<Theme, Colours>> = {
  light: { panel: "#fffefb", ink: "#182034", muted: "#586178", line: "#e4dfd2", edge: "#a9a48f", ok: "#0a6b5a" },
  dark: { panel: "#111830", ink: "#e9edf8", muted: "#9ba7c4", line: "#212c4b", edge: "#3a4875", ok: "#52d6b6" },
};

const ORBIT = { size: 420, foot: 44 } as const;

/** The nearest of the network as an agent sees it, for a page elsewhere. It needs no style sheet and runs nothing. */
export function orbitEmbed(
  data: Pick<BadgeData, "agent" | "scope">,
  { around, least }: Pick<OrbitPicture, "around" | "least">,
  theme: Theme,
): Html {
  const colours = themes[theme];
  const { size, foot } = ORBIT;
  const middle = size / 2;
  const rim = middle - 22;
  const places = around.map(({ score, angle }) => {
    const { x, y } = orbitPlace(thousandths(score), angle, least);
    return { x: Math.round(middle + x * rim), y: Math.round(middle + y * rim) };
  });
  const ways = around.map(({ through }, i) => {
    const from = places[through] ?? { x: middle, y: middle };
    const to = places[i] ?? from;
    return `M${from.x} ${from.y}L${to.x} ${to.y}`;
  });
  const words = `${around.length === 0 ? "vouches for nobody" : `the nearest ${around.length}`} in ${data.scope}, as it sees them`;
  return frameOf({ width: size, height: size + foot, colours, words: `${print(data)}: ${words}` }, [
    ...orbitRings(least).map((at) => {
      const r = Math.round(orbitRadius(at, least) * rim);
      return html`<circle cx="${middle}" cy="${middle}" r="${r}" fill="none" stroke="${colours.line}" />
        <text
          x="${middle}"
          y="${middle - r + 3}"
          font-size="10"
          text-anchor="middle"
          fill="${colours.muted}"
          stroke="${colours.panel}"
          stroke-width="4"
          paint-order="stroke"
          >${ringText(at)}</text
        >`;
    }),
    html`<path d="${ways.join("")}" fill="none" stroke="${colours.edge}" />`,
    ...around.map(({ did }, i) => sigilShape(did, (places[i]?.x ?? 0) - 8, (places[i]?.y ?? 0) - 8, 16)),
    sigilShape(data.agent.did, middle - 17, middle - 17, 34),
    html`<text
        x="${middle}"
        y="${size + 8}"
        font-size="14"
        font-weight="700"
        text-anchor="middle"
        fill="${colours.ink}"
      >
        ${shortened(data.agent.name ?? print(data))}
      </text>
      <text x="${middle}" y="${size + 26}" font-size="11" text-anchor="middle" fill="${colours.muted}">${words}</text>`,
  ]);
}

/** Why an agent has its score, drawn for a page elsewhere: the chains from the roots, and what each adds. */
export function chainsEmbed(data: BadgeData, terms: readonly Term[], theme: Theme): Html {
  const colours = themes[theme];
  const { width, height, runs, nodes } = layoutChains(terms.slice(0, DRAWN_CHAINS), data.agent);
  const more = terms.length > DRAWN_CHAINS ? `, the ${DRAWN_CHAINS} largest of ${terms.length} chains` : "";
  const words = `${badgeWord(data)} in ${data.scope}, as seen by ${data.viewpoint}${more}`;
  const alone = terms.length === 0;
  const foot = height + (alone ? 14 : 0);
  return frameOf({ width, height: foot + 34, colours, words: `${print(data)}: ${words}` }, [
    ...runs.map((run) => runOf(run, colours)),
    // Where no chain leads here, the agent stands alone, in the middle.
    ...nodes.map((node) => nodeOf(alone ? { ...node, x: width / 2 } : node, colours)),
    html`<text x="${width / 2}" y="${foot + 16}" font-size="15" text-anchor="middle" fill="${colours.ink}"
      >${words}</text
    >`,
  ]);
}

function frameOf(
  { width, height, colours, words }: { width: number; height: number; colours: Colours; words: string },
  parts: readonly Html[],
): Html {
  return html`<svg
    xmlns="http://www.w3.org/2000/svg"
    width="${width}"
    height="${height}"
    viewBox="0 0 ${width} ${height}"
    role="img"
    aria-label="${words}"
    font-family="${sans}"
  >
    <title>${words}</title>
    <rect
      x="0.5"
      y="0.5"
      width="${width - 1}"
      height="${height - 1}"
      rx="12"
      fill="${colours.panel}"
      stroke="${colours.line}"
    />
    ${parts}
  </svg> `;
}

function runOf({ path, strength, label, step, gain }: Run, { edge, ok, muted, panel }: Colours): Html {
  const width = { strong: 2.4, fair: 1.7, weak: 1.1 }[strength];
  const added =
    gain === undefined ? "" : html`<tspan dx="8" fill="${ok}" font-weight="700">+${Number(gain).toFixed(3)}</tspan>`;
  return html`<path d="${path}" fill="none" stroke="${strength === "weak" ? edge : ok}" stroke-width="${width}" />
    <text
      x="${label.x}"
      y="${label.y}"
      font-size="13"
      font-family="${mono}"
      text-anchor="middle"
      fill="${muted}"
      stroke="${panel}"
      stroke-width="4"
      paint-order="stroke"
    >
      ${step.confidence}${added}
    </text>`;
}

function nodeOf({ agent: { did, name }, x, y, radius, end }: ChainNode, { ink, muted }: Colours): Html {
  const { head, tail } = fingerprint(did);
  const below = y + radius + (end ? 18 : 15);
  const named =
    name === undefined
      ? ""
      : html`<text x="${x}" y="${below}" font-size="13" font-weight="700" text-anchor="middle" fill="${ink}">
          ${shortened(name)}
        </text>`;
  return html`${sigilShape(did, x - radius, y - radius, 2 * radius)} ${named}
    <text
      x="${x}"
      y="${name === undefined ? below : below + 14}"
      font-size="11"
      font-family="${mono}"
      text-anchor="middle"
      fill="${muted}"
      >${head}…${tail}</text
    >`;
}

function print({ agent: { did } }: Pick<BadgeData, "agent">): string {
  const { head, tail } = fingerprint(did);
  return `z6Mk${head}…${tail}`;
}
