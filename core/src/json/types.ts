/** Any JSON value as the strict reader returns it. */
export type JsonValue = null | boolean | number | string | JsonArray | JsonObject;
/** A JSON array. */
export type JsonArray = readonly JsonValue[];
/** A JSON object; its members are own properties, `__proto__` among them like any other name. */
export interface JsonObject {
  readonly [name: string]: JsonValue;
}

/** True for a JSON object: not null, not an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads an own member; inherited names such as `constructor` are absent. */
export function member(value: JsonValue | undefined, name: string): JsonValue | undefined {
  return isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** A copy of an object without one member. */
export function without(value: JsonObject, name: string): JsonObject {
  const copy: Record<string, JsonValue> = {};
  for (const key of Object.keys(value)) if (key !== name) setMember(copy, key, value[key] as JsonValue);
  return copy;
}

/** Sets an own member; plain assignment of `__proto__` would set the prototype instead. */
export function setMember(target: Record<string, JsonValue>, name: string, value: JsonValue): void {
  if (name === "__proto__") {
    Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true });
  } else {
    target[name] = value;
  }
}
