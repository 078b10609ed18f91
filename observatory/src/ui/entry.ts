import { html } from "hono/html";
import { type EntryData, entryVerb } from "../entries.ts";
import type { FeedFilter } from "../feed-filter.ts";
import type { Frame } from "../frame.ts";
import type { Html } from "../page.ts";
import { agentLink, agentText } from "./agent.ts";
import { timeText } from "./format.ts";
import { clockHtml } from "./time.ts";

/** How a list goes on in the browser: so many lines, what comes after an entry, and what of it; or not at all. */
export type Follow = "still" | { readonly limit: number; readonly from: number; readonly filter?: FeedFilter };

const usual = (entries: readonly EntryData[]): Follow => ({ limit: entries.length, from: entries[0]?.index ?? -1 });

/** The lines of a feed, newest first. The browser puts new ones on top. */
export function feedList(entries: readonly EntryData[], frame: Frame, follow: Follow = usual(entries)): Html {
  const lines = entries.map((entry) => feedLine(entry, frame));
  if (follow === "still") {
    return html`<ol class="feed">
      ${lines}
    </ol>`;
  }
  const { limit, from, filter = {} } = follow;
  const { kind = "", agent = "", scope = "" } = filter;
  return html`<ol
    class="feed"
    aria-live="off"
    data-feed="1"
    data-limit="${limit}"
    data-from="${from}"
    data-kind="${kind}"
    data-agent="${agent}"
    data-in="${scope}"
  >
    ${lines}
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
  const { from, to, scope, kind } = entry;
  const mood = kind === "Revocation" || kind === "invalid" || kind === "Report" ? "verb bad" : "verb";
  return html`${from ? agentLink(from, frame) : html`<span>entry ${entry.index}</span>`}
    <span class="${mood}">${entryVerb(entry)}</span>
    ${to ? agentLink(to, frame) : ""} ${scope ? given(scope, entry, frame) : ""}`;
}

/** What a vouch gives: it stays together where a line is broken. */
function given(scope: readonly string[], { confidence }: EntryData, frame: Frame): Html {
  return html`<span class="given"
    ><span class="conf">${confidence}</span> ${scope.map((name) => scopeTag(name, frame))}</span
  >`;
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
