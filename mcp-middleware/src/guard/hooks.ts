import { type Did, isJsonObject, type JsonObject, member, PeerageError, type PolicyInput } from "@peerage/core";
import { copyJson } from "./json-value.ts";
import { isList } from "./results.ts";
import type { Trace } from "./trace.ts";
import type { Caller, JsonRpcMessage } from "./types.ts";

/** A tool call or list that the rules admit, as a hook sees it. Everything in it was verified; nothing can be changed. */
export interface HookCall {
  /** Who calls: DID, key, score from the guard's roots, verified history; of a list also undefined never. */
  readonly caller: Caller;
  readonly method: string;
  /** The tool. */
  readonly tool?: string;
  /** `params` as they will be executed, without `_meta`. */
  readonly params: JsonObject;
  /** The guard's own DID. */
  readonly server: Did;
  /** The facts that the policy was asked about: trust by scope, history, custody. */
  readonly input?: PolicyInput | undefined;
  /** The rule that admitted, and the guard's time. */
  readonly rule?: string | undefined;
  readonly now: Date;
}

/** What a hook wants: nothing, a refusal, or other arguments for the tool. */
export type BeforeVerdict = undefined | { readonly refuse: string } | { readonly arguments: JsonObject };
/** What a hook wants: nothing, that the answer is withheld, or another result. */
export type AfterVerdict = undefined | { readonly withhold: string } | { readonly result: JsonObject };

/**
 * The operator's own code around each tool call and list. A hook that throws, or takes longer than `timeoutMs`, refuses:
 * before, the call is not made; after, its answer is withheld.
 */
export interface GuardHooks {
  /** Asked once the rules have allowed, before the decision is recorded. */
  readonly before?: (call: HookCall) => BeforeVerdict | Promise<BeforeVerdict>;
  /** Asked with the server's answer, after lists were filtered and before the receipt is made. */
  readonly after?: (call: HookCall, response: JsonRpcMessage) => AfterVerdict | Promise<AfterVerdict>;
  /** 1 to 60,000; 2,000 by default. */
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 2_000;

/** What a hook is told of a message, if hooks are asked about it: a request for a tool or a list by a verified caller. */
export function hookCall(trace: Trace, message: JsonRpcMessage, server: Did): HookCall | undefined {
  const { caller, subject, input, rule, now } = trace;
  if (!caller || !subject || !Object.hasOwn(message, "id")) return undefined;
  const { method, target } = subject;
  if (method !== "tools/call" && !isList(method)) return undefined;
  const { _meta: _, ...params } = isJsonObject(message["params"]) ? message["params"] : {};
  const tool = method === "tools/call" && target !== undefined ? { tool: target } : {};
  return frozen({ caller, method, ...tool, params: copyJson(params) as JsonObject, server, input, rule, now });
}

/**
 * Asks the hook before a call. @returns the message that goes on
 * @throws {PeerageError} ERR_POLICY_DENIED if it refuses, ERR_GUARD_FAULT if it fails or takes too long
 */
export async function askBefore(hooks: GuardHooks, call: HookCall, message: JsonRpcMessage): Promise<JsonRpcMessage> {
  const verdict = await limited(hooks, "before", () => hooks.before?.(call));
  if (verdict === undefined) return message;
  if ("refuse" in verdict) {
    throw new PeerageError("ERR_POLICY_DENIED", "a hook refuses this call", { detail: `hook: ${verdict.refuse}` });
  }
  if (!isJsonObject(verdict.arguments) || call.method !== "tools/call") throw fault("before", "arguments");
  const params = { ...(message["params"] as JsonObject), arguments: plain("before", verdict.arguments) };
  return { ...message, params };
}

/**
 * Asks the hook about an answer. @returns the answer that goes on
 * @throws {PeerageError} ERR_GUARD_FAULT if it is withheld
 */
export async function askAfter(hooks: GuardHooks, call: HookCall, response: JsonRpcMessage): Promise<JsonRpcMessage> {
  const seen = frozen(structuredClone(response));
  const verdict = await limited(hooks, "after", () => hooks.after?.(call, seen));
  if (verdict === undefined) return response;
  if ("withhold" in verdict) throw fault("after", verdict.withhold);
  if (!isJsonObject(verdict.result) || member(response, "result") === undefined) throw fault("after", "result");
  return { ...response, result: plain("after", verdict.result) };
}

function plain(name: string, value: JsonObject): JsonObject {
  try {
    return copyJson(value) as JsonObject;
  } catch {
    throw fault(name, "not JSON");
  }
}

async function limited<T>(hooks: GuardHooks, name: "before" | "after", ask: () => T | Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(fault(name, "too late")), hooks.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  });
  try {
    return await Promise.race([ask(), late]);
  } catch (cause) {
    if (cause instanceof PeerageError) throw cause;
    throw new PeerageError("ERR_GUARD_FAULT", `the hook "${name}" failed`, { detail: `hook-${name}`, cause });
  } finally {
    clearTimeout(timer);
  }
}

function fault(name: string, why: string): PeerageError {
  return new PeerageError("ERR_GUARD_FAULT", `the hook "${name}" refuses: ${why}`, { detail: `hook-${name}` });
}

/** Deep, but for what the guard itself holds and has frozen or keeps to itself. */
function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value) || value instanceof Date) return value;
  Object.freeze(value);
  for (const inner of Object.values(value)) frozen(inner);
  return value;
}
