import { html } from "hono/html";
import { islandPath } from "../http/assets.ts";
import type { Html } from "../page.ts";
import { command } from "./command.ts";

/** An entry of the log that a page shows. */
export interface Shown {
  readonly index: number;
  readonly id?: string;
}

/**
 * The place where the visitor's browser checks what the page shows. Without scripts, or where none were built, it names
 * the command that does the same away from this site.
 */
export function verifier(entries: readonly Shown[], what: string, elsewhere: string): Html {
  const src = islandPath("verify");
  const said = html`<p class="muted small">Check it away from this site: <code>${command(elsewhere)}</code></p>`;
  if (src === undefined) return said;
  const list = entries.map(({ index, id }) => `${index}:${id ?? ""}`).join(" ");
  return html`<peerage-verify data-src="${src}" data-entries="${list}" data-what="${what}"></peerage-verify>${said}`;
}
