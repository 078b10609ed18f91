import { fromBase64, fromUtf8, member, PeerageError } from "@peerage/core";
import type { Inbound } from "./message.ts";
import type { Context } from "./types.ts";

const nameFields: ReadonlyMap<string, string> = new Map([
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
  ["tasks/get", "taskId"],
  ["tasks/update", "taskId"],
  ["tasks/cancel", "taskId"],
]);

/**
 * The headers in which a modern HTTP client repeats the body equal it, so that what a proxy on the way routed by is what
 * is executed. A modern request must have them; whoever sends them without need must send them right. What decides is
 * the body alone.
 * @throws {PeerageError} ERR_HEADER_MISMATCH
 */
export function checkStandardHeaders(inbound: Inbound, context: Context): void {
  if (context.transport !== "http" || inbound.kind === "response") return;
  const header = (name: string): string | undefined => context.header?.(name)?.trim();
  const required = inbound.kind === "request" && inbound.modern !== undefined;
  const { method } = inbound;
  if (inbound.modern !== undefined)
    check("MCP-Protocol-Version", header("mcp-protocol-version"), inbound.modern, required);
  check("Mcp-Method", header("mcp-method"), method, required);
  const field = nameFields.get(method);
  const named = field === undefined ? undefined : member(inbound.params, field);
  if (typeof named === "string") check("Mcp-Name", decodeSentinel(header("mcp-name")), named, required);
}

function check(name: string, got: string | undefined, wanted: string, required: boolean): void {
  if (got === wanted || (got === undefined && !required)) return;
  throw mismatch(`the header ${name} is not what the body says`);
}

function mismatch(message: string): PeerageError {
  return new PeerageError("ERR_HEADER_MISMATCH", message);
}

/** `=?base64?…?=` carries what a header cannot: line breaks and characters beyond ASCII. */
function decodeSentinel(value: string | undefined): string | undefined {
  if (!value?.startsWith("=?base64?") || !value.endsWith("?=")) return value;
  try {
    return fromUtf8(fromBase64(value.slice(9, -2)));
  } catch {
    throw mismatch("the header Mcp-Name is not canonical base64 of UTF-8");
  }
}
