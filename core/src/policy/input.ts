import { parseDid, type Did } from "../did/did-key.ts";
import type { EntryDocument } from "../history/describe.ts";
import { Evidence, type EntryFacts } from "../history/evidence.ts";
import { digest, isDigest, type Digest } from "../json/digest.ts";
import { isJsonObject, member, type JsonObject, type JsonValue } from "../json/types.ts";
import type { TargetKind } from "./document.ts";
import { parseTime } from "./time.ts";

/** How firmly a caller's key is tied to the call, weakest first. */
export const bindings = ["none", "connection", "head", "body", "message"] as const;
/** One of {@link bindings}. */
export type Binding = (typeof bindings)[number];

/** Who calls, as the guard verified it: a DID, a SPIFFE ID bound to it, or (over mTLS) a SPIFFE ID alone. */
export interface CallerDocument {
  readonly did?: Did;
  readonly binding: Binding;
  /** How it proved itself: `peerage-call`. */
  readonly scheme: string;
  /** Its bound SPIFFE ID. */
  readonly spiffe?: string;
  /** How that was bound: `same-key`, `mutual`, `token`. */
  readonly spiffe_proof?: string;
  /** A SPIFFE ID that was verified but not bound to the DID: only deny rules see it. */
  readonly spiffe_unbound?: string;
  /** Ids of the vouches that it presented and that count here, for a guard that takes them; they are in `trust` already. */
  readonly vouches?: readonly string[];
}

/** The facts of one call, version 1; every one verified by the guard itself. An absent fact is an absent member. */
export interface PolicyInput {
  /** The version of this form. */
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
  /** The caller's DID once more, under the name that policies for signed histories use. */
  readonly calling_agent?: Did;
  /** The verified caller; absent if the message carries no identity. */
  readonly caller?: CallerDocument;
  /** The arguments of the call, `{}` if it has none. */
  readonly args?: JsonValue;
  /** The digest of the request. */
  readonly req?: string;
  /** The caller's scores in [0, 1] by scope, from this guard's roots; a scope without a score is absent. */
  readonly trust: Readonly<Record<string, number>>;
  /** What stands behind the scores, by scope: only where a `when` of the policy asks for it. */
  readonly standing?: Readonly<Record<string, JsonObject>>;
  /** The age of the data the scores were computed from. */
  readonly trust_age_seconds?: number;
  /** The run of the presented history. */
  readonly run?: string;
  /** True if the caller may continue the run that it presents. */
  readonly in_custody?: boolean;
  /** The presented history: verified entries, each after those it refers to. */
  readonly history?: readonly EntryDocument[];
  /** What this guard holds itself: approvals of this request, adverse entries of this run or request, their ancestors. */
  readonly held?: readonly EntryDocument[];
}

/** The digest that stands for an input in decisions and receipts. @throws {TypeError} for what JSON cannot hold */
export function inputDigest(input: PolicyInput): Digest {
  return digest(input as unknown as JsonValue);
}

/** What the evaluator reads from an input that is well-formed. */
export interface Facts {
  /** The input itself, for expressions. */
  readonly input: PolicyInput;
  readonly kind: TargetKind;
  readonly target: string;
  readonly tool: string | undefined;
  /** Unix milliseconds. */
  readonly now: number;
  readonly server: string;
  readonly caller: CallerFacts | undefined;
  readonly args: JsonValue | undefined;
  readonly req: string | undefined;
  readonly trust: JsonObject;
  readonly trustAgeSeconds: number | undefined;
  readonly run: string | undefined;
  readonly inCustody: boolean;
  /** How many of the entries are presented; the others are held by the guard. */
  readonly presented: number;
  readonly evidence: Evidence;
}

export interface CallerFacts {
  readonly did: Did | undefined;
  /** The place in {@link bindings}. */
  readonly level: number;
  readonly spiffe: string | undefined;
  readonly unbound: string | undefined;
}

const kinds = new Map<string, TargetKind>([
  ["tools/call", "tools"],
  ["prompts/get", "prompts"],
  ["resources/read", "resources"],
  ["resources/subscribe", "resources"],
]);

/** The kind of target that a method has. */
export function kindOf(method: string): TargetKind {
  return kinds.get(method) ?? "methods";
}

const nobody: unique symbol = Symbol("no caller");
const empty = new Evidence([]);
const spiffeForm = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)+$/;
const didForm = /^did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}$/;
const wordForm = /^[a-z][a-z0-9_.-]{0,63}$/;

/** Checks an input; undefined if it is not a document of version 1. Members that it does not know are passed over. */
export function readInput(input: unknown): Facts | undefined {
  if (!isJsonObject(input) || member(input, "v") !== 1) return undefined;
  const method = member(input, "method");
  const target = member(input, "target");
  const server = member(input, "server");
  const now = member(input, "now");
  const at = typeof now === "string" ? parseTime(now) : undefined;
  if (at === undefined || !isName(method) || !isName(target) || !isName(server)) return undefined;
  const kind = kindOf(method);
  if (kind === "methods" && target !== method) return undefined;
  const tool = member(input, "tool");
  if (tool !== undefined && (kind !== "tools" || tool !== target)) return undefined;
  const req = member(input, "req");
  const run = member(input, "run");
  if (!isOptional(req, isName) || !isOptional(run, isName)) return undefined;
  const caller = readCaller(member(input, "caller"), member(input, "calling_agent"));
  if (caller === undefined) return undefined;
  const trust = member(input, "trust");
  if (!isJsonObject(trust) || !areScores(trust)) return undefined;
  const age = member(input, "trust_age_seconds");
  if (age !== undefined && !(typeof age === "number" && age >= 0)) return undefined;
  const inCustody = member(input, "in_custody");
  if (inCustody !== undefined && typeof inCustody !== "boolean") return undefined;
  const history = member(input, "history") ?? [];
  const entries = readEntries(history, member(input, "held") ?? [], run);
  if (entries === undefined) return undefined;
  return {
    input: input as unknown as PolicyInput,
    kind,
    target,
    tool: kind === "tools" ? target : undefined,
    now: at,
    server,
    caller: caller === nobody ? undefined : caller,
    args: member(input, "args"),
    req,
    trust,
    trustAgeSeconds: age,
    run,
    inCustody: inCustody === true,
    presented: (history as readonly unknown[]).length,
    evidence: entries.length === 0 ? empty : new Evidence(entries),
  };
}

