import {
  CALL_META,
  generateIdentity,
  HISTORY_META,
  type Identity,
  type JsonObject,
  type JsonValue,
  parsePolicy,
  type Policy,
  type PolicyMembers,
  signCall,
} from "@peerage/core";
import { GuardCore, type GuardOptions } from "../mcp-middleware/src/guard/guard.ts";
import type { Admission, Context, JsonRpcMessage } from "../mcp-middleware/src/guard/types.ts";

/** A policy of these allow rules, with what else is given. */
export function policyOf(allow: readonly JsonObject[], more: JsonObject = {}, members?: PolicyMembers): Policy {
  return parsePolicy(JSON.stringify({ apiVersion: "peerage.dev/v1", kind: "Policy", ...more, allow }), members);
}

/** Lets any verified caller use every tool, prompt, resource and method. */
export function permissive(): Policy {
  const targets = ["tools", "prompts", "methods"].map((kind) => ({ [kind]: "*", agents: "*" }));
  return policyOf([...targets, { resources: "**", agents: "*" }], { open: true });
}

/** A guard with a fresh identity, and a caller that knows it. */
export function scene(options: Partial<GuardOptions> = {}): { guard: GuardCore; caller: Identity; now: () => Date } {
  const now = options.now ?? ((): Date => new Date());
  const guard = new GuardCore({ identity: generateIdentity(), policy: permissive(), now, ...options });
  return { guard, caller: generateIdentity(), now };
}

let lastId = 0;

/** A request as a signing client sends it. */
export async function signed(
  caller: Identity,
  audience: string,
  method: string,
  params: JsonObject = {},
  options: {
    meta?: JsonObject;
    now?: Date;
    lifetimeSeconds?: number;
    id?: JsonValue;
    head?: `sha256:${string}`[];
  } = {},
): Promise<JsonObject> {
  const { meta = {}, id = ++lastId, ...rest } = options;
  const token = await signCall(caller, { audience, message: { method, params }, ...rest });
  const message = { jsonrpc: "2.0", id, method, params: { ...params, _meta: { ...meta, [CALL_META]: token } } };
  if (!method.startsWith("notifications/")) return message;
  const { id: _, ...notification } = message;
  return notification;
}

/** A signed call of the tool `echo`. */
export function signedEcho(caller: Identity, audience: string, args: JsonObject = {}): Promise<JsonObject> {
  return signed(caller, audience, "tools/call", { name: "echo", arguments: args });
}

export { CALL_META, HISTORY_META };

export function stdio(connection: object = {}): Context {
  return { transport: "stdio", connection };
}

export function http(headers: Readonly<Record<string, string>> = {}, connection: object = {}): Context {
  const session = headers["mcp-session-id"];
  const context = { transport: "http", connection, header: (name: string) => headers[name] } as const;
  return session === undefined ? context : { ...context, session };
}

/** `admitted`, or the reason of the refusal. */
export async function verdict(admission: Admission | Promise<Admission>): Promise<string> {
  const known = await admission;
  return known.admitted ? "admitted" : known.reason;
}

/** The reply of a refusal. */
export async function replyOf(admission: Admission | Promise<Admission>): Promise<JsonRpcMessage | undefined> {
  const known = await admission;
  if (known.admitted) throw new Error("expected a refusal");
  return known.reply;
}

/** A call of the tool `echo`, or a notification, without a proof. */
export function unsigned(id: number | undefined, method = "tools/call"): JsonObject {
  return {
    jsonrpc: "2.0",
    ...(id === undefined ? {} : { id }),
    method,
    params: { name: "echo", arguments: {} },
  };
}

/** The proof of a signed message. */
export function tokenOf(message: JsonObject): string {
  return ((message["params"] as JsonObject)["_meta"] as JsonObject)[CALL_META] as string;
}

/** The message with another `_meta`. */
export function withMeta(message: JsonObject, meta: JsonObject): JsonObject {
  return { ...message, params: { ...(message["params"] as JsonObject), _meta: meta } };
}

/** The message with another proof. */
export function withToken(message: JsonObject, token: unknown): JsonObject {
  return withMeta(message, { [CALL_META]: token as string });
}
