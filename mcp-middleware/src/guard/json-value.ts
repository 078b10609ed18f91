import { type JsonValue, MAX_JSON_DEPTH, PeerageError, setMember } from "@peerage/core";

/**
 * Copies an object of this process into the JSON that is digested and executed, under the rules that the strict reader
 * applies to text. Members that are undefined are absent, as in `JSON.stringify`; getters run once, here.
 * @throws {PeerageError} ERR_JSON_NUMBER, ERR_JSON_STRING, ERR_JSON_DEPTH, ERR_MESSAGE_INVALID
 */
export function copyJson(value: unknown, depth = 0): JsonValue {
  switch (typeof value) {
    case "string":
      if (!value.isWellFormed()) throw new PeerageError("ERR_JSON_STRING", "a string holds a lone surrogate");
      return value;
    case "number":
      if (
        !Number.isFinite(value) ||
        Object.is(value, -0) ||
        (Number.isInteger(value) && !Number.isSafeInteger(value))
      ) {
        throw new PeerageError("ERR_JSON_NUMBER", "a number would arrive as another number");
      }
      return value;
    case "boolean":
      return value;
    case "object":
      return value === null ? null : copyObject(value, depth + 1);
    default:
      throw new PeerageError("ERR_MESSAGE_INVALID", "the message holds what JSON cannot");
  }
}

function copyObject(value: object, depth: number): JsonValue {
  if (depth > MAX_JSON_DEPTH) throw new PeerageError("ERR_JSON_DEPTH", `nested deeper than ${MAX_JSON_DEPTH}`);
  if (Array.isArray(value)) return Array.from(value as unknown[], (element) => copyJson(element, depth));
  const prototype: unknown = Object.getPrototypeOf(value);
  // An object of another realm has another Object.prototype; a class instance has a prototype with a prototype.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw new PeerageError("ERR_MESSAGE_INVALID", "the message holds what JSON cannot");
  }
  const copy: Record<string, JsonValue> = {};
  for (const name of Object.keys(value)) {
    const inner = (value as Record<string, unknown>)[name];
    if (inner === undefined) continue;
    if (!name.isWellFormed()) throw new PeerageError("ERR_JSON_STRING", "a name holds a lone surrogate");
    setMember(copy, name, copyJson(inner, depth));
  }
  return copy;
}
