import { errorCodes } from "@peerage/core";
import { type AuditedCall, AuditReader, type CallFilter, matchesCall } from "@peerage/mcp-middleware";
import { findAgent } from "../../agents.ts";
import type { Context, Options } from "../../context.ts";
import { CliError, usage } from "../../errors.ts";
import { findAuditFile } from "../../files/guard-files.ts";
import { directoryOf } from "../../network.ts";
import { envelope, plainLines, type Result } from "../../output.ts";
import { durationSeconds } from "../../policy/durations.ts";
import type { Args } from "../../tree.ts";
import { logLine } from "../../ui/log-line.ts";
import type { Terminal } from "../../ui/terminal.ts";
import { visible } from "../../ui/visible.ts";
import { watching } from "../../ui/watching.ts";
import { Labels } from "../../viewpoint.ts";
import { callCells, callData, callRow, eventRow, plainRow } from "./lines.ts";

/** `peerage calls`: what a guard admitted, refused and put to a person, newest first; with `--follow` each as it is decided. */
export async function run(context: Context, { options }: Args): Promise<Result | number> {
  const limit = wholeNumber(options["limit"] ?? "20");
  const filter = await filterOf(context, options);
  const path = await findAuditFile(context, options);
  if (options["follow"] === true) return follow(context, path, filter);
  using reader = new AuditReader(path);
  const calls: AuditedCall[] = [];
  for (const call of reader.calls(filter)) {
    calls.push(call);
    if (calls.length === limit) break;
  }
  if (calls.length === 0) throw new CliError("ERR_NOT_FOUND", "no recorded call is such", { hint: "peerage calls" });
  const labels = new Labels(context);
  const rows = await Promise.all(calls.map((call) => callRow(context, call, labels)));
  return {
    data: { guard: reader.guard ?? null, records: reader.size, calls: calls.map(callData) },
    text: context.ui.table(rows),
    plain: calls.map(plainRow),
  };
}

async function follow(context: Context, path: string, filter: CallFilter): Promise<number> {
  const { json, plain } = context.globals;
  const labels = new Labels(context);
  const told = { admitted: 0, refused: 0, asked: 0 };
  using reader = new AuditReader(path);
  using watch = watching(context, () => `${told.admitted} admitted   ${told.refused} refused   ${told.asked} waiting`);
  for await (const record of reader.follow({ signal: watch.signal })) {
    if (record.kind === "decision" && !matchesCall(record, filter)) continue;
    if (record.kind === "decision") told[record.verdict] += 1;
    // Everything that is recorded is told to programs; people see decisions, and what happened between them.
    if (json === true) watch.add(() => [envelope("calls list", { data: record, text: [] })]);
    else if (record.kind === "decision") {
      const cells = await callCells(context, { decision: record }, labels);
      watch.add(plain === true ? () => plainLines([plainRow({ decision: record })]) : (ui) => lineOf(cells(ui), ui));
    } else if (plain !== true) {
      const now = context.io.now();
      watch.add((ui) => lineOf(eventRow(ui, record, now), ui));
    }
  }
  return await watch.exit;
}

function lineOf(row: readonly string[] | undefined, ui: Terminal): string[] {
  if (row === undefined) return [];
  const [number = "", ...why] = row.slice(4);
  return logLine(ui, row.slice(0, 4), [ui.pad(number, 4), ...why]);
}

async function filterOf(context: Context, options: Options): Promise<CallFilter> {
  const caller = options["caller"];
  const { verdict, reason } = options;
  const words = ["admitted", "asked", "refused"] as const;
  const wanted = words.find((word) => word === verdict);
  if (verdict !== undefined && wanted === undefined) throw usage("--verdict is admitted, asked or refused");
  const code = errorCodes.find((known) => known === reason);
  if (reason !== undefined && code === undefined)
    throw usage(`${visible(String(reason))} is no code`, "--reason ERR_POLICY_DENIED");
  const { tool, rule, since } = options;
  return {
    ...(typeof caller === "string"
      ? { caller: (await findAgent(context, caller, () => directoryOf(context))).did }
      : {}),
    ...(typeof tool === "string" ? { target: tool } : {}),
    ...(typeof rule === "string" ? { rule } : {}),
    ...(wanted === undefined ? {} : { verdict: wanted }),
    ...(code === undefined ? {} : { reason: code }),
    ...(since === undefined ? {} : { since: sinceOf(String(since), context.io.now()) }),
  };
}

/** A time, or how long ago. */
function sinceOf(text: string, now: Date): Date {
  if (/^[1-9]\d{0,5}[smhd]$/.test(text)) return new Date(now.getTime() - durationSeconds(text, "--since") * 1000);
  if (Number.isNaN(Date.parse(text))) throw usage("--since is a time, or how long ago", "--since 1h");
  return new Date(text);
}

function wholeNumber(value: unknown): number {
  if (typeof value !== "string" || !/^[1-9]\d{0,5}$/.test(value)) throw usage("--limit is a whole number above 0");
  return Number(value);
}
