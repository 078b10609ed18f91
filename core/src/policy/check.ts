import {
  listOf,
  targetOf,
  type AllowRule,
  type DenyRule,
  type Limit,
  type OneOrMore,
  type PolicyDocument,
  type Principal,
} from "./document.ts";
import { compileTrust, dimensionsOf } from "./compile.ts";
import { coversEverything } from "./glob.ts";
import { isMembers } from "./principals.ts";
import type { PolicyProblem } from "./problem.ts";
import { parseTime } from "./time.ts";

type Path = readonly (string | number)[];

/** The load errors that a schema cannot see. The document has passed the schema. */
export function checkRules(document: PolicyDocument): PolicyProblem[] {
  const problems: PolicyProblem[] = [...checkGroups(document)];
  const ids = new Set<string>();
  for (const [index, rule] of (document.deny ?? []).entries()) {
    problems.push(...checkRule(document, rule, ["deny", index], ids));
  }
  for (const [index, rule] of document.allow.entries()) {
    const path = ["allow", index];
    problems.push(...checkRule(document, rule, path, ids), ...checkStrangers(document, rule, path));
  }
  return [...problems, ...checkSharedLimits(document)];
}

function checkGroups({ groups = {} }: PolicyDocument): PolicyProblem[] {
  return Object.entries(groups).flatMap(([name, members]) => {
    const path = ["groups", name];
    const nested = listOf<Principal>(members).find((word) => word.startsWith("@") && !isMembers(word));
    return [
      ...(isMembers(`@${name}`)
        ? [{ path, message: `@${name} has a fixed meaning; give the group another name` }]
        : []),
      ...(nested === undefined
        ? []
        : [{ path, message: `a group holds no other group; list the members of ${nested}` }]),
    ];
  });
}

function checkRule(
  document: PolicyDocument,
  rule: DenyRule | AllowRule,
  path: Path,
  ids: Set<string>,
): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  if (rule.id !== undefined && ids.has(rule.id)) {
    problems.push({ path: [...path, "id"], message: `the id ${rule.id} stands twice; give each rule its own` });
  }
  if (rule.id !== undefined) ids.add(rule.id);
  for (const word of listOf<Principal>(rule.agents)) {
    if (!word.startsWith("@") || isMembers(word) || Object.hasOwn(document.groups ?? {}, word.slice(1))) continue;
    problems.push({ path: [...path, "agents"], message: `${word} is no group; add it under \`groups\`` });
  }
  if (
    rule.from !== undefined &&
    rule.until !== undefined &&
    (parseTime(rule.from) ?? 0) >= (parseTime(rule.until) ?? 0)
  ) {
    problems.push({
      path: [...path, "until"],
      message: "`until` is not after `from`; the rule would never be in force",
    });
  }
  for (const [argument, test] of Object.entries(rule.args ?? {})) {
    if (!argument.endsWith("[]") || typeof test !== "object" || !("absent" in test)) continue;
    problems.push({
      path: [...path, "args", argument],
      message: "an element is never absent; test the path without []",
    });
  }
  return problems;
}

/** What a policy may let strangers do only if it says so aloud. */
function checkStrangers(document: PolicyDocument, rule: AllowRule, path: Path): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const letsUnknownRead = (rule.unknown ?? (rule.trust && document.defaults?.unknown)) === "allow-readonly";
  if (letsUnknownRead && !listOf<Limit>(rule.limit).some((limit) => limit.of === "all")) {
    const message = "`allow-readonly` needs a limit with `of: all`, since strangers cost nothing to make";
    problems.push({ path: rule.unknown === undefined ? path : [...path, "unknown"], message });
  }
  if (document.open !== true && isOpen(document, rule)) {
    const message =
      "this rule lets any agent do anything; ask for `trust`, name tools, or write `open: true` at the top";
    problems.push({ path, message });
  }
  return problems;
}

/** True for a rule by which anyone who makes a key can use every target of its kind. */
export function isOpen(document: PolicyDocument, rule: AllowRule): boolean {
  const { kind, patterns } = targetOf(rule);
  if (!coversEverything(patterns, kind === "resources" ? "path" : "name")) return false;
  if (!includesAnyone(rule.agents, document) || rule.args !== undefined || rule.closed === true) return false;
  const trust = compileTrust(rule, document.defaults);
  if (trust === undefined) return true;
  return trust.unknown === "allow-readonly" && coversEverything(listOf<string>(document.readonly), "name");
}

function includesAnyone(agents: OneOrMore<Principal>, { groups = {} }: PolicyDocument): boolean {
  return listOf<Principal>(agents).some((word) => {
    const group = word.startsWith("@") && Object.hasOwn(groups, word.slice(1)) ? groups[word.slice(1)] : undefined;
    return word === "*" || listOf<Principal>(group).includes("*");
  });
}

/** One bucket has one size, so limits that are counted under one name must agree. */
function checkSharedLimits({ allow }: PolicyDocument): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const sizes = new Map<string, string>();
  for (const [index, rule] of allow.entries()) {
    const own = new Set<string>();
    for (const limit of listOf<Limit>(rule.limit)) {
      const name = limit.name ?? rule.id;
      const counter = `${name ?? ""}/${dimensionsOf(limit.of).join("+")}`;
      // The second limit of a rule over the same callers is a bucket of its own.
      if (name === undefined || own.has(counter)) continue;
      own.add(counter);
      const size = `${limit.calls} per ${limit.per}`;
      const other = sizes.get(counter);
      sizes.set(counter, other ?? size);
      if (other === undefined || other === size) continue;
      const message = `the limit ${name} is ${other} elsewhere and ${size} here; a shared bucket has one size`;
      problems.push({ path: ["allow", index, "limit"], message });
    }
  }
  return problems;
}
