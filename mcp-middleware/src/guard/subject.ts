import { CALL_META, isJsonObject, type JsonObject, type JsonValue, PeerageError } from "@peerage/core";
import { type Inbound, targetOf } from "./message.ts";
import type { Context } from "./types.ts";

/** Messages that may come unsigned, so that any host connects and then reads why its calls are refused. */
export const lifecycleMethods = ["initialize", "notifications/initialized", "ping", "server/discover"] as const;
/** A method that opens or keeps a session. */
export type LifecycleMethod = (typeof lifecycleMethods)[number];

/** Lists are open to every verified caller: what it may not use is filtered out of them. */
const listMethods = ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] as const;
/** A method whose answer is a list of what the caller may use. */
export type ListMethod = (typeof listMethods)[number];

// They speak of a session or of a call that was admitted, and both belong to the caller: they open nothing new.
const housekeeping = [
  "notifications/cancelled",
  "notifications/progress",
  "notifications/roots/list_changed",
  "http/get",
  "http/delete",
  "http/response",
];
const withoutRule: ReadonlySet<string> = new Set([...lifecycleMethods, ...listMethods, ...housekeeping]);

/** True if a verified caller needs no policy rule for this method. */
export function needsNoRule(method: string): boolean {
  return withoutRule.has(method);
}

/** What a message without `params` stands for: a legacy GET or DELETE, or a JSON-RPC response sent by POST. */
export interface Synthetic {
  readonly method: "http/get" | "http/delete" | "http/response";
  readonly params: JsonValue;
}

/** What is judged: `method` and `params` as the proof covers them, and where the proof is. */
export interface Subject {
  readonly method: string;
  readonly params: JsonValue | undefined;
  /** Tool, resource URI or prompt. */
  readonly target: string | undefined;
  /** The revision of a modern message; undefined for the legacy era. */
  readonly modern: string | undefined;
  /** The proof as it came; `{}` if there is none, even under another name or in another place. */
  readonly proof: { readonly token?: JsonValue; readonly misplaced?: true };
  readonly meta: JsonObject | undefined;
}

/** The subject of a message. A response is judged by its header, as a synthetic message. */
export function subjectOf(inbound: Inbound, context: Context): Subject {
  if (inbound.kind === "response")
    return syntheticSubject({ method: "http/response", params: inbound.message }, context);
  const { method, params, meta, modern } = inbound;
  return { method, params, meta, modern, target: targetOf(method, params), proof: findProof(inbound, context) };
}

/** The subject of a synthetic message, with the proof in the header `Peerage-Call`. */
export function syntheticSubject(synthetic: Synthetic, context: Context): Subject {
  const token = context.header?.("peerage-call");
  return {
    ...synthetic,
    target: undefined,
    modern: undefined,
    meta: undefined,
    proof: token === undefined ? {} : { token },
  };
}

/** @throws {PeerageError} ERR_PROOF_MALFORMED if header and body carry different proofs */
function findProof(inbound: Exclude<Inbound, { kind: "response" }>, context: Context): Subject["proof"] {
  const header = context.header?.("peerage-call");
  const token = inbound.meta && Object.hasOwn(inbound.meta, CALL_META) ? inbound.meta[CALL_META] : undefined;
  if (token !== undefined) {
    if (header !== undefined && header !== token) {
      throw new PeerageError("ERR_PROOF_MALFORMED", "header and body carry different proofs", { detail: "two-proofs" });
    }
    return { token };
  }
  const elsewhere = [inbound.message, inbound.params, inbound.params?.["arguments"]];
  if (elsewhere.some((place) => isJsonObject(place) && Object.hasOwn(place, CALL_META))) return { misplaced: true };
  // A hop that strips `_meta` leaves the header, and what the proof is about is not in `_meta`.
  return header === undefined ? {} : { token: header };
}
