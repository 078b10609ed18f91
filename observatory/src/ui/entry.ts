import { html } from "hono/html";
import { type EntryData, entryVerb } from "../entries.ts";
import type { Frame } from "../frame.ts";
import type { Html } from "../page.ts";
import { agentLink, agentText } from "./agent.ts";
import { timeText } from "./format.ts";
import { clockHtml } from "./time.ts";

/** The lines of a feed, newest first. The browser puts new ones on top. */
export function feedList(entries: readonly EntryData[], frame: Frame): Html {
  return html`<ol class="feed" aria-live="off" data-feed="1" data-limit="${entries.length}">
    ${entries.map((entry) => feedLine(entry, frame))}
  </ol>`;
}

/** One entry as a line. */
export function feedLine(entry: EntryData, frame: Frame): Html {
  return html`<li data-index="${entry.index}">
    <span class="what">${entrySentence(entry, frame)}</span>
    <span class="when"
      ><a href="${frame.links.entry(entry.index)}" aria-label="log entry ${entry.index}">#${entry.index}</a>
      ${clockHtml(entry.at)}</span
    >
  </li>`;
}

/** An entry as a sentence with links. */
export function entrySentence(entry: EntryData, frame: Frame): Html {
  const { from, to, scope, confidence, kind } = entry;
  const mood = kind === "Revocation" || kind === "invalid" || kind === "Report" ? "verb bad" : "verb";
  return html`${from ? agentLink(from, frame) : html`<span>entry ${entry.index}</span>`}
    <span class="${mood}">${entryVerb(entry)}</span>
    ${to ? agentLink(to, frame) : ""} ${confidence === undefined ? "" : html`<span class="conf">${confidence}</span>`}
    ${(scope ?? []).map((name) => scopeTag(name, frame))}`;
}

/** A scope as a tag with a link. */
export function scopeTag(scope: string, frame: Frame): Html {
  return html`<a class="tag" href="${frame.links.scope(scope)}">${scope}</a>`;
}

/** An entry as a line of text. */
export function entryText(entry: EntryData): string {
  const { index, at, from, to, scope, confidence } = entry;
  const parts = [
    `#${index}`.padEnd(7),
    timeText(at),
    from ? agentText(from) : "an entry",
    entryVerb(entry),
    to ? agentText(to) : "",
    confidence === undefined ? "" : `confidence ${confidence}`,
    scope ? `scope ${scope.join(",")}` : "",
  ];
  return parts.filter((part) => part !== "").join("  ");
}
