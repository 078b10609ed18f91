/**
 * Text as roff shows it, letter by letter: what it would read as a command or turn into something typographic (hyphens,
 * quotes, carets, tildes) is written by its name, so that an example can be copied from the page.
 * @see groff_char(7)
 */
export function roff(text: string): string {
  const escaped = Array.from(text, (letter) => named.get(letter) ?? (isPlain(letter) ? letter : codePoint(letter)));
  // At the start of a line a dot or a quote begins a request.
  return escaped.join("").replace(/^(\.)/, "\\&$1");
}

/** Text as one argument of a macro. */
export function roffArgument(text: string): string {
  return `"${roff(text)}"`;
}

const named: ReadonlyMap<string, string> = new Map([
  ["\\", "\\e"],
  ["-", "\\-"],
  ["'", "\\(aq"],
  ['"', "\\(dq"],
  ["`", "\\(ga"],
  ["^", "\\(ha"],
  ["~", "\\(ti"],
]);

function isPlain(letter: string): boolean {
  return letter >= " " && letter <= "\u007e";
}

function codePoint(letter: string): string {
  if (/\p{Cc}/u.test(letter)) throw new RangeError("a manual page has no control characters");
  return `\\[u${(letter.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}]`;
}
