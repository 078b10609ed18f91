import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments, type Document } from "yaml";
import { utf8 } from "../encoding/bytes.ts";
import type { JsonValue } from "../json/types.ts";
import { inFile, policyInvalid } from "./problem.ts";

/** A policy text has at most 1 MiB of UTF-8. */
export const MAX_POLICY_BYTES = 1_048_576;
const MAX_DEPTH = 32;

/** Where a value stands in the text. */
export type Path = readonly (string | number)[];

/** The JSON value of one YAML document, and the line of each of its parts. */
export interface YamlSource {
  readonly value: JsonValue;
  /** The line, from 1, of the value at a path, or of the nearest part above it that is in the text. */
  lineOf(path: Path): number;
}

/**
 * Reads one YAML 1.2 document (core schema) that means the same to every reader: no duplicate key, anchor, alias, tag,
 * merge key, second document, infinity, or integer beyond ±(2^53 − 1).
 * @param file the name that errors carry
 * @throws {PeerageError} ERR_POLICY_INVALID, with the line
 */
export function readYaml(text: string, file?: string): YamlSource {
  try {
    return read(text);
  } catch (error) {
    throw file === undefined ? error : inFile(error, file);
  }
}

function read(text: string): YamlSource {
  if (text.length > MAX_POLICY_BYTES || utf8(text).length > MAX_POLICY_BYTES) {
    throw policyInvalid([{ message: "the policy is larger than 1 MiB; split or shorten it" }]);
  }
  const lines = new LineCounter();
  const { contents } = parseOne(text, lines);
  const positions = new Map<string, number>();
  const lineAt = (offset: number | undefined): number => lines.linePos(offset ?? 0).line;
  const reader = new Reader(positions, lineAt);
  const value = reader.read(contents, []);
  return {
    value,
    lineOf(path) {
      for (let length = path.length; length > 0; length--) {
        const line = positions.get(keyOf(path.slice(0, length)));
        if (line !== undefined) return line;
      }
      return positions.get(keyOf([])) ?? 1;
    },
  };
}

function parseOne(text: string, lineCounter: LineCounter): Document {
  let documents;
  try {
    // Keys are checked below in linear time; the parser's own check is quadratic in the number of keys.
    documents = parseAllDocuments(text, {
      version: "1.2",
      schema: "core",
      strict: true,
      uniqueKeys: false,
      merge: false,
      intAsBigInt: true,
      prettyErrors: false,
      logLevel: "silent",
      lineCounter,
    });
  } catch (cause) {
    // Thousands of nested brackets exhaust the parser's stack.
    throw policyInvalid([{ message: "the text cannot be parsed as YAML" }], cause);
  }
  const [first, second] = documents;
  if (first === undefined || !("contents" in first) || first.contents === null) {
    throw policyInvalid([{ line: 1, message: "the policy is empty; `allow: []` denies everything" }]);
  }
  const fault = [...first.errors, ...first.warnings][0];
  if (fault) {
    const line = lineCounter.linePos(fault.pos[0]).line;
    throw policyInvalid([{ line, message: explain(fault.message) }]);
  }
  if (second !== undefined) {
    const line = lineCounter.linePos(second.range[0]).line;
    throw policyInvalid([{ line, message: "a second YAML document; a policy is one document" }]);
  }
  if (first.directives.yaml.explicit && first.directives.yaml.version !== "1.2") {
    throw policyInvalid([{ line: 1, message: "only YAML 1.2 is read; remove the %YAML directive" }]);
  }
  return first;
}

/** The parser's words, with the cause that is likeliest in a policy. */
function explain(message: string): string {
  if (message.includes("call stack")) return "nested too deeply";
  const isUnquoted = /^Alias|reserved character/.test(message);
  return isUnquoted ? `${message}; put a text that begins with * or @ in quotes` : message;
}

function keyOf(path: Path): string {
  return JSON.stringify(path);
}

/** Walks the parsed nodes instead of converting them, so that nothing is resolved, merged or coerced on the way. */
class Reader {
  readonly #positions: Map<string, number>;
  readonly #lineAt: (offset: number | undefined) => number;

  constructor(positions: Map<string, number>, lineAt: (offset: number | undefined) => number) {
    this.#positions = positions;
    this.#lineAt = lineAt;
  }

  read(node: unknown, path: Path): JsonValue {
    const line = this.#lineAt(rangeOf(node));
    const key = keyOf(path);
    if (!this.#positions.has(key)) this.#positions.set(key, line);
    const refuse = (message: string): Error => policyInvalid([{ line, path, message }]);
    if (path.length > MAX_DEPTH) throw refuse("nested too deeply");
    if (isAlias(node)) throw refuse("an alias (*); write the value out, and put a text that begins with * in quotes");
    if (node === null) return null;
    if (!isMap(node) && !isSeq(node) && !isScalar(node)) throw refuse("not a value");
    if (node.anchor !== undefined) throw refuse("an anchor (&); write the value out where it is needed");
    if (node.tag !== undefined) throw refuse("a tag (!); remove it");
    if (isSeq(node)) return node.items.map((item, index) => this.read(item, [...path, index]));
    if (isScalar(node)) return scalar(node.value, refuse);
    return this.#readMap(node.items, path, line);
  }

  #readMap(items: readonly { key: unknown; value: unknown }[], path: Path, mapLine: number): JsonValue {
    const members: Record<string, JsonValue> = {};
    for (const { key, value } of items) {
      const name = isScalar(key) ? key.value : undefined;
      const line = this.#lineAt(rangeOf(key)) || mapLine;
      const refuse = (message: string): Error => policyInvalid([{ line, path, message }]);
      if (isAlias(key) || (isScalar(key) && key.anchor !== undefined)) throw refuse("an anchor or alias as a key");
      if (typeof name !== "string") throw refuse("a key must be text; put it in quotes");
      if (isScalar(key) && key.tag !== undefined) throw refuse("a tag (!) on a key; remove it");
      if (!name.isWellFormed()) throw refuse("a key holds half of a surrogate pair");
      if (name === "<<") throw refuse("a merge key (<<); write the members out");
      // No library on the way may take it for the prototype and so lose a condition.
      if (name === "__proto__") throw refuse("`__proto__` as a key; an argument of that name is written /__proto__");
      if (Object.hasOwn(members, name)) throw refuse(`the key ${JSON.stringify(name)} stands twice`);
      const inner = [...path, name];
      this.#positions.set(keyOf(inner), line);
      members[name] = this.read(value, inner);
    }
    return members;
  }
}

function rangeOf(node: unknown): number | undefined {
  return isAlias(node) || isMap(node) || isSeq(node) || isScalar(node) ? node.range?.[0] : undefined;
}

function scalar(value: unknown, refuse: (message: string) => Error): JsonValue {
  switch (typeof value) {
    case "string":
      if (!value.isWellFormed()) throw refuse("the text holds half of a surrogate pair");
      return value;
    case "boolean":
      return value;
    case "bigint":
    case "number": {
      const number = Number(value);
      if (!Number.isFinite(number)) throw refuse("not a finite number");
      if (Number.isInteger(number) && !Number.isSafeInteger(number)) {
        throw refuse("an integer beyond ±(2^53 − 1) cannot be compared exactly");
      }
      return number + 0;
    }
    default:
      if (value === null) return null;
      throw refuse("not a JSON value");
  }
}
