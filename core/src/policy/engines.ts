import type { When } from "./conditions.ts";
import type { PolicyDocument } from "./document.ts";
import type { PolicyProblem } from "./problem.ts";

/**
 * Parses, checks and compiles one CEL expression. What it returns is asked with the input of each call; only `true` is
 * true, and what it throws counts as no answer.
 * @throws {Error} with a message for the operator, if the expression is not one
 */
export type CompileWhen = (expression: string) => When;

/** What carries out the parts of the language that need more than this package. */
export interface PolicyEngines {
  /** For `when`. */
  readonly compileWhen?: CompileWhen;
  /**
   * The names of the adapters that the guard can ask, for `also`; `any` for tools that decide about no call, and say what
   * the rules say.
   */
  readonly adapters?: readonly string[] | "any";
}

/** Compiles every `when` of a document once; a problem for each that cannot be. */
export function compileExpressions(
  document: PolicyDocument,
  { compileWhen }: PolicyEngines,
): { whens: ReadonlyMap<string, When>; problems: PolicyProblem[] } {
  const whens = new Map<string, When>();
  const problems: PolicyProblem[] = [];
  const rules = [
    ...(document.deny ?? []).map((rule, index) => ({ rule, path: ["deny", index, "when"] })),
    ...document.allow.map((rule, index) => ({ rule, path: ["allow", index, "when"] })),
  ];
  for (const { rule, path } of rules) {
    if (rule.when === undefined || whens.has(rule.when)) continue;
    if (compileWhen === undefined) {
      problems.push({
        path,
        message: "`when` needs a CEL engine, and there is none here; the rule would run without it",
      });
      continue;
    }
    try {
      whens.set(rule.when, compileWhen(rule.when));
    } catch (error) {
      problems.push({ path, message: error instanceof Error ? error.message : "the expression cannot be compiled" });
    }
  }
  return { whens, problems };
}

/** A problem for each name under `also` that nobody here answers to. */
export function missingAdapters({ also = [] }: PolicyDocument, { adapters = [] }: PolicyEngines): PolicyProblem[] {
  return also.flatMap((name, index) =>
    adapters === "any" || adapters.includes(name)
      ? []
      : [{ path: ["also", index], message: `there is no adapter ${name} here; the policy would run without it` }],
  );
}
