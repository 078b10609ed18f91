import { type ErrorCode, isJsonObject, type JsonObject, type JsonValue } from "@peerage/core";

export type RequestId = string | number;

/** JSON-RPC codes of our own faults (mcp.md section 4) and of the two kinds of unreadable messages. */
export const rpcCodes = {
  parse: -32700,
  invalid: -32600,
  identity: -31401,
  fault: -31500,
  upstream: -31502,
} as const;

/** The `id` of a request or response if it can be answered: a string or a number. */
export function idOf(message: JsonObject): RequestId | undefined {
  const id = Object.hasOwn(message, "id") ? message["id"] : undefined;
  return typeof id === "string" || typeof id === "number" ? id : undefined;
}

/** A map key for an id: the number 1 and the string "1" are two ids. */
export function idKey(id: RequestId): string {
  return typeof id === "string" ? `s${id}` : `n${id}`;
}

/** True for a JSON-RPC response: an `id`, no `method`, and a result or an error. */
export function isResponse(message: JsonValue): message is JsonObject {
  return (
    isJsonObject(message) &&
    !Object.hasOwn(message, "method") &&
    (Object.hasOwn(message, "result") || Object.hasOwn(message, "error"))
  );
}

/** The method of a request or notification. */
export function methodOf(message: JsonObject): string | undefined {
  const method = Object.hasOwn(message, "method") ? message["method"] : undefined;
  return typeof method === "string" ? method : undefined;
}

/** An error answer in the form of mcp.md section 4: `data.reason` is the code that programs read. */
export function errorReply(
  id: RequestId | null,
  code: number,
  reason: ErrorCode,
  message: string,
  options: { readonly retryable?: boolean; readonly now?: Date } = {},
): JsonObject {
  const data = { reason, retryable: options.retryable ?? false, now: (options.now ?? new Date()).toISOString() };
  return { jsonrpc: "2.0", id, error: { code, message: `Refused (${reason}): ${message}`, data } };
}

/** The answer for an id whose server is gone or cannot be reached. */
export function upstreamReply(id: RequestId | null, message: string, now?: Date): JsonObject {
  return errorReply(id, rpcCodes.upstream, "ERR_UPSTREAM_UNAVAILABLE", message, {
    retryable: true,
    ...(now === undefined ? {} : { now }),
  });
}

const lists: ReadonlySet<string> = new Set([
  "tools/list",
  "resources/list",
  "resources/templates/list",
  "prompts/list",
]);
const listMembers = ["tools", "resources", "resourceTemplates", "prompts"] as const;

/** True for the methods whose results a guard filters: these never pass unread. */
export function isListMethod(method: string): boolean {
  return lists.has(method);
}

/** True for a response that holds a list which a guard would have filtered. */
export function holdsList(message: JsonObject): boolean {
  const result = message["result"];
  return isJsonObject(result) && listMembers.some((name) => Object.hasOwn(result, name));
}

/**
 * A message as one line for a server's stdin. U+2028 and U+2029 are escaped: they are legal in JSON strings, but some line
 * readers, Node's `readline` among them, end a line there.
 */
export function toLine(message: JsonObject): string {
  const escaped = JSON.stringify(message).replaceAll(/[\u2028\u2029]/g, (character) =>
    character === "\u2028" ? "\\u2028" : "\\u2029",
  );
  return `${escaped}\n`;
}
