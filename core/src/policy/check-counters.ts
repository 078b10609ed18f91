import { dimensionsOf } from "./counters.ts";
import {
  listOf,
  type AllowRule,
  type ArgumentTest,
  type Budget,
  type Limit,
  type Operators,
  type PolicyDocument,
} from "./document.ts";
import type { PolicyProblem } from "./problem.ts";

type Path = readonly (string | number)[];

/** A summed argument must have a floor: a negative amount would refill the budget. */
export function checkSums(rule: AllowRule, path: Path): PolicyProblem[] {
  return listOf<Budget>(rule.budget).flatMap(({ sum }) => {
    const test = sum === undefined || !Object.hasOwn(rule.args ?? {}, sum) ? undefined : rule.args?.[sum];
    if (sum === undefined || (test !== undefined && isNeverNegative(test))) return [];
    const message = `\`args\` must keep ${sum} from being negative, such as ${sum}: {">": 0}`;
    return [{ path: [...path, "budget"], message }];
  });
}

function isNeverNegative(test: ArgumentTest): boolean {
  const areNotNegative = (values: readonly unknown[]): boolean =>
    values.every((value) => typeof value !== "number" || value >= 0);
  if (Array.isArray(test)) return areNotNegative(test);
  if (typeof test !== "object") return areNotNegative([test]);
  const operators = test as Operators;
  if ((operators[">"] ?? operators[">="] ?? -1) >= 0) return true;
  return operators.in !== undefined ? areNotNegative(operators.in) : areNotNegative([operators["=="] ?? -1]);
}

/** One counter has one size, so what is counted under one name must agree. */
export function checkCounters({ allow }: PolicyDocument): PolicyProblem[] {
  return [
    ...checkShared(allow, "limit", (rule) =>
      listOf<Limit>(rule.limit).map((limit) => ({ ...limit, size: `${limit.calls} per ${limit.per}` })),
    ),
    ...checkShared(allow, "budget", (rule) =>
      listOf<Budget>(rule.budget).map((budget) => ({ ...budget, size: `${budget.max} per ${budget.per}` })),
    ),
  ];
}

function checkShared(
  rules: readonly AllowRule[],
  key: "limit" | "budget",
  countersOf: (rule: AllowRule) => readonly (Pick<Limit, "name" | "of"> & { size: string })[],
): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const sizes = new Map<string, string>();
  for (const [index, rule] of rules.entries()) {
    const own = new Set<string>();
    for (const { size, ...counted } of countersOf(rule)) {
      const name = counted.name ?? rule.id;
      const counter = `${name ?? ""}/${dimensionsOf(counted.of).join("+")}`;
      // The second one of a rule over the same callers is a counter of its own.
      if (name === undefined || own.has(counter)) continue;
      own.add(counter);
      const other = sizes.get(counter);
      sizes.set(counter, other ?? size);
      if (other === undefined || other === size) continue;
      const message = `the ${key} ${name} is ${other} elsewhere and ${size} here; a shared counter has one size`;
      problems.push({ path: ["allow", index, key], message });
    }
  }
  return problems;
}
