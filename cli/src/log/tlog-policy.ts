import { readFile } from "node:fs/promises";
import { type CheckpointQuorum, parseTlogPolicy, type TlogPolicy } from "@peerage/core";
import { CliError } from "../errors.ts";
import { codeOf } from "../files/safe-file.ts";
import { visible } from "../ui/visible.ts";

/** The witnesses that must have cosigned, from a C2SP `tlog-policy` file. @throws {CliError} ERR_CONFIG_INVALID */
export async function readTlogPolicy(value: unknown): Promise<TlogPolicy | undefined> {
  if (typeof value !== "string") return undefined;
  let text: string;
  try {
    text = await readFile(value, "utf8");
  } catch (error) {
    throw new CliError("ERR_CONFIG_INVALID", `${visible(value, 200)} cannot be read (${codeOf(error) ?? "unknown"})`);
  }
  return parseTlogPolicy(text);
}

/** What a reader asks of every checkpoint; undefined for `quorum none`. */
export function quorumOf(policy: TlogPolicy | undefined): CheckpointQuorum | undefined {
  if (!policy || policy.threshold === 0) return undefined;
  const { witnesses, threshold, group } = policy;
  return { witnesses: witnesses.map(({ key }) => key), threshold, ...(group ? { group } : {}) };
}
