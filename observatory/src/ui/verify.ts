import { html } from "hono/html";
import { islandPath } from "../http/assets.ts";
import type { Html } from "../page.ts";

/** An entry of the log that a page shows. */
export interface Shown {
  readonly index: number;
  readonly id?: string;
}

/**
 * The place where the visitor's browser checks what the page shows. Without scripts, or where none were built, it names
 * the command that does the same away from this site.
 */
export function verifier(entries: readonly Shown[], what: string, command: string): Html {
  const src = islandPath("verify");
  const elsewhere = html`<p class="muted small">Check it away from this site: <code>${command}</code></p>`;
  if (src === undefined) return elsewhere;
  const list = entries.map(({ index, id }) => `${index}:${id ?? ""}`).join(" ");
  return html`<peerage-verify data-src="${src}" data-entries="${list}" data-what="${what}"></peerage-verify
    >${elsewhere}`;
}
