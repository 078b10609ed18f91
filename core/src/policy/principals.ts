import type { Did } from "../did/did-key.ts";
import { listOf, type OneOrMore, type PolicyDocument, type PolicyMembers, type Principal } from "./document.ts";

/** Principals with groups, `@me` and `@roots` looked up: any verified DID, or one of a set. */
export interface PrincipalSet {
  readonly any: boolean;
  readonly dids: ReadonlySet<string>;
}

/** Looks the names up. The document is resolved: `@me` and `@roots` are already replaced. */
export function principalSet(principals: OneOrMore<Principal>, groups: PolicyDocument["groups"]): PrincipalSet {
  const words = listOf<Principal>(principals).flatMap((word) =>
    word.startsWith("@") ? membersOfGroup(word.slice(1), groups) : [word],
  );
  return { any: words.includes("*"), dids: new Set(words.filter((word) => word !== "*")) };
}

function membersOfGroup(name: string, groups: PolicyDocument["groups"] = {}): readonly Principal[] {
  return Object.hasOwn(groups, name) ? listOf<Principal>(groups[name]) : [];
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
  return {
    ...document,
    ...(document.groups && {
      groups: Object.fromEntries(Object.entries(document.groups).map(([name, group]) => [name, resolve(group)])),
    }),
    ...(document.deny && {
      deny: document.deny.map((rule) => (rule.agents === undefined ? rule : { ...rule, agents: resolve(rule.agents) })),
    }),
    allow: document.allow.map((rule) => ({ ...rule, agents: resolve(rule.agents) })),
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
