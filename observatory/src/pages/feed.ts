import { html } from "hono/html";
import { type EntryData, readEntries } from "../entries.ts";
import type { Page } from "../page.ts";
import { entryText, feedList } from "../ui/entry.ts";

const LINES = 60;

export interface FeedData {
  readonly size: number;
  /** Newest first. */
  readonly entries: readonly EntryData[];
}

/** What happens, as it happens. */
export const feed: Page<FeedData> = {
  async load(asked) {
    const { size } = asked.seen.view;
    const entries = await readEntries(Math.max(0, size - LINES), size, asked);
    return { size, entries: entries.reverse() };
  },
  title: () => "Feed · Peerage",
  html: (data, frame) =>
    html`<header class="head">
        <h1>Live</h1>
        <p class="muted">
          Joins, vouches, revocations and key events, as the log takes them. Also as <a href="/feed.atom">Atom</a> and
          as server-sent events at <a href="/feed.sse">/feed.sse</a>.
        </p>
      </header>
      <section class="panel">
        <p class="livebar" data-live="1"></p>
        ${
          data.entries.length === 0
            ? html`<p class="muted">Nothing has happened yet.</p>
                <ol class="feed" aria-live="off" data-feed="1" data-limit="${LINES}"></ol>`
            : feedList(data.entries, frame)
        }
        ${data.size > LINES ? html`<p class="pages"><a href="${frame.links.log({ before: data.size - LINES })}">Older, in the log</a></p>` : ""}
      </section>`,
  text: (data) => `${data.entries.map(entryText).join("\n")}\n`,
};
