import {
  CALL_META,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  member,
  PeerageError,
  RECEIPT_META,
} from "@peerage/core";
import type { ListMethod } from "./subject.ts";
import type { JsonRpcMessage } from "./types.ts";

const MAX_LIST_TTL_MS = 60_000;

/** What a guard tells about itself in `capabilities.extensions["dev.peerage/call"]`; it informs and replaces no check. */
export interface Advertisement extends JsonObject {
  /** The version of this form. */
  readonly v: 1;
  /** The audiences a proof may name. */
  readonly aud: readonly string[];
  readonly required: boolean;
  /** Longest lifetime of a proof. */
  readonly maxAgeSeconds: number;
  readonly history: boolean;
  readonly receipts: boolean;
  /** `shadow`: what is refused is recorded, and goes on all the same. */
  readonly mode: "enforce" | "shadow";
}

/** True for the methods whose result carries the advertisement. */
export function isAdvertised(method: string): boolean {
  return method === "initialize" || method === "server/discover";
}

/** A response to `initialize` or `server/discover` with the advertisement; errors stay as they are. */
export function advertise(response: JsonRpcMessage, advertisement: Advertisement): JsonRpcMessage {
  const result = member(response, "result");
  if (!isJsonObject(result)) return response;
  const capabilities = objectOf(result["capabilities"]);
  const extensions = { ...objectOf(capabilities["extensions"]), [CALL_META]: advertisement };
  return { ...response, result: { ...result, capabilities: { ...capabilities, extensions } } };
}

interface List {
  readonly member: string;
  readonly field: string;
  /** The method that uses an item. */
  readonly use: string;
}

const lists: Readonly<Record<ListMethod, List>> = {
  "tools/list": { member: "tools", field: "name", use: "tools/call" },
  "prompts/list": { member: "prompts", field: "name", use: "prompts/get" },
  "resources/list": { member: "resources", field: "uri", use: "resources/read" },
  // A template is judged by its own text, in which a variable is an ordinary path segment.
  "resources/templates/list": { member: "resourceTemplates", field: "uriTemplate", use: "resources/read" },
};

/** True for the methods whose results are filtered for their caller. */
export function isList(method: string): method is ListMethod {
  return Object.hasOwn(lists, method);
}

/**
 * A list without the items that this caller could not use. Modern results are marked private and short-lived, so that no
 * cache shows one caller's list to another.
 * @throws {PeerageError} ERR_GUARD_FAULT if it is no such list: what cannot be filtered does not pass
 */
export function filterList(
  method: ListMethod,
  response: JsonRpcMessage,
  isModern: boolean,
  couldUse: (method: string, target: string) => boolean,
): JsonRpcMessage {
  if (Object.hasOwn(response, "error")) return response;
  const list = lists[method];
  const result = member(response, "result");
  const items = member(result, list.member);
  if (!isJsonObject(result) || !Array.isArray(items)) {
    throw new PeerageError("ERR_GUARD_FAULT", "the server's list cannot be read and filtered", { detail: "list" });
  }
  const kept = (items as readonly JsonValue[]).filter((item) => {
    const target = member(item, list.field);
    return typeof target === "string" && couldUse(list.use, target);
  });
  return { ...response, result: { ...result, [list.member]: kept, ...(isModern ? privately(result) : {}) } };
}

function privately(result: JsonObject): JsonObject {
  const ttl = result["ttlMs"];
  return { cacheScope: "private", ttlMs: typeof ttl === "number" ? Math.min(ttl, MAX_LIST_TTL_MS) : MAX_LIST_TTL_MS };
}

/**
 * Puts a receipt where clients look for it: `result._meta`, or `error.data.receipt`. Where neither can hold it, the
 * response stays as it is.
 */
export function attachReceipt(response: JsonRpcMessage, receipt: string): JsonRpcMessage {
  const result = member(response, "result");
  if (isJsonObject(result)) {
    const meta = { ...objectOf(result["_meta"]), [RECEIPT_META]: receipt };
    return { ...response, result: { ...result, _meta: meta } };
  }
  const error = member(response, "error");
  if (!isJsonObject(error)) return response;
  const data = error["data"];
  if (data !== undefined && (!isJsonObject(data) || Object.hasOwn(data, "receipt"))) return response;
  return { ...response, error: { ...error, data: { ...data, receipt } } };
}

/** The receipt of a response as a guard sends it, not yet verified. */
export function receiptOf(response: JsonValue): string | undefined {
  const ofResult = member(member(member(response, "result"), "_meta"), RECEIPT_META);
  const receipt = ofResult ?? member(member(member(response, "error"), "data"), "receipt");
  return typeof receipt === "string" ? receipt : undefined;
}

/** True if a response says that the call failed: a JSON-RPC error, or a tool's own `isError`. */
export function isErrored(response: JsonRpcMessage): boolean {
  return Object.hasOwn(response, "error") || member(member(response, "result"), "isError") === true;
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}
