import { isDeepStrictEqual } from "node:util";
import { isJsonObject, type JsonObject, type JsonValue } from "@peerage/core";

/** Puts `text` in the place of the characters `start` (included) to `end` (excluded). */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * The edits that make a JSON text hold `after` instead of `before` and touch nothing else: white space, number literals,
 * escapes and member order of all that stays remain byte for byte. Members are added behind the last one; a list that
 * lost items loses exactly their spans.
 *
 * @param text valid JSON
 * @param before `JSON.parse(text)`
 * @throws {SyntaxError} if an object on the way to an edit has a repeated member, so that it is not clear what to edit
 */
export function editsBetween(text: string, before: JsonValue, after: JsonValue): readonly Edit[] {
  const edits: Edit[] = [];
  new Walker(text, edits).value(0, before, after);
  return edits;
}

/** Applies edits that are in order and do not overlap. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  let out = "";
  let from = 0;
  for (const edit of edits) {
    out += text.slice(from, edit.start) + edit.text;
    from = edit.end;
  }
  return out + text.slice(from);
}

interface Span {
  readonly start: number;
  readonly end: number;
}
interface MemberSpan extends Span {
  readonly name: string;
  readonly value: number;
}

class Walker {
  readonly #text: string;
  readonly #edits: Edit[];

  constructor(text: string, edits: Edit[]) {
    this.#text = text;
    this.#edits = edits;
  }

  value(at: number, before: JsonValue, after: JsonValue): void {
    if (before === after) return;
    const start = this.#space(at);
    if (isJsonObject(before) && isJsonObject(after)) this.#object(start, before, after);
    else if (Array.isArray(before) && Array.isArray(after)) this.#array(start, before, after);
    else this.#replace({ start, end: this.#skip(start) }, after);
  }

  #object(start: number, before: JsonObject, after: JsonObject): void {
    const members = this.#members(start);
    const spans = members.map((member) => ({ span: member, keep: Object.hasOwn(after, member.name) }));
    this.#items(spans, (i) => {
      const { name, value } = members[i] as MemberSpan;
      this.value(value, before[name] as JsonValue, after[name] as JsonValue);
    });
    const added = Object.keys(after).filter((name) => !Object.hasOwn(before, name) && after[name] !== undefined);
    if (added.length === 0) return;
    const text = added.map((name) => `${JSON.stringify(name)}:${JSON.stringify(after[name])}`).join(",");
    const at = members.at(-1)?.end ?? start + 1;
    this.#edits.push({ start: at, end: at, text: (spans.some((item) => item.keep) ? "," : "") + text });
  }

  #array(start: number, before: readonly JsonValue[], after: readonly JsonValue[]): void {
    let next = 0;
    const keep = before.map((item) => {
      const kept = next < after.length && isDeepStrictEqual(item, after[next]);
      if (kept) next++;
      return kept;
    });
    const { spans, end } = this.#elements(start);
    if (next === after.length) {
      this.#items(
        spans.map((span, i) => ({ span, keep: keep[i] ?? false })),
        () => undefined,
      );
    } else if (before.length === after.length) {
      spans.forEach((span, i) => this.value(span.start, before[i] as JsonValue, after[i] as JsonValue));
    } else {
      this.#replace({ start, end }, after);
    }
  }

  /** Removes the items that go, each with the comma that belongs to it, and visits those that stay. */
  #items(items: readonly { readonly span: Span; readonly keep: boolean }[], visit: (index: number) => void): void {
    let kept = false;
    items.forEach(({ span, keep }, i) => {
      if (keep) {
        kept = true;
        visit(i);
      } else if (kept) {
        this.#edits.push({ start: items[i - 1]?.span.end ?? span.start, end: span.end, text: "" });
      } else {
        this.#edits.push({ start: span.start, end: items[i + 1]?.span.start ?? span.end, text: "" });
      }
    });
  }

  #replace(span: Span, value: JsonValue): void {
    this.#edits.push({ ...span, text: JSON.stringify(value) });
  }

  #members(start: number): MemberSpan[] {
    const members: MemberSpan[] = [];
    const names = new Set<string>();
    let at = this.#space(start + 1);
    while (this.#text[at] !== "}") {
      const keyEnd = this.#skipString(at);
      const name = JSON.parse(this.#text.slice(at, keyEnd)) as string;
      if (names.has(name)) throw new SyntaxError("a member name is repeated");
      names.add(name);
      const value = this.#space(this.#space(keyEnd) + 1);
      const end = this.#skip(value);
      members.push({ name, start: at, value, end });
      at = this.#comma(end);
    }
    return members;
  }

  #elements(start: number): { readonly spans: readonly Span[]; readonly end: number } {
    const spans: Span[] = [];
    let at = this.#space(start + 1);
    while (this.#text[at] !== "]") {
      const end = this.#skip(at);
      spans.push({ start: at, end });
      at = this.#comma(end);
    }
    return { spans, end: at + 1 };
  }

  #comma(at: number): number {
    const next = this.#space(at);
    return this.#text[next] === "," ? this.#space(next + 1) : next;
  }

  #space(at: number): number {
    while (/[ \t\r\n]/.test(this.#text.charAt(at))) at++;
    return at;
  }

  /** The end of the value at `at`. The text is valid JSON, so brackets need only be counted. */
  #skip(at: number): number {
    const text = this.#text;
    if (text[at] === '"') return this.#skipString(at);
    if (text[at] !== "{" && text[at] !== "[") {
      while (at < text.length && !/[,\]} \t\r\n]/.test(text.charAt(at))) at++;
      return at;
    }
    let depth = 0;
    for (;;) {
      const character = text[at];
      if (character === undefined) throw new SyntaxError("the text ends inside a value");
      if (character === '"') {
        at = this.#skipString(at);
        continue;
      }
      at++;
      if (character === "{" || character === "[") depth++;
      else if ((character === "}" || character === "]") && --depth === 0) return at;
    }
  }

  #skipString(at: number): number {
    for (let end = at + 1; ;) {
      end = this.#text.indexOf('"', end);
      if (end < 0) throw new SyntaxError("the text ends inside a string");
      let slashes = 0;
      while (this.#text[end - 1 - slashes] === "\\") slashes++;
      end++;
      if (slashes % 2 === 0) return end;
    }
  }
}
