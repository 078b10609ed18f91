import type { Context } from "./context.ts";
import { describeError } from "./errors.ts";
import type { Result } from "./output.ts";
import { visible } from "./ui/visible.ts";

/** The answer of a check that ends at the first thing that does not hold: exit 6. Any other error is thrown on. */
export function refusedResult(context: Context, label: string, error: unknown): Result {
  const { code, exit, message } = describeError(error);
  if (exit !== 6) throw error;
  return {
    exit,
    data: { error: { code, message } },
    text: context.ui.facts([{ mark: "no", label, value: visible(message, 300) }]),
    plain: [[code, message]],
  };
}
