import { html } from "hono/html";
import type { NoteData } from "../notes.ts";
import type { Html } from "../page.ts";
import { foreign } from "./foreign.ts";

/** A note: foreign text and links, marked as such; or what has become of it. */
export function noteHtml(note: NoteData): Html {
  if (note.state !== "shown") {
    const what = note.state === "withdrawn" ? "note withdrawn" : "a note that nobody handed in here";
    return html`<span class="muted">${what}</span>`;
  }
  const links = note.urls.map(
    (url) => html` <a href="${new URL(url).href}" rel="nofollow ugc noopener">${foreign(new URL(url).host)}</a>`,
  );
  return html`${note.text === undefined ? "" : html`<q class="foreign"><bdi>${note.text}</bdi></q>`}${links}`;
}

/** The same as text. */
export function noteText(note: NoteData): string {
  if (note.state !== "shown") return note.state === "withdrawn" ? "note withdrawn" : "note not kept here";
  return [note.text ?? "", ...note.urls.map((url) => foreign(url) ?? "")].filter((part) => part !== "").join("  ");
}
