import type { Context } from "../context.ts";
import { usage } from "../errors.ts";
import { allHelp, commandHelp, helpData, parentHelp, topHelp } from "../help.ts";
import type { Result } from "../output.ts";
import { type Args, commands, parents } from "../tree.ts";
import { nearest } from "../ui/nearest.ts";
import type { Terminal } from "../ui/terminal.ts";

/** `peerage help`: the tree, or one command of it. */
export async function run(context: Context, { words, options }: Args): Promise<Result> {
  if (options["all"] === true) return Promise.resolve({ data: helpData(), text: allHelp(context.ui) });
  return Promise.resolve(help(context.ui, words.join(" ")));
}

/** The help of a path; an empty one is the top. @throws {CliError} ERR_USAGE for one that does not exist */
export function help(ui: Terminal, path: string): Result {
  if (path === "") return { data: helpData(), text: topHelp(ui) };
  const spec = commands.find((command) => command.path === path);
  if (spec) return { data: helpData(), text: commandHelp(ui, spec) };
  if (Object.hasOwn(parents, path)) return { data: helpData(), text: parentHelp(ui, path) };
  const near = nearest(path, [...commands.map((command) => command.path), ...Object.keys(parents)], 1)[0];
  throw usage(`unknown command: ${path}`, near === undefined ? "peerage help --all" : `peerage help ${near}`);
}
