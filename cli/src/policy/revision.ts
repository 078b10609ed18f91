import { execFile } from "node:child_process";
import { existsSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, relative, sep } from "node:path";
import { promisify } from "node:util";
import { parsePolicy, type Policy, type PolicyFile } from "@peerage/core";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { visible } from "../ui/visible.ts";
import { engines, loadPolicy, membersOf, prepareEngines } from "./source.ts";

const execute = promisify(execFile);

/**
 * The policy at a path, or as it was in a revision of the checkout in which another one stands (`origin/main`).
 * @param beside the path whose earlier state a revision means
 */
export async function policyAt(context: Context, text: string, beside: string): Promise<Policy> {
  if (existsSync(text) || !/^[A-Za-z0-9][\w./@^~-]{0,199}$/.test(text)) return loadPolicy(context, text);
  const source = await sourceAt(text, beside);
  await prepareEngines(source);
  return parsePolicy(source, await membersOf(context), engines);
}

async function sourceAt(revision: string, beside: string): Promise<string | readonly PolicyFile[]> {
  const path = realpathSync(beside);
  const isFolder = statSync(path).isDirectory();
  const folder = isFolder ? path : dirname(path);
  // No shell, no pager, and nothing that starts with a dash: a revision comes from a CI's input.
  const git = async (...args: readonly string[]): Promise<string> => {
    try {
      const { stdout } = await execute("git", ["-C", folder, "--no-pager", ...args], { maxBuffer: 16_777_216 });
      return stdout;
    } catch (error) {
      const why = (error as { stderr?: string }).stderr?.split("\n")[0] ?? "git is not there";
      throw new CliError("ERR_POLICY_INVALID", `there is no policy at ${visible(revision)}: ${visible(why, 200)}`, {
        hint: "a file, a folder, or a revision of git",
      });
    }
  };
  const top = realpathSync((await git("rev-parse", "--show-toplevel")).trim());
  const within = relative(top, path).split(sep).join("/");
  const commit = (await git("rev-parse", "--verify", "--end-of-options", `${revision}^{commit}`)).trim();
  if (!isFolder) return git("show", `${commit}:${within}`);
  const listed = await git(
    "ls-tree",
    "--full-tree",
    "--name-only",
    "-z",
    commit,
    "--",
    within === "" ? "." : `${within}/`,
  );
  const names = listed.split("\0").filter((name) => /\.ya?ml$/.test(name));
  return Promise.all(
    names.map(async (name) => ({
      name: basename(name),
      text: await git("show", `${commit}:${within === "" ? "" : `${within}/`}${basename(name)}`),
    })),
  );
}
