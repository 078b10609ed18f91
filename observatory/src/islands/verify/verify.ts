import type { ReadTile } from "@peerage/core";
import type { ProofBundle } from "../../proof-bundle.ts";
import { type AskedEntry, EntryChecker } from "./entry-checks.ts";
import { checkLog, type Seen } from "./log-checks.ts";
import type { Check, Report } from "./report.ts";

/**
 * Checks a bundle with core's own verifiers. Nothing the registry says is believed, and nothing is thrown for what it
 * says: each line has its own verdict.
 * @param seen what this browser remembers of the log
 */
export async function verifyBundle(
  bundle: ProofBundle,
  asked: readonly AskedEntry[],
  context: { readonly seen?: Seen | undefined; readonly readTile: ReadTile },
): Promise<Report> {
  const log = await checkLog(bundle, context.seen, context.readTile);
  const checker = new EntryChecker(bundle, log);
  const entries = new Map<number, readonly Check[]>();
  for (const entry of asked) entries.set(entry.index, await checker.check(entry));
  const { evidence, remember } = log;
  return { log: log.log, entries, ...(evidence ? { evidence } : {}), ...(remember ? { remember } : {}) };
}
