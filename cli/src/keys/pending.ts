import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fromUtf8, type KeyEvent, type Verified, verifyStatement } from "@peerage/core";
import { z } from "zod";
import { CliError } from "../errors.ts";
import { readBook, writeBook } from "../files/book.ts";
import type { Paths } from "../files/paths.ts";

const form = z.strictObject({ v: z.literal(1), event: z.string() });

/**
 * A key event that was signed and of which nobody knows yet whether a registry has it. It is kept before it is sent, and
 * sent again as it is: two different events of one number would put the identity in dispute.
 */
export async function readPending(paths: Paths, name: string): Promise<Verified<KeyEvent> | undefined> {
  const path = pendingPath(paths, name);
  const kept = await readBook(path, form);
  if (!kept) return undefined;
  const statement = await verifyStatement(kept.event, { keysOf: "any" });
  if (statement.kind === "KeyEvent") return statement;
  throw new CliError("ERR_CONFIG_INVALID", `${path} is damaged: it holds no key event`, { hint: "move it away" });
}

export async function keepPending(paths: Paths, name: string, event: KeyEvent): Promise<void> {
  await writeBook(pendingPath(paths, name), { v: 1, event: fromUtf8(event.bytes) });
}

export async function dropPending(paths: Paths, name: string): Promise<void> {
  await rm(pendingPath(paths, name), { force: true });
}

function pendingPath(paths: Paths, name: string): string {
  return join(paths.data, "identities", `${name}.pending.json`);
}
