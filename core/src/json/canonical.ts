import { isJsonObject, type JsonValue } from "./types.ts";

/**
 * The JSON Canonicalization Scheme (RFC 8785): members sorted by UTF-16 code units, no space, ECMAScript number and
 * string form. The value must come from the strict reader or be built from well-formed strings and finite numbers.
 * @throws {TypeError} for what JSON cannot hold (undefined, NaN, a lone surrogate, …)
 */
export function canonicalize(value: JsonValue): string {
  switch (typeof value) {
    case "string":
      if (!value.isWellFormed()) throw new TypeError("a string holds a lone surrogate");
      return JSON.stringify(value);
    case "number":
      if (!Number.isFinite(value)) throw new TypeError("not a JSON number");
      return JSON.stringify(value);
    case "boolean":
      return value ? "true" : "false";
    default:
      if (value === null) return "null";
      if (Array.isArray(value)) return `[${(value as readonly JsonValue[]).map(canonicalize).join(",")}]`;
      if (isJsonObject(value)) return canonicalObject(value);
      throw new TypeError("not a JSON value");
  }
}

function canonicalObject(value: { readonly [name: string]: JsonValue }): string {
  // The default sort compares UTF-16 code units, which is the order of RFC 8785.
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${canonicalize(name)}:${canonicalize(value[name] as JsonValue)}`).join(",")}}`;
}
