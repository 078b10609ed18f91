import {
  CALL_META,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  member,
  PeerageError,
  setMember,
} from "@peerage/core";

/** Prefix of every member of `_meta` that belongs to Peerage; none of them goes on to the server. */
export const META_PREFIX = "dev.peerage/";
/** The envelope member with which a message of the modern era (2026-07-28 and later) names its revision. */
export const PROTOCOL_VERSION_META = "io.modelcontextprotocol/protocolVersion";
const FIRST_MODERN_VERSION = "2026-07-28";

interface Call {
  readonly message: JsonObject;
  readonly method: string;
  readonly params: JsonObject | undefined;
  readonly meta: JsonObject | undefined;
  /** The revision that a modern message names; undefined for the legacy era. */
  readonly modern: string | undefined;
}

/** One JSON-RPC message whose shape was checked. */
export type Inbound =
  | (Call & { readonly kind: "request"; readonly id: string | number })
  | (Call & { readonly kind: "notification"; readonly id?: undefined })
  | { readonly kind: "response"; readonly message: JsonObject; readonly id: string | number };

function invalid(message: string): PeerageError {
  return new PeerageError("ERR_MESSAGE_INVALID", message, { detail: "shape" });
}

// A proof beside `jsonrpc` is let through here and refused as what it is by the next step.
const members = new Set(["jsonrpc", "id", "method", "params", "result", "error", CALL_META]);

/**
 * Checks that a value is one JSON-RPC 2.0 message of MCP.
 * @throws {PeerageError} ERR_MESSAGE_BATCH, ERR_MESSAGE_INVALID
 */
export function readMessage(message: JsonValue): Inbound {
  if (Array.isArray(message))
    throw new PeerageError("ERR_MESSAGE_BATCH", "batches are not accepted", { detail: "batch" });
  if (!isJsonObject(message)) throw invalid("a message is a JSON object");
  if (message["jsonrpc"] !== "2.0") throw invalid('jsonrpc must be "2.0"');
  for (const name of Object.keys(message)) if (!members.has(name)) throw invalid("an unknown member beside jsonrpc");
  const isAnswer = Object.hasOwn(message, "result") || Object.hasOwn(message, "error");
  return Object.hasOwn(message, "method") && !isAnswer ? readCall(message) : readResponse(message);
}

function readResponse(message: JsonObject): Inbound {
  const { id } = message;
  if (Object.hasOwn(message, "method") || Object.hasOwn(message, "params")) throw invalid("both a call and an answer");
  if (Object.hasOwn(message, "result") === Object.hasOwn(message, "error")) {
    throw invalid("a message has a method, a result or an error");
  }
  if (!isUsableId(id)) throw invalid("id must be a string or a safe integer");
  return { kind: "response", message, id };
}

function readCall(message: JsonObject): Inbound {
  const { method, params, id } = message;
  if (typeof method !== "string" || method === "" || method.length > 256)
    throw invalid("method must be a short string");
  if (params !== undefined && !isJsonObject(params)) throw invalid("params must be an object");
  const meta = member(params, "_meta");
  if (meta !== undefined && !isJsonObject(meta)) throw invalid("_meta must be an object");
  const version = member(meta, PROTOCOL_VERSION_META);
  const modern = typeof version === "string" && version >= FIRST_MODERN_VERSION ? version : undefined;
  const isNotification = method.startsWith("notifications/");
  if (Object.hasOwn(message, "id") === isNotification) throw invalid("requests have an id, notifications have none");
  if (isNotification) return { kind: "notification", message, method, params, meta, modern };
  if (!isUsableId(id)) throw invalid("id must be a string or a safe integer");
  return { kind: "request", message, method, params, meta, id, modern };
}

/** True for an id that may be used: a string of at most 512 characters, or a safe integer. */
export function isUsableId(id: unknown): id is string | number {
  return typeof id === "string" ? id.length <= 512 : Number.isSafeInteger(id);
}

/** What the policy is asked about beside the method: the tool, the resource URI or the prompt. */
export function targetOf(method: string, params: JsonObject | undefined): string | undefined {
  const field = targetFields.get(method);
  const value = field === undefined ? undefined : member(params, field);
  return typeof value === "string" ? value : undefined;
}

const targetFields: ReadonlyMap<string, string> = new Map([
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
  ["resources/subscribe", "uri"],
]);

/**
 * The message as it goes on: a copy without any `dev.peerage/*` member of `params._meta`, so that a server behind the
 * guard sees what it would have seen without one.
 */
export function forwardable(inbound: Inbound): JsonObject {
  if (inbound.kind === "response" || !inbound.meta || !inbound.params) return inbound.message;
  const meta: Record<string, JsonValue> = {};
  for (const [name, value] of Object.entries(inbound.meta)) {
    if (!name.startsWith(META_PREFIX)) setMember(meta, name, value);
  }
  const params: Record<string, JsonValue> = {};
  for (const [name, value] of Object.entries(inbound.params)) if (name !== "_meta") setMember(params, name, value);
  if (Object.keys(meta).length > 0 || Object.keys(inbound.meta).length === 0) params["_meta"] = meta;
  return { ...inbound.message, params };
}
