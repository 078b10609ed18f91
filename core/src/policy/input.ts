import { parseDid, type Did } from "../did/did-key.ts";
import { isJsonObject, type JsonValue } from "../json/types.ts";
import type { TargetKind } from "./document.ts";
import { parseTime } from "./time.ts";

/** How firmly a caller's key is tied to the call, weakest first. */
export const bindings = ["none", "connection", "head", "body", "message"] as const;
export type Binding = (typeof bindings)[number];

/** The facts of one call, version 1; every one verified by the guard itself. An absent fact is an absent member. */
export interface PolicyInput {
  readonly v: 1;
  /** RFC 3339 in UTC; read once for a call. */
  readonly now: string;
  /** The MCP method. */
  readonly method: string;
  /** The tool's or prompt's name or the resource's URI; of any other method its own name. */
  readonly target: string;
  /** The tool's name, of `tools/call` only; equal to `target`. */
  readonly tool?: string;
  /** The guard's own DID. */
  readonly server: string;
  /** The verified caller; absent if the message carries no identity. */
  readonly caller?: { readonly did: Did; readonly binding: Binding; readonly scheme: string };
  /** The arguments of the call, `{}` if it has none. */
  readonly args?: JsonValue;
  /** The digest of the request. */
  readonly req?: string;
  /** The caller's scores in [0, 1] by scope, from this guard's roots; a scope without a score is absent. */
  readonly trust: Readonly<Record<string, number>>;
  /** The age of the data the scores were computed from. */
  readonly trust_age_seconds?: number;
}

/** What the evaluator reads from an input that is well-formed. */
export interface Facts {
  readonly kind: TargetKind;
  readonly target: string;
  readonly now: number;
  readonly caller: { readonly did: string; readonly binding: Binding } | undefined;
  readonly args: JsonValue | undefined;
  readonly trust: Readonly<Record<string, unknown>>;
  readonly trustAgeSeconds: number | undefined;
}

const kinds = new Map<string, TargetKind>([
  ["tools/call", "tools"],
  ["prompts/get", "prompts"],
  ["resources/read", "resources"],
  ["resources/subscribe", "resources"],
]);

/** Checks an input; undefined if it is not a document of version 1. Members that it does not know are passed over. */
export function readInput(input: unknown): Facts | undefined {
  if (!isJsonObject(input) || own(input, "v") !== 1) return undefined;
  const [method, target, server] = [own(input, "method"), own(input, "target"), own(input, "server")];
  const now = own(input, "now");
  const at = typeof now === "string" ? parseTime(now) : undefined;
  if (at === undefined || !isName(method) || !isName(target) || !isName(server)) return undefined;
  const kind = kinds.get(method) ?? "methods";
  if (kind === "methods" && target !== method) return undefined;
  const tool = own(input, "tool");
  if (tool !== undefined && (kind !== "tools" || tool !== target)) return undefined;
  const req = own(input, "req");
  if (req !== undefined && typeof req !== "string") return undefined;
  const caller = own(input, "caller");
  const known = caller === undefined ? undefined : readCaller(caller);
  if (caller !== undefined && known === undefined) return undefined;
  const trust = own(input, "trust");
  if (!isJsonObject(trust) || !Object.values(trust).every(isScore)) return undefined;
  const age = own(input, "trust_age_seconds");
  if (age !== undefined && !(typeof age === "number" && age >= 0)) return undefined;
  return { kind, target, now: at, caller: known, args: own(input, "args"), trust, trustAgeSeconds: age };
}

function readCaller(caller: JsonValue): Facts["caller"] {
  if (!isJsonObject(caller)) return undefined;
  const [did, binding, scheme] = [own(caller, "did"), own(caller, "binding"), own(caller, "scheme")];
  const level = bindings.find((known) => known === binding);
  if (level === undefined || typeof scheme !== "string") return undefined;
  try {
    return { did: parseDid(did), binding: level };
  } catch {
    return undefined;
  }
}

function own(object: { readonly [name: string]: JsonValue }, name: string): JsonValue | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isScore(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= 1;
}
