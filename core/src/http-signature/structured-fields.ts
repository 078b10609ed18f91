import { fromBase64, toBase64 } from "../encoding/base64.ts";
import { PeerageError } from "../errors.ts";

/** A token of RFC 8941: a word without quotes, which is not the same as a string. */
export class Token {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A bare item. Decimals and dates are not among them: nothing that is signed here has one. */
export type BareItem = string | number | boolean | Uint8Array | Token;
export type Parameters = ReadonlyMap<string, BareItem>;

export interface Item {
  readonly value: BareItem;
  readonly parameters: Parameters;
}

export interface InnerList {
  readonly items: readonly Item[];
  readonly parameters: Parameters;
}

export type Member = Item | InnerList;

/** Longer fields are refused unread. */
const MAX_FIELD_CHARACTERS = 16_384;

/**
 * Parses a dictionary of RFC 8941 section 3.2, more strictly than it asks: a key twice is refused, where the RFC lets the
 * last one win, because two readers would differ.
 * @throws {PeerageError} ERR_PROOF_MALFORMED, detail `structured-field`
 */
export function parseDictionary(text: string): ReadonlyMap<string, Member> {
  if (text.length > MAX_FIELD_CHARACTERS) throw malformed();
  return new Reader(text.trim()).dictionary();
}

/** The one text of a member. */
export function serializeMember(member: Member): string {
  if (!("items" in member)) return serializeBare(member.value) + serializeParameters(member.parameters);
  const items = member.items.map((item) => serializeBare(item.value) + serializeParameters(item.parameters));
  return `(${items.join(" ")})${serializeParameters(member.parameters)}`;
}

export function serializeParameters(parameters: Parameters): string {
  return [...parameters]
    .map(([key, value]) => (value === true ? `;${key}` : `;${key}=${serializeBare(value)}`))
    .join("");
}

function serializeBare(value: BareItem): string {
  if (typeof value === "number") return String(value);
  if (typeof value === "boolean") return value ? "?1" : "?0";
  if (value instanceof Token) return value.text;
  if (value instanceof Uint8Array) return `:${toBase64(value)}:`;
  return `"${value.replace(/["\\]/g, "\\$&")}"`;
}

function malformed(): PeerageError {
  return new PeerageError("ERR_PROOF_MALFORMED", "a header is not a structured field", { detail: "structured-field" });
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  dictionary(): ReadonlyMap<string, Member> {
    const members = new Map<string, Member>();
    while (this.#at < this.#text.length) {
      const key = this.#key();
      if (members.has(key)) throw malformed();
      if (this.#take("=")) members.set(key, this.#member());
      else members.set(key, { value: true, parameters: this.#parameters() });
      if (this.#at === this.#text.length) break;
      this.#match(/[ \t]*/y);
      if (!this.#take(",")) throw malformed();
      this.#match(/[ \t]*/y);
      if (this.#at === this.#text.length) throw malformed();
    }
    return members;
  }

  #member(): Member {
    if (!this.#take("(")) return this.#item();
    const items: Item[] = [];
    this.#match(/ */y);
    while (!this.#take(")")) {
      items.push(this.#item());
      if (this.#text[this.#at] !== ")" && this.#match(/ +/y) === undefined) throw malformed();
    }
    return { items, parameters: this.#parameters() };
  }

  #item(): Item {
    return { value: this.#bare(), parameters: this.#parameters() };
  }

  #parameters(): Parameters {
    const parameters = new Map<string, BareItem>();
    while (this.#take(";")) {
      this.#match(/ */y);
      const key = this.#key();
      if (parameters.has(key)) throw malformed();
      parameters.set(key, this.#take("=") ? this.#bare() : true);
    }
    return parameters;
  }

  #key(): string {
    const key = this.#match(/[a-z*][a-z0-9_.*-]*/y);
    if (key === undefined) throw malformed();
    return key;
  }

  #bare(): BareItem {
    const quoted = this.#match(/"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"/y);
    if (quoted !== undefined) return quoted.slice(1, -1).replace(/\\(["\\])/g, "$1");
    const digits = this.#match(/-?\d{1,15}(?![\d.])/y);
    if (digits !== undefined) return Number(digits);
    const boolean = this.#match(/\?[01]/y);
    if (boolean !== undefined) return boolean === "?1";
    const bytes = this.#match(/:[A-Za-z0-9+/]*={0,2}:/y);
    if (bytes !== undefined) return decode(bytes.slice(1, -1));
    const token = this.#match(/[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*/y);
    if (token !== undefined) return new Token(token);
    throw malformed();
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }
}

function decode(text: string): Uint8Array {
  try {
    return fromBase64(text);
  } catch {
    throw malformed();
  }
}
