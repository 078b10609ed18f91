import { type Field, fieldsOf, type JsonValue, revealHidden } from "@peerage/core";

/** A text of some length in which nothing hides: what would not show as itself is written as `\\u{…}`. */
export function visible(text: string): string {
  return revealHidden(text.slice(0, 4_000));
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
