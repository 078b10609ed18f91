/** Most graphemes of a foreign string that are shown. */
export const MOST_GRAPHEMES = 64;

/** Most code units that are looked at: more cannot become fewer graphemes that are worth showing. */
const MOST_UNITS = 1024;

/**
 * Characters that hide, reorder or steer: controls, format and bidi characters, lone surrogates, private use, unassigned,
 * every space but the usual one, fillers that look empty, and variation selectors.
 */
const HIDDEN =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/gu;

/** More than two marks on one letter. */
const STACKED = /(\p{M}{2})\p{M}+/gu;

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/**
 * The one form in which a string from outside is shown, in pages, feeds and text alike: NFC, at most so many graphemes, with
 * everything invisible written out as `\u{…}` and stacked marks counted. It is plain text still: HTML escapes it as well.
 * @returns undefined if nothing is left to show
 */
export function foreign(text: string | undefined, most: number = MOST_GRAPHEMES): string | undefined {
  if (text === undefined) return undefined;
  const visible = text
    .slice(0, MOST_UNITS)
    .normalize("NFC")
    .replace(STACKED, (run, kept: string) => `${kept}(+${run.length - kept.length} marks)`)
    .replace(HIDDEN, (hidden) => `\\u{${(hidden.codePointAt(0) ?? 0).toString(16)}}`)
    .trim();
  let shown = "";
  let count = 0;
  for (const { segment } of graphemes.segment(visible)) {
    if (++count > most) return `${shown}…`;
    shown += segment;
  }
  return shown === "" ? undefined : shown;
}
