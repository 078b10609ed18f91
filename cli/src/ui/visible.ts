/**
 * Makes foreign text safe to print: NFC, at most 64 graphemes, and everything that a terminal or a reader's eye would
 * obey instead of show (control characters, ESC and C1, bidirectional and zero-width characters, stacked marks, odd
 * spaces, private use) written as `\u{…}`. What comes out is one line.
 */
export function visible(text: string, maxGraphemes = 64): string {
  let out = "";
  let count = 0;
  for (const { segment } of graphemes.segment(text.normalize("NFC"))) {
    if (count++ === maxGraphemes) return `${out}…`;
    out += escapeSegment(segment);
  }
  return out;
}

/** {@link visible} for text of several lines, such as a tool's answer: line ends stay, nothing else does. */
export function visibleLines(text: string, maxLines = 200): string[] {
  const lines = text.split(/\r\n|\n/);
  const shown = lines.slice(0, maxLines).map((line) => visible(line.replaceAll("\t", "  "), 2_000));
  if (lines.length > maxLines) shown.push(`… ${lines.length - maxLines} more lines`);
  return shown;
}

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });
// Cc, Cf (bidi, zero-width, tags), surrogates, private use, unassigned, line and paragraph separators, odd spaces, and
// the letters that draw nothing.
const unseen =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\u00a0\u034f\u115f\u1160\u1680\u17b4\u17b5\u2000-\u200a\u202f\u205f\u2800\u3000\u3164\uffa0\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/u;
const unseenAll = new RegExp(unseen.source, "gu");

function escapeSegment(segment: string): string {
  const marks = segment.match(/\p{M}/gu)?.length ?? 0;
  if (marks > 2 || /^\p{M}/u.test(segment)) return `${segment.replace(/\p{M}/gu, "").replace(unseenAll, code)}\\u{…}`;
  return unseen.test(segment) ? segment.replace(unseenAll, code) : segment;
}

function code(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
