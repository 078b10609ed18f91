import type { JsonValue } from "@peerage/core";

// Whatever a page or a reader's eye would obey instead of show, and marks that sit on other letters.
const hidden =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{M}\u00a0\u115f\u1160\u1680\u17b4\u17b5\u2000-\u200a\u202f\u205f\u2800\u3000\u3164\uffa0]/gu;

/**
 * A text exactly as it is, for somebody who must decide on it: in quotes, whole, its code points in their order, with
 * everything that would not show as itself written as `\u{…}`. Two different texts never look the same by what is hidden.
 */
export function revealed(text: string): string {
  return JSON.stringify(text).replace(hidden, (one) => `\\u{${(one.codePointAt(0) ?? 0).toString(16)}}`);
}

/** A text of some length in which nothing hides: what would not show as itself is written as `\\u{…}`. */
export function visible(text: string): string {
  return text.slice(0, 4_000).replace(hidden, (one) => `\\u{${(one.codePointAt(0) ?? 0).toString(16)}}`);
}

/** JSON as it is digested, with everything that would not show as itself written out; it reads back the same. */
export function revealedJson(json: string): string {
  return json.replace(hidden, (one) =>
    Array.from({ length: one.length }, (_, i) => `\\u${one.charCodeAt(i).toString(16).padStart(4, "0")}`).join(""),
  );
}

/** One value of a document, by its path. */
export interface Field {
  readonly path: string;
  readonly value: string;
}

/** Every value of a document, empty objects and lists included, in its order. */
export function fieldsOf(value: JsonValue, path = ""): Field[] {
  if (Array.isArray(value)) {
    const items = value as readonly JsonValue[];
    return items.length === 0 ? [{ path, value: "[]" }] : items.flatMap((item, i) => fieldsOf(item, `${path}[${i}]`));
  }
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value as Readonly<Record<string, JsonValue>>);
    if (members.length === 0) return [{ path, value: "{}" }];
    return members.flatMap(([name, inner]) => fieldsOf(inner, path === "" ? nameOf(name) : `${path}.${nameOf(name)}`));
  }
  return [{ path, value: typeof value === "string" ? revealed(value) : String(value) }];
}

/** Every value of a request: arguments by their own names, whatever else it holds by its path. The target stands apart. */
export function requestFields(params: JsonValue): Field[] {
  if (typeof params !== "object" || params === null || Array.isArray(params)) return fieldsOf(params, "params");
  const { name: _name, uri: _uri, arguments: args, ...rest } = params as Readonly<Record<string, JsonValue>>;
  const isPlain = typeof args === "object" && args !== null && !Array.isArray(args) && Object.keys(args).length > 0;
  const fields = [
    ...(args === undefined ? [] : isPlain ? fieldsOf(args) : fieldsOf(args, "arguments")),
    ...Object.entries(rest).flatMap(([name, value]) => fieldsOf({ [name]: value }, "params")),
  ];
  return fields.length > 0 ? fields : [{ path: "arguments", value: "none" }];
}

function nameOf(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_-]*$/.test(name) ? name : revealed(name);
}
