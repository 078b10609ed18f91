import { isJsonObject } from "@peerage/core";
import { isUsableId } from "./message.ts";

/** The id to answer for something that is no message: text, bytes or a value. Null if none can be made out. */
export function idOf(source: unknown): string | number | null {
  if (typeof source === "string") return salvageId(source);
  if (source instanceof Uint8Array) return salvageId(new TextDecoder().decode(source));
  const id: unknown = isJsonObject(source) ? source["id"] : undefined;
  return typeof id === "string" || Number.isSafeInteger(id) ? (id as string | number) : null;
}

/**
 * The id to answer for a text that the strict reader refused: that of exactly one usable top-level member `id`, so that a
 * client does not wait for ever. Null if there is none, or more than one.
 */
export function salvageId(text: string): string | number | null {
  const found: (string | number)[] = [];
  let depth = 0;
  let isKey = false;
  for (let at = 0; at < text.length && found.length < 2; at++) {
    switch (text[at]) {
      case '"': {
        const end = endOfString(text, at);
        if (end < 0) return single(found);
        if (depth === 1 && isKey && decode(text.slice(at, end + 1)) === "id") {
          const id = idAfter(text, end + 1);
          if (id === undefined) return null;
          found.push(id);
        }
        at = end;
        break;
      }
      case "{":
        isKey = ++depth === 1;
        break;
      case "[":
        // A batch has no id of its own.
        if (depth++ === 0) return null;
        break;
      case "}":
      case "]":
        if (--depth <= 0) return single(found);
        break;
      case ",":
        isKey = depth === 1;
        break;
      case ":":
        isKey = false;
        break;
    }
  }
  return single(found);
}

function single(found: readonly (string | number)[]): string | number | null {
  return found.length === 1 ? (found[0] ?? null) : null;
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === '"') return at;
  }
  return -1;
}

function idAfter(text: string, from: number): string | number | undefined {
  const match = /^[ \t\r\n]*:[ \t\r\n]*("(?:[^"\\]|\\.){0,512}"|-?(?:0|[1-9][0-9]{0,15})(?=[ \t\r\n]*[,}]))/.exec(
    text.slice(from, from + 4_096),
  );
  const id = match?.[1] === undefined ? undefined : decode(match[1]);
  return isUsableId(id) ? id : undefined;
}

function decode(literal: string): unknown {
  try {
    return JSON.parse(literal) as unknown;
  } catch {
    return undefined;
  }
}
