import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Did, parseDid } from "@peerage/core";
import { z } from "zod";
import { CliError } from "../errors.ts";
import type { Paths } from "./paths.ts";
import { codeOf, replaceFile } from "./safe-file.ts";

/** A name that its owner gives to an agent; it cannot be taken for a DID or the start of one. */
export const petname: z.ZodString = z
  .string()
  .regex(/^(?!did:|z6Mk)[a-z0-9][a-z0-9._-]{0,63}$/, "must be lower-case letters, digits, . _ or - (at most 64)");

const did = z.string().transform((text, context): Did => {
  try {
    return parseDid(text);
  } catch {
    context.addIssue("is not an acceptable did:key");
    return z.NEVER;
  }
});

const rootsForm = z.strictObject({ v: z.literal(1), roots: z.array(did).max(10_000) });
const namesForm = z.strictObject({ v: z.literal(1), names: z.record(petname, did) });

/** The DIDs from which the user starts to trust, in the order in which they were added. */
export async function readRoots(paths: Paths): Promise<Did[]> {
  return (await readBook(join(paths.data, "roots.json"), rootsForm))?.roots ?? [];
}

export async function writeRoots(paths: Paths, roots: readonly Did[]): Promise<void> {
  await writeBook(join(paths.data, "roots.json"), { v: 1, roots });
}

/** The user's own names for agents. */
export async function readNames(paths: Paths): Promise<Map<string, Did>> {
  return new Map(Object.entries((await readBook(join(paths.data, "names.json"), namesForm))?.names ?? {}));
}

export async function writeNames(paths: Paths, names: ReadonlyMap<string, Did>): Promise<void> {
  await writeBook(join(paths.data, "names.json"), { v: 1, names: Object.fromEntries(names) });
}

/** Reads one of the user's small JSON files; undefined if there is none. A damaged one is an error, never an empty one. */
export async function readBook<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw damaged(path, "it is not readable JSON");
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw damaged(path, `${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`.trim());
}

/** Writes one of the user's small JSON files, 0600, in one step. */
export async function writeBook(path: string, value: object): Promise<void> {
  await replaceFile(path, `${JSON.stringify(value, null, 2)}\n`);
}

function damaged(path: string, why: string): CliError {
  return new CliError("ERR_CONFIG_INVALID", `${path} is damaged: ${why}`, {
    hint: "mend it or move it away; it is never recreated silently",
  });
}
