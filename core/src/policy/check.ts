import { checkCounters, checkSums } from "./check-counters.ts";
import { checkNeeds, checkTests } from "./check-needs.ts";
import { isOpen } from "./openness.ts";
import {
  listOf,
  standInOf,
  unknownOf,
  type AllowRule,
  type DenyRule,
  type Limit,
  type PolicyDocument,
  type Principal,
} from "./document.ts";
import { isMembers, principalUses } from "./principals.ts";
import type { PolicyProblem } from "./problem.ts";
import { parseTime } from "./time.ts";

type Path = readonly (string | number)[];

/** The load errors that a schema cannot see. The document has passed the schema. */
export function checkRules(document: PolicyDocument): PolicyProblem[] {
  const problems: PolicyProblem[] = [...checkGroups(document), ...checkUses(document)];
  const ids = new Set<string>();
  for (const [index, rule] of (document.deny ?? []).entries()) {
    problems.push(...checkRule(rule, ["deny", index], ids));
  }
  for (const [index, rule] of document.allow.entries()) {
    const path = ["allow", index];
    problems.push(
      ...checkRule(rule, path, ids),
      ...checkNeeds(rule, path),
      ...checkSums(rule, path),
      ...checkUnknown(document, rule, path),
      ...checkOpenness(document, rule, path),
    );
  }
  return [...problems, ...checkCounters(document)];
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

function checkUses(document: PolicyDocument): PolicyProblem[] {
  return principalUses(document).flatMap(({ path, principals }) =>
    listOf<Principal>(principals)
      .filter(
        (word) => word.startsWith("@") && !isMembers(word) && !Object.hasOwn(document.groups ?? {}, word.slice(1)),
      )
      .map((word) => ({ path, message: `${word} is no group; add it under \`groups\`` })),
  );
}

function checkRule(rule: DenyRule | AllowRule, path: Path, ids: Set<string>): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  if (rule.id !== undefined && ids.has(rule.id)) {
    problems.push({ path: [...path, "id"], message: `the id ${rule.id} stands twice; give each rule its own` });
  }
  if (rule.id !== undefined) ids.add(rule.id);
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
  return [...problems, ...checkTests(rule.args, [...path, "args"])];
}

/** What `unknown` needs beside it. */
function checkUnknown(document: PolicyDocument, rule: AllowRule, path: Path): PolicyProblem[] {
  const at = rule.unknown === undefined ? path : [...path, "unknown"];
  const unknown = unknownOf(rule, document.defaults) ?? rule.unknown;
  if (unknown === "allow-readonly" && !listOf<Limit>(rule.limit).some((limit) => limit.of === "all")) {
    const message = "`allow-readonly` needs a limit with `of: all`, since strangers cost nothing to make";
    return [{ path: at, message }];
  }
  if (unknownOf(rule, document.defaults) === "ask-human" && standInOf(rule, document.defaults) === undefined) {
    const message = "`ask-human` asks nobody; give the rule an `approval` or write `defaults: {approvers: …}`";
    return [{ path: at, message }];
  }
  return [];
}

/** What a policy may let strangers do only if it says so aloud. */
function checkOpenness(document: PolicyDocument, rule: AllowRule, path: Path): PolicyProblem[] {
  if (document.open === true || !isOpen(document, rule)) return [];
  const message = "this rule lets any agent do anything; ask for `trust`, name tools, or write `open: true` at the top";
  return [{ path, message }];
}
