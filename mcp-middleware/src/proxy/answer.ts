import { isJsonObject, type JsonObject, type JsonValue } from "@peerage/core";
import type { DecisionRecord, Guard } from "../guard/types.ts";
import { errorReply, isListMethod, type RequestId, rpcCodes } from "./json-rpc.ts";
import { applyEdits, type Edit, editsBetween } from "./splice.ts";

/** What becomes of a response on its way to the host. */
export type Settled =
  /** The received text with these edits, often none. */
  | { readonly kind: "edits"; readonly edits: readonly Edit[] }
  /** A list that could not be filtered: this error goes out in its place. */
  | { readonly kind: "replaced"; readonly reply: JsonObject };

/**
 * Settles one response with the guard and tells how the received text changes: receipt, advertisement and filtered
 * lists, nothing else. A response that cannot be edited passes whole, because a done call is never turned into an error;
 * a list that cannot be filtered does not pass.
 */
export async function settleResponse(
  guard: Guard,
  decision: DecisionRecord,
  text: string,
  response: JsonObject,
): Promise<Settled> {
  try {
    const settled = await guard.settle(decision, response);
    return { kind: "edits", edits: editsBetween(text, response, settled) };
  } catch {
    if (!isListMethod(decision.method)) return { kind: "edits", edits: [] };
    return { kind: "replaced", reply: unreadableList(decision.requestId ?? null) };
  }
}

/** The error in place of a list that could not be read and therefore not be filtered. */
export function unreadableList(id: RequestId | null): JsonObject {
  return errorReply(id, rpcCodes.fault, "ERR_GUARD_FAULT", "the server's list could not be read and filtered.");
}

/** The text of a settled response. */
export function settledText(text: string, settled: Settled): string {
  return settled.kind === "edits" ? applyEdits(text, settled.edits) : JSON.stringify(settled.reply);
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads one JSON object from bytes; undefined for everything else. The text is exactly the bytes. */
export function readMessage(bytes: Uint8Array): { readonly text: string; readonly message: JsonObject } | undefined {
  try {
    const text = strictUtf8.decode(bytes);
    const message = JSON.parse(text) as JsonValue;
    return isJsonObject(message) ? { text, message } : undefined;
  } catch {
    return undefined;
  }
}
