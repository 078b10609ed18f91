import type { JsonValue } from "@peerage/core";
import stringWidth from "string-width";

// Whatever a terminal or a reader's eye would obey instead of show: see visible.ts; and marks that sit on other letters.
const hidden =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{M}\u00a0\u115f\u1160\u1680\u2000-\u200a\u202f\u205f\u2800\u3000\u3164\uffa0]/gu;

/**
 * A text exactly as it is, for somebody who must decide on it: in quotes, whole, its code points in their order, with
 * everything that would not show as itself written as `\u{…}`. Two different texts never look the same by what is hidden.
 */
export function revealed(text: string): string {
  return JSON.stringify(text).replace(hidden, (one) => `\\u{${(one.codePointAt(0) ?? 0).toString(16)}}`);
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

/** Fields as lines, none of them cut: what is too long goes on in the next line, character after character. */
export function fieldLines(fields: readonly Field[], columns: number, indent: number): string[] {
  const widest = Math.min(32, Math.max(0, ...fields.map(({ path }) => stringWidth(path))));
  return fields.flatMap(({ path, value }) => {
    const head = path + " ".repeat(Math.max(0, widest - stringWidth(path)));
    const isLong = stringWidth(head) > widest;
    const lines = chunks(value, columns - indent - widest - 2);
    const start = " ".repeat(indent);
    const rest = lines.map((line) => start + " ".repeat(widest + 2) + line);
    if (isLong) return [...chunks(path, columns - indent).map((line) => start + line), ...rest];
    return [`${start}${head}  ${lines[0] ?? ""}`, ...rest.slice(1)];
  });
}

function chunks(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  let used = 0;
  for (const character of text) {
    const wide = stringWidth(character);
    if (used + wide > width && line !== "") {
      lines.push(line);
      [line, used] = ["", 0];
    }
    line += character;
    used += wide;
  }
  return [...lines, line];
}

function nameOf(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_-]*$/.test(name) ? name : revealed(name);
}
