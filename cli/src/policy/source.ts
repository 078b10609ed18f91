import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  type CompileWhen,
  type Did,
  loadCel,
  mentionsWhen,
  parsePolicy,
  type Policy,
  type PolicyEngines,
  type PolicyFile,
  type PolicyMembers,
} from "@peerage/core";
import type { Context } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { findIdentity, identityNames } from "../files/identities.ts";
import { codeOf } from "../files/safe-file.ts";
import { visible } from "../ui/visible.ts";

const loaded: { compileWhen?: CompileWhen; readonly adapters: "any" } = { adapters: "any" };

/**
 * What carries out the parts of the language that need more than core; complete after {@link prepareEngines}. Adapters
 * have any name: commands that look at a policy ask none of them, and a guard has its own.
 */
export const engines: PolicyEngines = loaded;

/** Loads the CEL engine if one of these texts has a `when`, or if none is given. */
export async function prepareEngines(source?: string | readonly PolicyFile[]): Promise<void> {
  const texts = typeof source === "string" ? [source] : source?.map(({ text }) => text);
  if (loaded.compileWhen || (texts && !texts.some(mentionsWhen))) return;
  loaded.compileWhen = await loadCel();
}

/** The policy that is meant: a word on the command line, `--policy`, or the configured one. @throws {CliError} ERR_USAGE */
export async function policyPath(context: Context, word: unknown): Promise<string> {
  const path = typeof word === "string" ? word : (await context.settings()).value("policy");
  if (path === undefined) throw usage("no policy is named", "name the file, or: peerage config set policy <file>");
  return path;
}

/** Who `@me` and `@roots` are: every identity of this machine, and the user's roots. */
export async function membersOf(
  context: Context,
  options: { readonly roots?: readonly Did[] } = {},
): Promise<PolicyMembers> {
  const found = await Promise.all(
    // A damaged key file is nobody; whoever needs it is told elsewhere.
    (await identityNames(context.paths)).map((name) => findIdentity(context.paths, name).catch(() => undefined)),
  );
  return { me: found.flatMap((file) => file?.did ?? []), roots: options.roots ?? (await context.roots()) };
}

/**
 * The text of a policy file, or the files of a folder of them; the engines that it needs are loaded.
 * @throws {CliError} ERR_POLICY_INVALID if there is none
 */
export async function readPolicySource(path: string): Promise<string | readonly PolicyFile[]> {
  const source = await readSource(path);
  await prepareEngines(source);
  return source;
}

async function readSource(path: string): Promise<string | readonly PolicyFile[]> {
  try {
    if (!(await stat(path)).isDirectory()) return await readFile(path, "utf8");
    const names = (await readdir(path)).filter((name) => /\.ya?ml$/.test(name)).sort();
    return await Promise.all(names.map(async (name) => ({ name, text: await readFile(join(path, name), "utf8") })));
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** Reads and checks a policy. @throws {CliError} ERR_POLICY_INVALID, exit 2, with line, place and fix */
export async function loadPolicy(context: Context, path: string): Promise<Policy> {
  return parsePolicy(await readPolicySource(path), await membersOf(context), engines);
}

/** Why a policy cannot be read, and what to do about it. */
export function unreadable(path: string, error: unknown): unknown {
  const code = codeOf(error);
  if (code === undefined || error instanceof CliError) return error;
  if (code !== "ENOENT") return new CliError("ERR_POLICY_INVALID", `${visible(path, 400)} cannot be read (${code})`);
  const hint = "peerage policy init writes one to start from";
  return new CliError("ERR_POLICY_INVALID", `there is no policy at ${visible(path, 400)}`, { hint });
}
