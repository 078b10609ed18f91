import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import type { Paths } from "../files/paths.ts";
import { readBook, writeBook } from "../files/book.ts";
import { codeOf, createPrivateFile } from "../files/safe-file.ts";
import type { Change } from "./entry.ts";

/** One change of a client's settings, as it was made: what is needed to take it back. */
export interface Installed {
  readonly client: string;
  readonly file: string;
  readonly server: string;
  /** What makes the entry what it was. */
  readonly undo: Change;
  /** SHA-256 of the file before and after, hex. */
  readonly before: string;
  readonly after: string;
}

const form = z.strictObject({
  v: z.literal(1),
  installed: z.array(
    z.strictObject({
      client: z.string(),
      file: z.string(),
      server: z.string(),
      undo: z.strictObject({ set: z.record(z.string(), z.unknown()), remove: z.array(z.string()) }),
      before: z.string(),
      after: z.string(),
    }),
  ),
});

function path(paths: Paths): string {
  return join(paths.state, "installed.json");
}

/** Changes that were not taken back, the oldest first. */
export async function readLedger(paths: Paths): Promise<readonly Installed[]> {
  return (await readBook(path(paths), form))?.installed ?? [];
}

export async function writeLedger(paths: Paths, installed: readonly Installed[]): Promise<void> {
  await writeBook(path(paths), { v: 1, installed });
}

/** Keeps the file as it was, readable by its owner only: settings hold secrets. Returns where. */
export async function keepBackup(paths: Paths, file: string, text: string): Promise<string> {
  const kept = backupPath(paths, file, hashOf(text));
  try {
    await readFile(kept);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    await createPrivateFile(kept, text);
  }
  return kept;
}

/** Where a file as it was is kept. */
export function backupPath(paths: Paths, file: string, hash: string): string {
  return join(paths.state, "backups", `${hash.slice(0, 16)}-${basename(file)}`);
}

export function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
