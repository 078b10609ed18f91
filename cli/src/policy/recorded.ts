import { existsSync } from "node:fs";
import type { Policy, RecordedCall } from "@peerage/core";
import { parsePolicy } from "@peerage/core";
import { AuditReader, type AuditedCall } from "@peerage/mcp-middleware";
import { callNamed } from "../call-named.ts";
import type { Context, Options } from "../context.ts";
import { CliError } from "../errors.ts";
import { findAuditFile } from "../files/guard-files.ts";
import { visible } from "../ui/visible.ts";
import { engines, prepareEngines } from "./source.ts";

/** A call of an audit log, and what its decision was made on as far as that was recorded. */
export interface Recollection {
  readonly call: AuditedCall;
  readonly recorded: RecordedCall | undefined;
  /** The policy that decided it, while the log keeps it. */
  readonly policy: Policy | undefined;
}

/** True for what names a recorded call rather than a file: a place in the log or (the beginning of) an id. */
export function namesCall(text: string): boolean {
  return /^#?\d{1,12}$/.test(text) || (/^[A-Za-z0-9_-]{6,64}$/.test(text) && !existsSync(text));
}

/** Finds a recorded call. @throws {CliError} ERR_NOT_FOUND */
export async function recall(context: Context, text: string, options: Options): Promise<Recollection> {
  using reader = new AuditReader(await findAuditFile(context, options));
  await prepareEngines();
  const call = callNamed(reader, text);
  if (!call) throw new CliError("ERR_NOT_FOUND", `no recorded call is ${visible(text)}`, { hint: "peerage calls" });
  return { call, recorded: reader.recorded(call.decision), policy: keptPolicy(reader, call) };
}

/** The policy that decided a call, while the log keeps it. */
export function keptPolicy(reader: AuditReader, { decision }: AuditedCall): Policy | undefined {
  const document = reader.policy(decision.policy);
  // What was in force once has been read before, so reading it again gives the same policy.
  return document && parsePolicy(JSON.stringify(document), {}, engines);
}

/** Every recorded call that some policy was asked about, newest first. */
export function* recordedCalls(reader: AuditReader): Generator<{ readonly id: string; readonly call: RecordedCall }> {
  for (const { decision } of reader.calls()) {
    const call = reader.recorded(decision);
    if (call) yield { id: decision.id, call };
  }
}

/** A recorded call that the rules of a policy decided, and how. */
export interface DecidedCall {
  readonly id: string;
  readonly target: string;
  readonly at: string;
  readonly call: RecordedCall;
  readonly effect: "allow" | "ask" | "deny";
}

/** Recorded calls whose end was the rules' word: not a counter's, an adapter's or an approval's that came or did not. */
export function* decidedCalls(reader: AuditReader): Generator<DecidedCall> {
  for (const { decision } of reader.calls()) {
    const effect = effectOf(decision);
    const call = effect && reader.recorded(decision);
    if (!effect || !call) continue;
    yield { id: decision.id, target: call.input.target, at: decision.at, call, effect };
  }
}

const ruled = new Set(["ERR_POLICY_DENIED", "ERR_TRUST_INSUFFICIENT", "ERR_SPIFFE_REQUIRED", "ERR_APPROVAL_DENIED"]);

function effectOf({ verdict, step, reason, rule, also }: AuditedCall["decision"]): DecidedCall["effect"] | undefined {
  if (verdict === "admitted") return rule === undefined ? undefined : "allow";
  if (verdict === "asked") return "ask";
  return step === "policy" && reason !== undefined && ruled.has(reason) && also === undefined ? "deny" : undefined;
}
