import type { Digest } from "@peerage/core";
import type { Asked } from "./page.ts";
import { foreign } from "./ui/foreign.ts";

/** Graphemes of a note's text that pages show. */
const MOST_TEXT = 400;
const MOST_LINKS = 4;

/** What has become of a note: its words, or that its issuer had it erased, or that nobody handed it in here. */
export type NoteData =
  | { readonly state: "shown"; readonly text?: string; readonly urls: readonly string[] }
  | { readonly state: "withdrawn" | "missing" };

/** The note that a statement names, made harmless; undefined if it names none or this site keeps no notes. */
export async function noteData(
  digest: Digest | undefined,
  { source }: Pick<Asked, "source">,
): Promise<NoteData | undefined> {
  if (digest === undefined || !source.note) return undefined;
  const note = await source.note(digest);
  if (note === undefined) return { state: "missing" };
  if (note === "erased") return { state: "withdrawn" };
  const text = foreign(note.text, MOST_TEXT);
  const urls = (note.urls ?? []).filter((url) => URL.canParse(url) && new URL(url).protocol === "https:");
  return { state: "shown", ...(text === undefined ? {} : { text }), urls: urls.slice(0, MOST_LINKS) };
}
