import { readFile } from "node:fs/promises";
import {
  type Entry,
  MAX_HISTORY_BYTES,
  parseJson,
  verifyHistory,
  type History,
  type Verified,
  type View,
  parseEntry,
} from "@peerage/core";
import type { Context } from "./context.ts";
import { CliError, describeError } from "./errors.ts";
import { codeOf, replaceFile } from "./files/safe-file.ts";
import { openSnapshot, type Snapshot } from "./network.ts";
import { visible } from "./ui/visible.ts";
import { keyDefect, keyIn, keyStood, viewFor } from "./verify/later-keys.ts";

/** The entries of a run as a file keeps them: a JSON list of compact JWS, each after what it refers to. */
export async function readTokens(path: string): Promise<readonly string[] | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw new CliError("ERR_HISTORY_INVALID", `${visible(path, 200)} cannot be read (${codeOf(error) ?? "unknown"})`);
  }
  try {
    const value = parseJson(text, { maxBytes: 2 * MAX_HISTORY_BYTES });
    if (Array.isArray(value) && value.every((token) => typeof token === "string")) return value;
  } catch (error) {
    throw new CliError("ERR_HISTORY_INVALID", `${visible(path, 200)}: ${describeError(error).message}`, {
      cause: error,
    });
  }
  throw new CliError("ERR_HISTORY_INVALID", `${visible(path, 200)} is no list of signed entries`);
}

/**
 * Verifies a whole history as a guard would, but for the proof that presents it. A guard takes what a lost key signed if it
 * had seen it before: whoever has only the file asks {@link countsByItself} of each entry.
 * @throws {PeerageError} ERR_HISTORY_INVALID, ERR_HISTORY_TOO_LONG, ERR_KEY_SUPERSEDED; it is never trimmed to a good part
 */
export async function openHistory(
  context: Context,
  tokens: readonly string[],
  counts: (view: View, entry: Entry) => boolean = keyStood,
): Promise<Verified<History>> {
  const snapshot = async (): Promise<Snapshot | undefined> =>
    (await context.registry()) === undefined ? undefined : openSnapshot(context);
  const view = await viewFor(tokens.join("\n"), snapshot);
  const keys = view ? { keysOf: (did: Parameters<View["keysOf"]>[0]) => view.keysOf(did) } : {};
  const entries = tokens.map((token) => parseEntry(token, keys));
  const referred = new Set(entries.flatMap(({ prev }) => prev));
  const tips = entries.map(({ digest }) => digest).filter((digest) => !referred.has(digest));
  const history = verifyHistory(tokens, tips, {
    now: context.io.now(),
    ...keys,
    keyStood: (entry) => view === undefined || counts(view, entry),
  });
  if (!history) throw new CliError("ERR_HISTORY_INVALID", "an empty list is no history");
  return history;
}

/** True if an entry's key stood behind its issuer when it was signed, and was never lost. */
export function countsByItself(view: View, { issuer, kid, issuedAt }: Entry): boolean {
  return keyDefect({ issuer, key: keyIn(kid) }, issuedAt, view) === undefined;
}

/** Keeps the entries of a run, in one step. */
export async function writeTokens(path: string, tokens: readonly string[]): Promise<void> {
  await replaceFile(path, `${JSON.stringify(tokens, null, 1)}\n`);
}
