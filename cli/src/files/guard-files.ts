import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Context, Options } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { codeOf } from "./safe-file.ts";

/** Where a guard keeps what must survive it: its memory of used proofs, its audit logs, the marker that denies all. */
export function stateFolder(context: Context, options: Options): string {
  const given = options["state"];
  return typeof given === "string" ? resolve(context.io.cwd, given) : context.paths.state;
}

/** Nothing is admitted while this file is there, whatever a policy says. */
export function denyAllMarker(state: string): string {
  return join(state, "deny-all.json");
}

/** The audit log of the guard that signs as an identity; one log has one signer. */
export function auditFileOf(state: string, identity: string): string {
  return join(state, "audit", `${identity}.db`);
}

/**
 * The audit log that is meant: `--audit`, that of the identity named by `--identity`, the only one there is, or that of
 * the configured identity.
 * @throws {CliError} ERR_NOT_FOUND if no guard has recorded anything, ERR_USAGE if several could be meant
 */
export async function findAuditFile(context: Context, options: Options): Promise<string> {
  const given = options["audit"];
  const state = stateFolder(context, options);
  if (typeof given === "string") return existing(resolve(context.io.cwd, given));
  const names = await auditNames(state);
  const [only] = names;
  // Whoever answers for a guard signs by another identity, which has no log of its own.
  const named = context.globals.identity;
  if (named !== undefined && names.includes(named)) return auditFileOf(state, named);
  if (only !== undefined && names.length === 1) return auditFileOf(state, only);
  const configured = (await context.settings()).value("identity");
  if (configured !== undefined && names.includes(configured)) return auditFileOf(state, configured);
  if (only !== undefined) throw usage(`several guards have recorded here: ${names.join(", ")}`, "--audit <file>");
  throw nothingRecorded();
}

async function auditNames(state: string): Promise<string[]> {
  try {
    const files = await readdir(join(state, "audit"));
    return files
      .filter((file) => file.endsWith(".db"))
      .map((file) => file.slice(0, -3))
      .sort();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

function existing(path: string): string {
  if (existsSync(path)) return path;
  throw nothingRecorded();
}

function nothingRecorded(): CliError {
  return new CliError("ERR_NOT_FOUND", "no guard has recorded anything here yet", {
    hint: "peerage guard --policy policy.yaml -- <command…>",
  });
}
