import {
  listOf,
  targetOf,
  type AllowRule,
  type ArgumentTest,
  type Budget,
  type DenyRule,
  type Limit,
  type Operators,
  type PolicyDocument,
  type PolicyMembers,
  type Principal,
} from "./document.ts";
import { coversEverything, isImpossiblePath } from "./glob.ts";
import { needWarnings } from "./need-warnings.ts";
import { isOpen } from "./openness.ts";
import { isMembers, membersOf, principalUses } from "./principals.ts";
import type { PolicyProblem } from "./problem.ts";

type Path = readonly (string | number)[];

/** What a document may say but probably does not mean. The document has passed the schema and the load checks. */
export function findWarnings(document: PolicyDocument, members: PolicyMembers): PolicyProblem[] {
  const warnings: PolicyProblem[] = [...unusedGroups(document), ...openness(document), ...nobodies(document, members)];
  for (const [index, rule] of (document.deny ?? []).entries()) {
    const path = ["deny", index];
    warnings.push(...ruleWarnings(rule, path), ...denyWarnings(rule, path));
  }
  for (const [index, rule] of document.allow.entries()) {
    const path = ["allow", index];
    warnings.push(
      ...ruleWarnings(rule, path),
      ...allowWarnings(document, rule, path),
      ...needWarnings(document, index),
    );
  }
  return warnings;
}

function unusedGroups(document: PolicyDocument): PolicyProblem[] {
  const used = new Set(principalUses(document).flatMap(({ principals }) => listOf<Principal>(principals)));
  const unused = Object.keys(document.groups ?? {}).filter((name) => !used.has(`@${name}`));
  return unused.map((name) => ({ path: ["groups", name], message: "no rule uses this group" }));
}

/** Lists of principals that are, or come out, empty. */
function nobodies(document: PolicyDocument, members: PolicyMembers): PolicyProblem[] {
  return principalUses(document).flatMap(({ path, principals }) => {
    const words = listOf<Principal>(principals);
    if (words.length === 0) return [{ path, message: "an empty list: it is met by nobody" }];
    return words
      .filter(isMembers)
      .filter((word) => membersOf(word, members).length === 0)
      .map((word) => ({ path, message: `${word} is nobody on this machine` }));
  });
}

function openness(document: PolicyDocument): PolicyProblem[] {
  if (document.open !== true) return [];
  return document.allow.some((rule) => isOpen(document, rule))
    ? [{ path: ["open"], message: "anyone who makes a key can use everything that a rule here covers in full" }]
    : [{ path: ["open"], message: "no rule needs `open: true`; without it a later slip is refused at load" }];
}

/** What holds of both kinds of rule: parts that can never match. */
function ruleWarnings(rule: DenyRule | AllowRule, path: Path): PolicyProblem[] {
  const warnings: PolicyProblem[] = [];
  const warn = (key: string, message: string): void => void warnings.push({ path: [...path, key], message });
  const { kind, patterns } = targetOf(rule);
  if (patterns.length === 0) warn(kind, "an empty list: the rule never matches");
  if (kind === "resources" && patterns.some(isImpossiblePath)) warn(kind, impossiblePath);
  if (kind === "resources" && rule.args !== undefined) warn("args", "a resource has no arguments to test");
  for (const pattern of kind === "methods" ? patterns : []) {
    const own = ownKinds[pattern];
    if (own !== undefined) warn(kind, `\`methods\` never covers ${pattern}; write \`${own}\``);
  }
  for (const [argument, test] of Object.entries(rule.args ?? {})) {
    const operators = operatorsOf(test);
    const at = [...path, "args", argument];
    if (isContradiction(operators)) warnings.push({ path: at, message: "no number is within these bounds" });
    const globs = [...listOf<string>(operators.like), ...listOf<string>(operators.notLike)];
    if (globs.some(isImpossiblePath)) warnings.push({ path: at, message: impossiblePath });
  }
  return warnings;
}

const impossiblePath =
  "no path matches: `.`, `..`, a backslash, a percent sign and control characters are never judged";

const ownKinds: Readonly<Record<string, string>> = {
  "tools/call": "tools",
  "prompts/get": "prompts",
  "resources/read": "resources",
  "resources/subscribe": "resources",
};

function denyWarnings(rule: DenyRule, path: Path): PolicyProblem[] {
  const warnings: PolicyProblem[] = [];
  const { kind, patterns } = targetOf(rule);
  if (kind === "resources" && patterns.some(stopsAtOneLevel))
    warnings.push({ path: [...path, kind], message: oneLevel });
  const always = [rule.agents, rule.spiffe, rule.args, rule.from, rule.until, rule.when].every(
    (part) => part === undefined,
  );
  if (always && coversEverything(patterns, kind === "resources" ? "path" : "name")) {
    warnings.push({ path, message: `refuses all ${kind}, so no allow rule about ${kind} is ever met` });
  }
  for (const [argument, test] of Object.entries(rule.args ?? {})) {
    const at = [...path, "args", argument];
    if (listOf<string>(operatorsOf(test).like).some(stopsAtOneLevel)) warnings.push({ path: at, message: oneLevel });
    if (!argument.endsWith("[]")) continue;
    const message =
      "refuses only if every element meets the test; to want it of each element, test it in the allow rule";
    warnings.push({ path: at, message });
  }
  return warnings;
}

const oneLevel = "* stops at the next /, so what lies deeper is not covered; write ** to cover it";

function allowWarnings(document: PolicyDocument, rule: AllowRule, path: Path): PolicyProblem[] {
  const warnings: PolicyProblem[] = [];
  for (const [argument, test] of Object.entries(rule.args ?? {})) {
    const operators = operatorsOf(test);
    const at = [...path, "args", argument];
    const isCapped = operators["<"] !== undefined || operators["<="] !== undefined;
    const hasFloor = operators[">"] !== undefined || operators[">="] !== undefined;
    if (isCapped && !hasFloor) warnings.push({ path: at, message: "no lower bound: negative numbers pass" });
    if (listOf<string>(operators.notLike).some(stopsAtOneLevel)) warnings.push({ path: at, message: oneLevel });
  }
  const letsUnknownRead = (rule.unknown ?? (rule.trust && document.defaults?.unknown)) === "allow-readonly";
  if (rule.unknown !== undefined && rule.trust === undefined) {
    warnings.push({ path: [...path, "unknown"], message: "has no effect without `trust`: the rule asks for no score" });
  } else if (letsUnknownRead && listOf<string>(document.readonly).length === 0) {
    warnings.push({ path, message: "`allow-readonly` lets nothing through, since `readonly` names nothing" });
  }
  for (const key of ["limit", "budget"] as const) {
    const counters: readonly (Limit | Budget)[] = [...listOf<Limit | Budget>(rule[key])];
    if (rule.id !== undefined || counters.every((counter) => counter.name !== undefined)) continue;
    const message = "give the rule an id: its counter is named by its place in the file, and moves when that does";
    warnings.push({ path: [...path, key], message });
  }
  return warnings;
}

function operatorsOf(test: ArgumentTest): Operators {
  return typeof test === "object" && !Array.isArray(test) ? (test as Operators) : {};
}

function isContradiction(operators: Operators): boolean {
  const low = Math.max(operators[">"] ?? -Infinity, operators[">="] ?? -Infinity);
  const high = Math.min(operators["<"] ?? Infinity, operators["<="] ?? Infinity);
  const isExclusive = operators[">"] === low || operators["<"] === high;
  return low > high || (low === high && isExclusive);
}

function stopsAtOneLevel(pattern: string): boolean {
  return /(?:^|[^*])\*$/.test(pattern);
}
