import { fromUtf8, utf8 } from "../encoding/bytes.ts";
import { type ErrorCode, PeerageError } from "../errors.ts";
import { exactNumber } from "./number.ts";
import { type JsonValue, setMember } from "./types.ts";

/** Arrays and objects may nest this deep; 65 is refused. */
export const MAX_JSON_DEPTH = 64;

/** Limits of {@link parseJson}. */
export interface ParseJsonOptions {
  /** Limit of the text in UTF-8 bytes; `ERR_MESSAGE_TOO_LARGE` beyond it. No limit by default. */
  readonly maxBytes?: number;
}

/**
 * The strict JSON reader (RFC 8259 over I-JSON, RFC 7493). Refuses what two parsers could read differently: repeated
 * names (after unescaping), lone surrogates, ill-formed UTF-8, a byte order mark, numbers that do not survive a round
 * trip, nesting beyond 64, anything after the value.
 * @throws {PeerageError} ERR_JSON_SYNTAX, ERR_JSON_DUPLICATE_KEY, ERR_JSON_NUMBER, ERR_JSON_STRING, ERR_JSON_DEPTH,
 *   ERR_MESSAGE_TOO_LARGE; the message names the offset in UTF-16 code units
 */
export function parseJson(input: string | Uint8Array, options: ParseJsonOptions = {}): JsonValue {
  return new Reader(decode(input, options.maxBytes)).document();
}

function decode(input: string | Uint8Array, maxBytes: number | undefined): string {
  if (maxBytes !== undefined && tooLarge(input, maxBytes)) {
    throw new PeerageError("ERR_MESSAGE_TOO_LARGE", `the message is larger than ${maxBytes} bytes`);
  }
  if (typeof input === "string") return input;
  try {
    return fromUtf8(input);
  } catch (cause) {
    throw new PeerageError("ERR_JSON_STRING", "the text is not well-formed UTF-8", { detail: "string", cause });
  }
}

function tooLarge(input: string | Uint8Array, maxBytes: number): boolean {
  if (typeof input !== "string") return input.length > maxBytes;
  if (input.length > maxBytes) return true;
  return input.length * 3 > maxBytes && utf8(input).length > maxBytes;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};
const numberLiteral = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): JsonValue {
    const value = this.#value(0);
    this.#space();
    if (this.#at !== this.#text.length) throw this.#error("ERR_JSON_SYNTAX", "unexpected text after the value");
    return value;
  }

  #value(depth: number): JsonValue {
    this.#space();
    const start = this.#text[this.#at];
    switch (start) {
      case "{":
        return this.#object(depth + 1);
      case "[":
        return this.#array(depth + 1);
      case '"':
        return this.#string();
      case "t":
        return this.#word("true", true);
      case "f":
        return this.#word("false", false);
      case "n":
        return this.#word("null", null);
      default:
        return this.#number();
    }
  }

  #object(depth: number): JsonValue {
    this.#enter(depth);
    const object: Record<string, JsonValue> = {};
    if (this.#ends("}")) return object;
    for (;;) {
      this.#space();
      if (this.#text.charCodeAt(this.#at) !== QUOTE) throw this.#error("ERR_JSON_SYNTAX", "expected a member name");
      const from = this.#at;
      const name = this.#string();
      if (Object.hasOwn(object, name)) {
        this.#at = from;
        throw this.#error("ERR_JSON_DUPLICATE_KEY", "a member name is repeated");
      }
      this.#space();
      this.#expect(":");
      setMember(object, name, this.#value(depth));
      if (this.#ends("}")) return object;
      this.#expect(",");
    }
  }

  #array(depth: number): JsonValue {
    this.#enter(depth);
    const array: JsonValue[] = [];
    if (this.#ends("]")) return array;
    for (;;) {
      array.push(this.#value(depth));
      if (this.#ends("]")) return array;
      this.#expect(",");
    }
  }

  #enter(depth: number): void {
    if (depth > MAX_JSON_DEPTH) throw this.#error("ERR_JSON_DEPTH", `nested deeper than ${MAX_JSON_DEPTH}`);
    this.#at++;
  }

  #ends(bracket: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== bracket) return false;
    this.#at++;
    return true;
  }

  #expect(character: string): void {
    if (this.#text[this.#at] !== character) throw this.#error("ERR_JSON_SYNTAX", `expected "${character}"`);
    this.#at++;
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#error("ERR_JSON_SYNTAX", "unexpected character");
    this.#at += word.length;
    return value;
  }

  #number(): number {
    numberLiteral.lastIndex = this.#at;
    const literal = numberLiteral.exec(this.#text)?.[0];
    if (literal === undefined) {
      const what = this.#at < this.#text.length ? "unexpected character" : "unexpected end of the text";
      throw this.#error("ERR_JSON_SYNTAX", what);
    }
    const value = exactNumber(literal);
    if (value === undefined) throw this.#error("ERR_JSON_NUMBER", "a number would arrive as another number");
    this.#at += literal.length;
    return value;
  }

  #string(): string {
    const text = this.#text;
    let from = ++this.#at;
    let out = "";
    let surrogates = false;
    for (;;) {
      const code = text.charCodeAt(this.#at);
      if (code === QUOTE) break;
      // NaN at the end of the text also lands here.
      if (!(code >= 0x20)) throw this.#error("ERR_JSON_SYNTAX", "a string is not ended, or holds a control character");
      if (code === BACKSLASH) {
        out += text.slice(from, this.#at) + this.#escape();
        surrogates = true;
        from = this.#at;
      } else {
        if ((code & 0xf800) === 0xd800) surrogates = true;
        this.#at++;
      }
    }
    out += text.slice(from, this.#at);
    this.#at++;
    if (surrogates && !out.isWellFormed()) throw this.#error("ERR_JSON_STRING", "a string holds a lone surrogate");
    return out;
  }

  #escape(): string {
    const letter = this.#text[this.#at + 1] ?? "";
    if (letter === "u") {
      const hex = this.#text.slice(this.#at + 2, this.#at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(hex)) throw this.#error("ERR_JSON_SYNTAX", "a malformed \\u escape");
      this.#at += 6;
      return String.fromCharCode(parseInt(hex, 16));
    }
    const character = Object.hasOwn(escapes, letter) ? escapes[letter] : undefined;
    if (character === undefined) throw this.#error("ERR_JSON_SYNTAX", "an unknown escape");
    this.#at += 2;
    return character;
  }

  #space(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }

  #error(code: ErrorCode, what: string): PeerageError {
    return new PeerageError(code, `${what} (at offset ${this.#at})`);
  }
}
