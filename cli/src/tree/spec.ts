import type { Context, Options } from "../context.ts";
import type { Result } from "../output.ts";

/** What the parser made of a command's words. */
export interface Args {
  /** Words before `--`, in order. */
  readonly words: readonly string[];
  /** What stands after `--`: a command to wrap, never parsed by us. */
  readonly rest: readonly string[];
  readonly options: Options;
}

/** A command's body: a result to print, or an exit code if it wrote its own output. */
export type Run = (context: Context, args: Args) => Promise<Result | number>;

/** One flag: as commander reads it, and what it is for. */
export type Flag = readonly [flags: string, text: string, options?: { readonly many?: true }];

/** A command as data: help needs nothing else, and its code is imported when it runs. */
export interface CommandSpec {
  /** One or two words: `trust`, `roots add`. */
  readonly path: string;
  /** Its arguments, in commander's notation. */
  readonly args?: string;
  readonly text: string;
  readonly group: Group;
  /** Shown at the top of the help, in this order. */
  readonly front?: number;
  /** What its parent does without a further word. */
  readonly byDefault?: true;
  /** Takes a command after `--`. */
  readonly wraps?: true;
  readonly flags?: readonly Flag[];
  readonly examples: readonly [string, string];
  readonly load: () => Promise<{ readonly run: Run }>;
}

export const groups = ["start", "trust", "sign and check", "mcp", "operate"] as const;
export type Group = (typeof groups)[number];
