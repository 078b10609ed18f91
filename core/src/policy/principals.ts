import type { Did } from "../did/did-key.ts";
import {
  listOf,
  type AllowRule,
  type DenyRule,
  type OneOrMore,
  type PolicyDocument,
  type PolicyMembers,
  type Principal,
} from "./document.ts";
import { anyMatcher, pathGlob, type Matcher } from "./glob.ts";

/** Principals with groups, `@me` and `@roots` looked up: any verified DID, or one of a set, or a SPIFFE ID. */
export interface PrincipalSet {
  readonly any: boolean;
  readonly dids: ReadonlySet<string>;
  readonly spiffe: Matcher | undefined;
}

/** Looks the names up. The document is resolved: `@me` and `@roots` are already replaced. */
export function principalSet(principals: OneOrMore<Principal>, groups: PolicyDocument["groups"]): PrincipalSet {
  const words = wordsOf(principals, groups);
  const patterns = words.filter((word) => word.startsWith("spiffe:"));
  return {
    any: words.includes("*"),
    dids: new Set(words.filter((word) => word.startsWith("did:"))),
    spiffe: patterns.length === 0 ? undefined : anyMatcher(patterns.map(pathGlob)),
  };
}

/** True if the verified identity, or its bound SPIFFE ID, is one of the principals. */
export function includes(set: PrincipalSet, did: string | undefined, spiffe: string | undefined): boolean {
  if (did !== undefined && (set.any || set.dids.has(did))) return true;
  return spiffe !== undefined && set.spiffe?.(spiffe) === true;
}

/** The words behind principals, groups looked up. */
export function wordsOf(principals: OneOrMore<Principal>, groups: PolicyDocument["groups"]): readonly Principal[] {
  return listOf<Principal>(principals).flatMap((word) =>
    word.startsWith("@") ? membersOfGroup(word.slice(1), groups) : [word],
  );
}

function membersOfGroup(name: string, groups: PolicyDocument["groups"] = {}): readonly Principal[] {
  return Object.hasOwn(groups, name) ? listOf<Principal>(groups[name]) : [];
}

/** Principals with the place where they stand. */
export interface PlacedPrincipals {
  readonly path: readonly (string | number)[];
  readonly principals: OneOrMore<Principal>;
}

/** Every use of principals outside `groups`. */
export function principalUses(document: PolicyDocument): PlacedPrincipals[] {
  const uses: PlacedPrincipals[] = [];
  const add = (path: readonly (string | number)[], principals: OneOrMore<Principal> | undefined): void => {
    if (principals !== undefined && principals !== "$caller") uses.push({ path, principals });
  };
  add(["defaults", "approvers"], document.defaults?.approvers);
  for (const [index, rule] of (document.deny ?? []).entries()) add(["deny", index, "agents"], rule.agents);
  for (const [index, rule] of document.allow.entries()) {
    const path = ["allow", index];
    add([...path, "agents"], rule.agents);
    add([...path, "signers"], rule.signers);
    add([...path, "approval", "by"], rule.approval?.by);
    for (const [place, need] of (rule.require ?? []).entries()) add([...path, "require", place, "by"], need.by);
  }
  return uses;
}

/** Replaces `@me` and `@roots` by their members, sorted, so that the digest says who they were when the policy ran. */
export function resolveMembers(document: PolicyDocument, members: PolicyMembers): PolicyDocument {
  const resolve = (principals: OneOrMore<Principal>): OneOrMore<Principal> => {
    const words = listOf<Principal>(principals);
    if (!words.some(isMembers)) return principals;
    return [
      ...new Set(words.flatMap((word): readonly string[] => (isMembers(word) ? membersOf(word, members) : [word]))),
    ];
  };
  const resolveAgents = <T extends DenyRule>(rule: T): T =>
    rule.agents === undefined ? rule : { ...rule, agents: resolve(rule.agents) };
  const resolveAllow = (rule: AllowRule): AllowRule => ({
    ...resolveAgents(rule),
    ...(rule.signers !== undefined && { signers: resolve(rule.signers) }),
    ...(rule.approval && { approval: { ...rule.approval, by: resolve(rule.approval.by) } }),
    ...(rule.require && { require: rule.require.map((need) => ({ ...need, by: resolve(need.by) })) }),
  });
  const { groups, defaults, deny } = document;
  return {
    ...document,
    ...(groups && {
      groups: Object.fromEntries(Object.entries(groups).map(([name, group]) => [name, resolve(group)])),
    }),
    ...(defaults?.approvers !== undefined && { defaults: { ...defaults, approvers: resolve(defaults.approvers) } }),
    ...(deny && { deny: deny.map(resolveAgents) }),
    allow: document.allow.map(resolveAllow),
  };
}

/** The members of `@me` or `@roots`, sorted. */
export function membersOf(word: "@me" | "@roots", members: PolicyMembers): readonly Did[] {
  return [...new Set((word === "@me" ? members.me : members.roots) ?? [])].sort();
}

/** True for the two names that the machine, not the policy, gives meaning to. */
export function isMembers(word: Principal): word is "@me" | "@roots" {
  return word === "@me" || word === "@roots";
}
