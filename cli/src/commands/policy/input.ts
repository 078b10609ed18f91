import { completeInput, type PolicyInput, type RecordedCall } from "@peerage/core";
import { AuditReader } from "@peerage/mcp-middleware";
import type { Context, Options } from "../../context.ts";
import { CliError, usage } from "../../errors.ts";
import { findAuditFile } from "../../files/guard-files.ts";
import { jsonLine, type Result } from "../../output.ts";
import { inputFile } from "../../policy/input-file.ts";
import { namesCall, recall, recordedCalls } from "../../policy/recorded.ts";
import type { Args } from "../../tree.ts";

/** `peerage policy input`: the document that a policy sees, of one call or as NDJSON of all that were recorded. */
export async function run(context: Context, { words: [word], options }: Args): Promise<Result | number> {
  if (options["dump"] === true) {
    if (word !== undefined) throw usage("--dump writes every recorded call", "peerage policy input --dump");
    return dump(context, options);
  }
  if (word === undefined)
    throw usage("name a recorded call or a file with part of an input", "peerage policy input --dump");
  const input = namesCall(word) ? await recorded(context, word, options) : completeInput(await inputFile(word));
  return { data: { input }, text: [jsonLine(input)], plain: [[jsonLine(input)]] };
}

async function recorded(context: Context, word: string, options: Options): Promise<PolicyInput> {
  const { call, recorded: known } = await recall(context, word, options);
  if (known) return whole(known);
  const { verdict, reason } = call.decision;
  throw new CliError(
    "ERR_NOT_FOUND",
    `it was ${verdict}${reason === undefined ? "" : ` (${reason})`} before any rule was asked`,
  );
}

async function dump(context: Context, options: Options): Promise<number> {
  using reader = new AuditReader(await findAuditFile(context, options));
  for (const { call } of recordedCalls(reader)) context.io.stdout.write(`${jsonLine(whole(call))}\n`);
  return 0;
}

/** Arguments of which only a part was recorded are left out: an absent fact is not known, a part would look whole. */
function whole({ input, args }: RecordedCall): PolicyInput {
  if (args === undefined || args === "full") return input;
  const { args: _, ...rest } = input;
  return rest;
}
