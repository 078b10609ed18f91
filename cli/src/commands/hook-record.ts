import { createHash } from "node:crypto";
import { open, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Digest,
  generateRun,
  MAX_HISTORY_BYTES,
  MAX_HISTORY_ENTRIES,
  parseCarriedEntry,
  type Signer,
  signEntry,
} from "@peerage/core";
import type { Context, Options } from "../context.ts";
import { CliError } from "../errors.ts";
import { codeOf, privateFolder } from "../files/safe-file.ts";
import { readTokens, writeTokens } from "../history-file.ts";

/** A step to sign over those of its session. */
export interface Step {
  readonly session: string;
  readonly step: string;
  readonly result: string;
  readonly tool: string;
  readonly req: Digest;
}

export interface RecordedStep {
  readonly digest: Digest;
  readonly run: string;
  readonly file: string;
}

/** A lock this old is one that a crash left. */
const LOCK_STALE_MS = 10_000;
const LOCK_WAIT_MS = 5_000;

/** Where a session's steps are kept: its id is the host's own text, so the name is made of its digest. */
export function runFileOf(context: Context, session: string, part = 1): string {
  const name = createHash("sha256").update(session).digest("hex").slice(0, 16);
  return join(context.paths.state, "hook", `${name}${part === 1 ? "" : `-${part}`}.json`);
}

/**
 * Signs a step over the last one of its session and keeps it, before it settles. Hosts call tools side by side, so one
 * process at a time writes; a history that is full goes on in another file, as a run of its own.
 * @throws {CliError} ERR_HISTORY_INVALID if the file is not what this agent wrote, ERR_KEY_LOCKED, ERR_IDENTITY_MISSING
 */
export async function recordStep(context: Context, options: Options, step: Step): Promise<RecordedStep> {
  const signer = await context.signer({ passphraseFile: options["passphraseFile"], unattended: true });
  const first = runFileOf(context, step.session);
  await privateFolder(dirname(first));
  await using _lock = await lock(`${first}.lock`);
  for (let part = 1; ; part++) {
    const file = runFileOf(context, step.session, part);
    const tokens = (await readTokens(file)) ?? [];
    // Room for one more, which is about a kilobyte.
    const bytes = tokens.reduce((sum, token) => sum + token.length, 0);
    if (tokens.length >= MAX_HISTORY_ENTRIES || bytes > MAX_HISTORY_BYTES - 4_096) continue;
    return { ...(await append(signer, tokens, step, file, context.io.now())), file };
  }
}

async function append(
  signer: Signer,
  tokens: readonly string[],
  { step, result, tool, req }: Step,
  file: string,
  now: Date,
): Promise<{ digest: Digest; run: string }> {
  const last = tokens.at(-1);
  // What this agent wrote itself goes on whichever of its keys signed it: a rotation ends no session.
  const before = last === undefined ? undefined : parseCarriedEntry(last);
  if (before && before.issuer !== signer.did)
    throw new CliError("ERR_HISTORY_INVALID", `${file} holds the steps of another agent`, {
      hint: `mv ${file} ${file}.old`,
    });
  const run = before?.run ?? generateRun();
  const token = await signEntry(signer, { run, prev: before ? [before.digest] : [], step, result, tool, req, now });
  await writeTokens(file, [...tokens, token]);
  return { digest: parseCarriedEntry(token).digest, run };
}

async function lock(path: string): Promise<AsyncDisposable> {
  for (const since = performance.now(); performance.now() - since < LOCK_WAIT_MS;) {
    try {
      await (await open(path, "wx", 0o600)).close();
      return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
      const made = await stat(path).catch(() => undefined);
      if (made && Date.now() - made.mtimeMs > LOCK_STALE_MS) await rm(path, { force: true });
    }
    await sleep(20);
  }
  throw new CliError("ERR_HISTORY_INVALID", "another process writes to this session's history and does not end", {
    hint: `rm ${path}`,
  });
}
