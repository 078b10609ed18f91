import { isJsonObject, type JsonObject, type JsonValue, member } from "@peerage/core";
import { PROTOCOL_VERSION_META } from "../guard/message.ts";

/** The revision that a modern message names; undefined for a legacy one. */
export function modernVersion(message: JsonObject): string | undefined {
  const version = member(member(message["params"], "_meta"), PROTOCOL_VERSION_META);
  return typeof version === "string" ? version : undefined;
}

const nameFields = new Map([
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
  ["tasks/get", "taskId"],
  ["tasks/update", "taskId"],
  ["tasks/cancel", "taskId"],
]);

/** The headers in which a modern client repeats its message (2026-07-28, standard request headers). */
export function standardHeaders(message: JsonObject): Record<string, string> {
  const version = modernVersion(message);
  const { method } = message;
  if (version === undefined || typeof method !== "string") return {};
  const headers: Record<string, string> = { "mcp-protocol-version": version, "mcp-method": method };
  const name = member(message["params"], nameFields.get(method) ?? "");
  if (typeof name === "string") headers["mcp-name"] = headerValue(name);
  return headers;
}

/**
 * A value as an HTTP field: plain if it is printable ASCII without space at its ends, otherwise, and where it looks like
 * the sentinel itself, as `=?base64?…?=` of its UTF-8. So no line break ever becomes a header of its own.
 */
export function headerValue(value: string): string {
  const isPlain = /^[\x21-\x7e](?:[\x09\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !/^=\?base64\?.*\?=$/.test(value);
  return isPlain ? value : `=?base64?${Buffer.from(value).toString("base64")}?=`;
}

/** Where in a tool's arguments a value stands that also travels as a header. */
export interface ParamHeader {
  readonly path: readonly string[];
  readonly header: string;
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** `number` is not among them: no two writers agree on the text of a fraction. */
const primitives: ReadonlySet<JsonValue> = new Set(["string", "integer", "boolean"]);

/**
 * Reads the `x-mcp-header` members of a tool's input schema.
 * @returns undefined if one of them is invalid: no token, not on a string, integer or boolean, twice the same, or not reached by
 *   `properties` alone; such a tool must not be called over HTTP
 */
export function paramHeaders(inputSchema: JsonValue | undefined): readonly ParamHeader[] | undefined {
  const found: ParamHeader[] = [];
  const names = new Set<string>();
  const visit = (schema: JsonValue | undefined, path: readonly string[], reachable: boolean): boolean => {
    if (Array.isArray(schema)) return schema.every((inner: JsonValue) => visit(inner, path, false));
    if (!isJsonObject(schema)) return true;
    if (Object.hasOwn(schema, "x-mcp-header")) {
      const header = schema["x-mcp-header"];
      if (!reachable || path.length === 0 || typeof header !== "string" || !token.test(header)) return false;
      if (names.has(header.toLowerCase()) || !primitives.has(schema["type"] ?? null)) return false;
      names.add(header.toLowerCase());
      found.push({ path, header: `mcp-param-${header}` });
    }
    return Object.entries(schema).every(([keyword, inner]) => {
      if (keyword === "properties" && isJsonObject(inner)) {
        return Object.entries(inner).every(([name, property]) => visit(property, [...path, name], reachable));
      }
      // Data, not schema: what looks like a declaration in there is none.
      if (["const", "enum", "default", "examples"].includes(keyword)) return true;
      if (isJsonObject(inner) && ["patternProperties", "dependentSchemas", "$defs", "definitions"].includes(keyword)) {
        return Object.values(inner).every((part: JsonValue) => visit(part, path, false));
      }
      return visit(inner, path, false);
    });
  };
  return visit(inputSchema, [], true) ? found : undefined;
}

/** The `Mcp-Param-*` headers of one `tools/call`; absent and null arguments have none. */
export function paramValues(declared: readonly ParamHeader[], args: JsonValue | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { path, header } of declared) {
    const value = path.reduce<JsonValue | undefined>((node, name) => member(node, name), args);
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
      headers[header] = headerValue(String(value));
    }
  }
  return headers;
}
