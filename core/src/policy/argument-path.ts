import { isJsonObject, type JsonValue } from "../json/types.ts";

/** The parts of `a.b.c`, of a JSON Pointer (RFC 6901) `/a/b`, either with a trailing `[]`: every element. */
export interface ArgumentPath {
  readonly segments: readonly string[];
  /** True for a trailing `[]`: the test must hold of every element of a non-empty array. */
  readonly each: boolean;
}

/** What stands at a path: a value, nothing, or something that cannot be said because a part on the way is no container. */
export type Found =
  { readonly kind: "value"; readonly value: JsonValue } | { readonly kind: "absent" } | { readonly kind: "unknown" };

const ABSENT: Found = { kind: "absent" };
const UNKNOWN: Found = { kind: "unknown" };

/** Parses an argument path; undefined if it is malformed. */
export function parseArgumentPath(text: string): ArgumentPath | undefined {
  const each = text.endsWith("[]");
  const path = each ? text.slice(0, -2) : text;
  if (path.startsWith("/")) {
    if (/~(?![01])/.test(path)) return undefined;
    const segments = path.slice(1).split("/");
    return { segments: segments.map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~")), each };
  }
  const segments = path.split(".");
  return segments.includes("") ? undefined : { segments, each };
}

/** Reads own members only, so `constructor` and `length` are absent unless the caller sent an argument of that name. */
export function findArgument(args: JsonValue | undefined, segments: readonly string[]): Found {
  let value = args;
  for (const segment of segments) {
    if (Array.isArray(value)) {
      if (!/^(?:0|[1-9][0-9]{0,8})$/.test(segment)) return UNKNOWN;
      value = (value as readonly JsonValue[])[Number(segment)];
    } else if (isJsonObject(value)) {
      value = Object.hasOwn(value, segment) ? value[segment] : undefined;
    } else {
      return UNKNOWN;
    }
    if (value === undefined) return ABSENT;
  }
  return value === undefined ? UNKNOWN : { kind: "value", value };
}
