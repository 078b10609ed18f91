import { html } from "hono/html";
import type { Html } from "../page.ts";

/** A command line for reading and copying: it is never broken within the name of a flag. */
export function command(text: string): Html {
  return html`${text.split(/(--[a-z][a-z-]*)/).map((part, i) => (i % 2 === 0 ? part : html`<span class="flag">${part}</span>`))}`;
}
