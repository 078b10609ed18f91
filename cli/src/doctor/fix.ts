import type { Context } from "../context.ts";
import { describeError } from "../errors.ts";
import type { Fact } from "../ui/terminal.ts";
import { visible } from "../ui/visible.ts";
import { findMends } from "./mends.ts";

/** What became of a change that mends something. */
export interface Fix {
  readonly name: string;
  readonly change: string;
  readonly undo: string;
  readonly state: "done" | "declined" | "would" | "failed";
  readonly why?: string;
}

/**
 * Shows each change that mends something, asks, and does it. Without a terminal and without `--yes` nothing is done.
 * @throws {CliError} ERR_USAGE where nobody can be asked
 */
export async function fixAll(context: Context, dryRun: boolean): Promise<Fix[]> {
  const fixes: Fix[] = [];
  const { err } = context;
  for (const { name, change, undo, shown, apply } of await findMends(context)) {
    if (dryRun) {
      fixes.push({ name, change, undo, state: "would" });
      continue;
    }
    // Shown even under --quiet: nobody can agree to what was not seen.
    const lines = [`  ${err.bold(name)}  ${change}`, ...shown, `  ${err.dim(`back again: ${undo}`)}`];
    for (const line of lines) context.io.stderr.write(`${line}\n`);
    if (!(await context.confirm("Do this?"))) {
      fixes.push({ name, change, undo, state: "declined" });
      continue;
    }
    try {
      await apply();
      fixes.push({ name, change, undo, state: "done" });
    } catch (error) {
      fixes.push({ name, change, undo, state: "failed", why: visible(describeError(error).message, 300) });
    }
  }
  return fixes;
}

/** The changes for people, each with the command that takes it back. */
export function fixFacts(fixes: readonly Fix[]): Fact[] {
  const marks = { done: "ok", declined: "none", would: "none", failed: "no" } as const;
  const labels = { done: "fixed", declined: "left", would: "would fix", failed: "not fixed" } as const;
  return fixes.flatMap(({ change, undo, state, why }): Fact[] => [
    { mark: marks[state], label: labels[state], value: change },
    ...(state === "done" ? [{ label: "undo", value: undo }] : []),
    ...(why === undefined ? [] : [{ label: "why", value: why }]),
  ]);
}