function readCaller(
  caller: JsonValue | undefined,
  callingAgent: JsonValue | undefined,
): CallerFacts | typeof nobody | undefined {
  if (caller === undefined) return callingAgent === undefined ? nobody : undefined;
  if (!isJsonObject(caller) || typeof member(caller, "scheme") !== "string") return undefined;
  const level = bindings.indexOf(member(caller, "binding") as Binding);
  const did = member(caller, "did");
  const spiffe = member(caller, "spiffe");
  const unbound = member(caller, "spiffe_unbound");
  if (level === -1 || (callingAgent !== undefined && callingAgent !== did)) return undefined;
  if (!isOptional(spiffe, isSpiffe) || !isOptional(unbound, isSpiffe) || !isOptional(did, isDid)) return undefined;
  if (did === undefined && spiffe === undefined) return undefined;
  return { did, level, spiffe, unbound };
}

/** Presented entries and then held ones; undefined if one is malformed or a presented one refers to none before it. */
function readEntries(history: JsonValue, held: JsonValue, run: string | undefined): EntryFacts[] | undefined {
  if (!Array.isArray(history) || !Array.isArray(held)) return undefined;
  if (history.length === 0 && held.length === 0) return none;
  if (history.length > 0 && run === undefined) return undefined;
  const seen = new Set<string>();
  const entries: EntryFacts[] = [];
  for (const [place, document] of (history as readonly JsonValue[]).concat(held as readonly JsonValue[]).entries()) {
    const entry = readEntry(document, run);
    const isPresented = place < history.length;
    if (entry === undefined || seen.has(entry.digest)) return undefined;
    if (isPresented && (entry.otherRun || !entry.prev.every((digest) => seen.has(digest)))) return undefined;
    seen.add(entry.digest);
    entries.push(entry);
  }
  return entries;
}

const none: EntryFacts[] = [];

function readEntry(document: JsonValue, run: string | undefined): EntryFacts | undefined {
  if (!isJsonObject(document)) return undefined;
  const digest = member(document, "digest");
  const prev = member(document, "prev");
  const step = member(document, "step");
  const result = member(document, "result");
  const agent = member(document, "agent");
  const issuedAt = secondsOf(member(document, "timestamp"));
  const expires = member(document, "expires");
  const expiresAt = secondsOf(expires);
  const spiffe = member(document, "spiffe");
  const req = member(document, "req");
  const aud = member(document, "aud");
  const tool = member(document, "tool");
  const ownRun = member(document, "run");
  const sub = member(document, "sub");
  if (!isDigest(digest) || !areDigests(prev) || !isSigner(agent)) return undefined;
  if (!isWord(step) || !isWord(result) || issuedAt === undefined) return undefined;
  if (expires !== undefined && expiresAt === undefined) return undefined;
  if (!isOptional(req, isName) || !isOptional(aud, isName) || !isOptional(tool, isName)) return undefined;
  if (!isOptional(ownRun, isName) || !isOptional(spiffe, isSpiffe) || !isOptional(sub, isJsonObject)) return undefined;
  const otherRun = ownRun === undefined ? run === undefined : ownRun !== run;
  return { digest, prev, step, result, agent, spiffe, issuedAt, expiresAt, req, aud, tool, sub, otherRun };
}

function secondsOf(value: JsonValue | undefined): number | undefined {
  const at = typeof value === "string" ? parseTime(value) : undefined;
  return at === undefined ? undefined : at / 1000;
}

function isOptional<T extends JsonValue>(
  value: JsonValue | undefined,
  is: (value: JsonValue) => value is T,
): value is T | undefined {
  return value === undefined || is(value);
}

function isName(value: JsonValue | undefined): value is string {
  return typeof value === "string" && value !== "";
}

function isWord(value: JsonValue | undefined): value is string {
  return typeof value === "string" && wordForm.test(value);
}

function isSpiffe(value: JsonValue): value is string {
  return typeof value === "string" && value.length <= 2_048 && spiffeForm.test(value);
}

/** By form only: the key behind it was checked with the signature. */
function isSigner(value: JsonValue | undefined): value is Did {
  return typeof value === "string" && didForm.test(value);
}

/** Any texts: one that is no digest is the digest of no entry. */
function areDigests(prev: JsonValue | undefined): prev is readonly Digest[] {
  return Array.isArray(prev) && prev.every((digest) => typeof digest === "string");
}

function isDid(value: JsonValue | undefined): value is Did {
  try {
    parseDid(value);
    return true;
  } catch {
    return false;
  }
}

function areScores(trust: JsonObject): boolean {
  for (const scope of Object.keys(trust)) {
    const score = trust[scope];
    if (!(typeof score === "number" && score >= 0 && score <= 1)) return false;
  }
  return true;
}
