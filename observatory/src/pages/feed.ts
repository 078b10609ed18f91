import { html } from "hono/html";
import { PeerageError } from "@peerage/core";
import type { EntryData } from "../entries.ts";
import { type FeedFilter, feedFilter, feedKinds, newestWanted } from "../feed-filter.ts";
import type { Frame } from "../frame.ts";
import type { Html, Page } from "../page.ts";
import { entryText, feedList } from "../ui/entry.ts";
import { stateFields } from "../ui/layout.ts";

const LINES = 40;

export interface FeedData {
  readonly size: number;
  readonly filter: FeedFilter;
  /** Newest first. */
  readonly entries: readonly EntryData[];
  /** Where older ones begin, if there are any. */
  readonly before?: number;
}

/** What happens, as it happens: all of it, or what the reader asks for. */
export const feed: Page<FeedData> = {
  async load(asked) {
    const { size } = asked.seen;
    const filter = feedFilter(asked.query);
    const text = asked.query.get("before");
    if (text !== null && !/^\d{1,15}$/.test(text)) {
      throw new PeerageError("ERR_REQUEST_INVALID", "`before` is a log index");
    }
    const end = text === null ? size : Math.min(size, Number(text));
    return { size, filter, ...(await newestWanted(end, LINES, filter, asked)) };
  },
  title: () => "Feed · Peerage",
  html(data, frame) {
    const { filter, entries, before } = data;
    const wanted = { kind: filter.kind, agent: filter.agent, in: filter.scope };
    const atom = frame.links.atom(wanted);
    const isNewest = frame.query.get("before") === null;
    const live = isNewest && frame.seen.past === undefined;
    return html`<header class="head">
        <h1>Live</h1>
        <p class="muted">
          Joins, vouches, revocations and key events, as the log takes them. Also as <a href="${atom}">Atom</a> and as
          server-sent events at <a href="/feed.sse">/feed.sse</a>.
        </p>
      </header>
      ${filterForm(data, frame)}
      <section class="panel">
        ${live ? html`<p class="livebar" data-live="1"></p>` : ""}
        ${
          entries.length === 0
            ? html`<p class="muted nothing">
                ${
                  Object.keys(filter).length > 0
                    ? html`Nothing of the kind has happened. <a href="${frame.links.feed({})}">Everything</a>`
                    : html`Nothing has happened yet. <a href="${frame.links.home()}">Be the first</a>`
                }
              </p>`
            : ""
        }
        ${feedList(entries, frame, live ? { limit: LINES, from: data.size - 1, filter } : "still")}
        ${before === undefined ? "" : html`<p class="pages"><a href="${frame.links.feed({ ...wanted, before })}">Older</a></p>`}
      </section>`;
  },
  text: (data) => `${data.entries.map(entryText).join("\n")}\n`,
};

function filterForm({ filter }: FeedData, frame: Frame): Html {
  const kinds = Object.entries(feedKinds).map(
    ([kind, words]) => html`<option value="${kind}" ${kind === filter.kind ? "selected" : ""}>${words}</option>`,
  );
  return html`<form class="filter panel" action="/feed">
    ${stateFields(frame)}
    <label
      >Show
      <select name="kind">
        <option value="">everything</option>
        ${kinds}
      </select></label
    >
    <label
      >By or about
      <input
        name="agent"
        value="${filter.agent ?? ""}"
        placeholder="did:key:z6Mk…"
        autocomplete="off"
        spellcheck="false"
    /></label>
    <label>In the scope <input name="in" value="${filter.scope ?? ""}" placeholder="any" autocomplete="off" /></label>
    <button>Filter</button>
  </form>`;
}
