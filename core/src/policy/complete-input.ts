import { requestDigest } from "../call/request.ts";
import type { Did } from "../did/did-key.ts";
import { hasCustody } from "../history/custody.ts";
import { APPROVAL_STEP } from "../history/approval.ts";
import type { EntryDocument } from "../history/describe.ts";
import { digest, type Digest } from "../json/digest.ts";
import { isJsonObject, type JsonObject } from "../json/types.ts";
import { kindOf, type CallerDocument, type PolicyInput } from "./input.ts";
import { parseTime } from "./time.ts";
import { formatTime } from "../time.ts";

/** Part of an input, as a person writes it; {@link completeInput} adds the rest. */
export interface PartialInput extends Omit<Partial<PolicyInput>, "caller" | "history" | "held"> {
  readonly caller?: Partial<CallerDocument>;
  readonly history?: readonly Partial<EntryDocument>[];
  readonly held?: readonly Partial<EntryDocument>[];
}

/** A guard and a stranger; nobody has the keys. */
const someServer: Did = "did:key:z6Mkhu6cH6x8t5hL8t3syewqYRVnrpn6XXZ4StBeScG1xcYy";
const someone: Did = "did:key:z6MksKTiuGRRDw6qRWp9VePjw9MH5k3n7psxkEavZCNKPvky";
const someTime = "2026-01-01T12:00:00Z";

/**
 * Completes an input: a call of a stranger, at noon of 1 January 2026, without score or history, unless it says
 * otherwise. An entry of `history` or `held` follows the one before it, is signed by the caller, now; an approval or a
 * denial among them is of this request. Members that are given stand, sound or not.
 */
export function completeInput(partial: PartialInput): PolicyInput {
  const { caller, history: written = [], held: kept = [], ...rest } = partial;
  const method = partial.method ?? "tools/call";
  const kind = kindOf(method);
  const target = partial.target ?? partial.tool ?? method;
  const did = caller?.did ?? partial.calling_agent ?? (caller?.spiffe === undefined ? someone : undefined);
  const now = partial.now ?? someTime;
  const server = partial.server ?? someServer;
  const args = partial.args ?? {};
  const req =
    partial.req ?? requestDigest(method, kind === "tools" ? { name: target, arguments: args } : { target, args });
  const run = partial.run ?? (written.length > 0 ? "a-run-of-the-tests-0000" : undefined);
  const context = { now, server, did, req };
  const history = written.map((_, seq, all) => completeEntry(all, seq, "h", context));
  const held = kept.map((_, seq, all) => completeEntry(all, seq, "d", context));
  return {
    ...rest,
    v: 1,
    now,
    method,
    target,
    ...(kind === "tools" && { tool: target }),
    server,
    ...(did !== undefined && { calling_agent: did }),
    caller: { ...(did !== undefined && { did }), binding: "message", scheme: "peerage-call", ...caller },
    args,
    req,
    trust: partial.trust ?? {},
    trust_age_seconds: partial.trust_age_seconds ?? 0,
    ...(run !== undefined && { run }),
    ...(history.length > 0 && { in_custody: partial.in_custody ?? custodyOf(history, did, now), history }),
    ...(held.length > 0 && { held }),
  };
}

interface EntryContext {
  readonly now: string;
  readonly server: string;
  readonly did: Did | undefined;
  readonly req: string;
}

function completeEntry(
  all: readonly Partial<EntryDocument>[],
  seq: number,
  list: string,
  { now, server, did, req }: EntryContext,
): EntryDocument {
  const entry = all[seq] ?? {};
  const timestamp = entry.timestamp ?? now;
  const isApproval = entry.step === APPROVAL_STEP;
  const before = all[seq - 1];
  const prev = before === undefined ? [] : [before.digest ?? nameEntry(list, seq - 1)];
  const sub: JsonObject = isJsonObject(entry.sub) ? entry.sub : {};
  return {
    ...(isApproval && { req, aud: server, expires: later(timestamp) }),
    agent: did ?? someone,
    prev,
    digest: nameEntry(list, seq),
    ...entry,
    step: entry.step ?? "",
    result: entry.result ?? "",
    timestamp,
    sub: { ...(isApproval && did !== undefined && { caller: did }), ...sub },
  };
}

/** An approval lives a quarter of an hour unless it says otherwise. */
function later(timestamp: string): string {
  const at = parseTime(timestamp);
  return at === undefined ? timestamp : formatTime(at / 1000 + 900);
}

function nameEntry(list: string, seq: number): Digest {
  return digest(`${list} ${seq}`);
}

function custodyOf(history: readonly EntryDocument[], did: Did | undefined, now: string): boolean {
  if (did === undefined) return false;
  const entries = history.map(({ expires, ...entry }) => {
    const at = expires === undefined ? undefined : parseTime(expires);
    return { ...entry, ...(at !== undefined && { expiresAt: at / 1000 }) };
  });
  return hasCustody(entries, did, (parseTime(now) ?? 0) / 1000);
}
