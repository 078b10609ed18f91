import { html } from "hono/html";
import type { Frame } from "../frame.ts";
import type { AgentRef, Html } from "../page.ts";
import type { Term, Working } from "../working.ts";
import { agentLink } from "./agent.ts";
import { type ChainNode, layoutChains, type Run } from "./chain-layout.ts";
import { fingerprint } from "./format.ts";

/** Most chains that are drawn; the others are in the full working. */
export const DRAWN_CHAINS = 5;

/** The chains of a score: a drawing where there is room for it, rows where there is not. */
export function chains({ terms, target }: Working, frame: Frame): Html {
  const shown = terms.slice(0, DRAWN_CHAINS);
  const more = terms.length - shown.length;
  return html`${drawing(shown, target, frame)}${chainRows(shown, frame)}
  ${more > 0 ? html`<p class="muted small">and ${more} more, smaller, in the full working</p>` : ""}`;
}

/** One row a chain: the agents in their order, with what each vouches. */
function chainRows(terms: readonly Term[], frame: Frame): Html {
  return html`<ol class="chainrows">
    ${terms.map((term) => html`<li><b class="gain">+${term.addend}</b> ${chainLine(term, frame)}</li>`)}
  </ol>`;
}

/** The agents of one chain in their order. */
export function chainLine({ chain }: Term, frame: Frame): Html {
  const [first] = chain;
  return html`<span class="chain"
    >${first ? agentLink(first.from, frame) : ""}${chain.map(
      (step) =>
        html` <a class="hop" href="${frame.links.vouch(step.vouch)}" aria-label="vouches ${step.confidence} for"
            >${step.confidence}<i aria-hidden="true">→</i></a
          >
          ${agentLink(step.to, frame)}`,
    )}</span
  >`;
}

function drawing(terms: readonly Term[], target: AgentRef, frame: Frame): Html {
  const { width, height, runs, nodes } = layoutChains(terms, target);
  return html`<svg
    class="chains"
    viewBox="0 0 ${width} ${height}"
    role="group"
    aria-label="${terms.length} chains from the roots"
  >
    <defs>
      <marker
        id="arrow"
        viewBox="0 0 8 8"
        refX="7"
        refY="4"
        markerWidth="9"
        markerHeight="9"
        markerUnits="userSpaceOnUse"
        orient="auto"
      >
        <path class="tip" d="M0 0.8L8 4L0 7.2z" />
      </marker>
    </defs>
    ${runs.map((run) => line(run, frame))} ${nodes.map((node) => agent(node, frame))}
  </svg>`;
}

function line({ path, strength, label, step, gain }: Run, frame: Frame): Html {
  const added = gain === undefined ? "" : html`<tspan class="gain" dx="10">+${Number(gain).toFixed(3)}</tspan>`;
  return html`<path class="run ${strength}" d="${path}" marker-end="url(#arrow)" />
    <a href="${frame.links.vouch(step.vouch)}"
      ><text class="conf" x="${label.x}" y="${label.y}">${step.confidence}${added}</text></a
    >`;
}

function agent({ agent: { did, name }, x, y, radius, end, again }: ChainNode, frame: Frame): Html {
  const { head, tail } = fingerprint(did);
  const kind = `node${end ? " end" : ""}${again ? " again" : ""}`;
  const below = y + radius + (end ? 18 : 15);
  const labels =
    name === undefined
      ? html`<text class="fp" x="${x}" y="${below}">${head}…${tail}</text>`
      : html`<text class="name" x="${x}" y="${below}">${shortened(name)}</text
          ><text class="fp" x="${x}" y="${below + 14}">${head}…${tail}</text>`;
  return html`<a href="${frame.links.agent(did)}" class="${kind}"
    >${again ? html`<circle class="ring" cx="${x}" cy="${y}" r="${radius + 4}" />` : ""}<use
      href="#${frame.symbol(did)}"
      x="${x - radius}"
      y="${y - radius}"
      width="${2 * radius}"
      height="${2 * radius}"
    />${labels}</a
  >`;
}

/** By code points: a label in a picture has the room of one word. */
export function shortened(name: string): string {
  const points = Array.from(name);
  return points.length <= 18 ? name : `${points.slice(0, 17).join("")}…`;
}
