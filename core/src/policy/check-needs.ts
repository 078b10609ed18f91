import { listOf, type AllowRule, type ArgumentTests } from "./document.ts";
import { inOrder } from "./needs.ts";
import type { PolicyProblem } from "./problem.ts";

type Path = readonly (string | number)[];

/** The load errors of `require` and `approval`. */
export function checkNeeds(rule: AllowRule, path: Path): PolicyProblem[] {
  const needs = rule.require ?? [];
  const steps = new Set(needs.map((need) => need.step));
  const problems: PolicyProblem[] = [];
  const checkAfter = (after: readonly string[], at: Path): void => {
    for (const step of after) {
      if (steps.has(step)) continue;
      problems.push({ path: at, message: `${step} is no step under \`require\` of this rule; require it first` });
    }
  };
  for (const [index, need] of needs.entries()) {
    checkAfter(listOf<string>(need.after), [...path, "require", index, "after"]);
    problems.push(...checkTests(need.sub, [...path, "require", index, "sub"]));
  }
  checkAfter(listOf<string>(rule.approval?.after), [...path, "approval", "after"]);
  if (problems.length === 0 && inOrder(needs).length < needs.length) {
    problems.push({ path: [...path, "require"], message: "`after` goes in a circle, so nothing could ever be first" });
  }
  if (rule.binding === "connection" && (rule.require !== undefined || rule.approval !== undefined)) {
    const message = "a call that is bound to its connection alone is not signed, so no entry can speak of it";
    problems.push({ path: [...path, "binding"], message });
  }
  return problems;
}

/** Tests that cannot mean what they say, of arguments or of an entry's `sub`. */
export function checkTests(tests: ArgumentTests | undefined, path: Path): PolicyProblem[] {
  return Object.entries(tests ?? {})
    .filter(([at, test]) => at.endsWith("[]") && typeof test === "object" && "absent" in test)
    .map(([at]) => ({ path: [...path, at], message: "an element is never absent; test the path without []" }));
}
