import { html } from "hono/html";
import { formatTime } from "@peerage/core";
import type { Html } from "../page.ts";
import { dateText, timeText } from "./format.ts";

/** An absolute time; the browser adds how long ago it was, so that a page that was kept never lies. */
export function timeHtml(seconds: number): Html {
  return html`<time datetime="${formatTime(seconds)}" data-ago="1">${timeText(seconds)}</time>`;
}

/** A time that matters to the second, and not how long ago it was. */
export function momentHtml(seconds: number): Html {
  return html`<time datetime="${formatTime(seconds)}">${timeText(seconds)}</time>`;
}

/** A day. */
export function dateHtml(seconds: number): Html {
  return html`<time datetime="${formatTime(seconds)}" title="${timeText(seconds)}">${dateText(seconds)}</time>`;
}

/** A clock time for the lines of a feed. */
export function clockHtml(seconds: number): Html {
  const text = timeText(seconds);
  return html`<time datetime="${formatTime(seconds)}" title="${text}">${text.slice(5, 16)}</time>`;
}
