import type { JsonValue } from "./types.ts";

// What a reader's eye or a terminal would obey instead of show, marks that sit on other letters, and what draws nothing.
const hidden =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{M}\u00a0\u115f\u1160\u1680\u2000-\u200a\u202f\u205f\u2800\u3000\u3164\uffa0]/gu;

/** A text with everything that would not show as itself written as `\u{…}`; of any length, with no quotes around it. */
export function revealHidden(text: string): string {
  return text.replace(hidden, (one) => `\\u{${(one.codePointAt(0) ?? 0).toString(16)}}`);
}

/**
 * A text exactly as it is, for somebody who must decide on it: in quotes, whole, its code points in their order, with
 * everything that would not show as itself written as `\u{…}`. Two different texts never look the same by what is hidden.
 */
export function revealed(text: string): string {
  return revealHidden(JSON.stringify(text));
}

/** JSON as it is digested, with everything that would not show as itself written as `\uXXXX`; it reads back the same. */
export function revealedJson(json: string): string {
  return json.replace(hidden, (one) =>
    Array.from({ length: one.length }, (_, i) => `\\u${one.charCodeAt(i).toString(16).padStart(4, "0")}`).join(""),
  );
}

/** One value of a document, by its path: `to.iban`, `parts[0]`, with odd names in quotes. */
export interface Field {
  readonly path: string;
  readonly value: string;
}

/** Every value of a document, empty objects and lists included, in its order; texts as {@link revealed} writes them. */
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

function nameOf(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_-]*$/.test(name) ? name : revealed(name);
}
