import { html } from "hono/html";
import type { Score } from "@peerage/core";
import type { Frame } from "../frame.ts";
import type { Html } from "../page.ts";
import { scoreText } from "./format.ts";

/** A bar and a number, the word unknown, or nothing where nobody looks. The bar is an SVG: inline styles are forbidden. */
export function scoreMeter(score: Score, { seen }: Frame, whose: "page" | "own" = "page"): Html {
  if (whose === "page" && seen.viewpoint.kind === "none") return html`<span class="meter unknown">–</span>`;
  if (score === "unknown") return html`<span class="meter unknown">unknown</span>`;
  return html`<span class="meter">${scoreBar(score)}<b>${scoreText(score)}</b></span>`;
}

/** The bar alone: an unknown score has an empty, dashed one. */
export function scoreBar(score: Score): Html {
  const width = score === "unknown" ? 0 : Math.max(1.5, Math.round(score * 1000) / 10);
  const shape = score === "unknown" ? "bar empty" : "bar";
  return html`<svg class="${shape}" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
    <rect class="track" width="100" height="6" />
    ${width > 0 ? html`<rect class="fill" width="${width}" height="6" />` : ""}
  </svg>`;
}
