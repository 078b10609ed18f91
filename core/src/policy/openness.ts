import { listOf, targetOf, trustOf, unknownOf, type AllowRule, type PolicyDocument } from "./document.ts";
import { coversEverything } from "./glob.ts";
import { wordsOf } from "./principals.ts";

/** True for a rule by which anyone who makes a key can use every target of its kind. */
export function isOpen(document: PolicyDocument, rule: AllowRule): boolean {
  const { kind, patterns } = targetOf(rule);
  if (!coversEverything(patterns, kind === "resources" ? "path" : "name")) return false;
  if (rule.agents === undefined || !wordsOf(rule.agents, document.groups).includes("*")) return false;
  const isNarrowed = [rule.spiffe, rule.args, rule.when].some((part) => part !== undefined) || rule.closed === true;
  if (isNarrowed || asksOthers(document, rule)) return false;
  if (trustOf(rule, document.defaults) === undefined) return true;
  const readsAll = coversEverything(listOf<string>(document.readonly), "name");
  return unknownOf(rule, document.defaults) === "allow-readonly" && readsAll;
}

/** True if someone else than the caller and whoever it makes up must have signed something. */
function asksOthers({ groups }: PolicyDocument, { require = [], approval }: AllowRule): boolean {
  const isAnyones = (words: readonly string[]): boolean => words.includes("*") || words.includes("$caller");
  const asked = [...require.map((need) => need.by), ...(approval ? [approval.by] : [])];
  return asked.some((by) => !isAnyones(by === "$caller" ? [by] : wordsOf(by, groups)));
}
