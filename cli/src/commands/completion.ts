import { installs, scripts, shells } from "../completion/scripts.ts";
import type { Context } from "../context.ts";
import { usage } from "../errors.ts";
import type { Result } from "../output.ts";
import type { Args } from "../tree.ts";
import { nearest } from "../ui/nearest.ts";
import { visible } from "../ui/visible.ts";

/** `peerage completion`: the script with which a shell completes our commands, flags and agents. */
export function run(context: Context, { words: [word = ""] }: Args): Promise<Result> {
  const shell = shells.find((known) => known === word);
  if (shell === undefined) {
    const near = nearest(word, shells, 1)[0];
    throw usage(
      `there is no completion for ${visible(word, 40)}`,
      near === undefined ? `one of: ${shells.join(", ")}` : `did you mean ${near}?`,
    );
  }
  // To a pipe goes the script alone; a person is told what to do with it.
  if (context.err.tty) context.say(`  ${context.err.dim("to use it:")} ${installs[shell]}`);
  return Promise.resolve({
    data: { shell, install: installs[shell], script: scripts[shell] },
    text: scripts[shell].trimEnd().split("\n"),
  });
}
