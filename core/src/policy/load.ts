import type { JsonValue } from "../json/types.ts";
import { digest, type Digest } from "../json/digest.ts";
import { checkRules } from "./check.ts";
import { compile, type CompiledPolicy } from "./compile.ts";
import type { PolicyDocument, PolicyMembers } from "./document.ts";
import { policySchema } from "./grammar.ts";
import { problemsOf } from "./issues.ts";
import { resolveMembers } from "./principals.ts";
import { policyInvalid, type PolicyProblem } from "./problem.ts";
import { readYaml, type Path } from "./read-yaml.ts";
import { findWarnings } from "./warnings.ts";

/** At most so many rules, deny and allow together. */
export const MAX_POLICY_RULES = 10_000;

/** A policy that was read, checked and compiled; only {@link parsePolicy} makes one. */
export interface Policy {
  /** The digest of `document`: the same policy, whatever its comments, layout and order of keys. */
  readonly digest: Digest;
  /** The document with `@me` and `@roots` replaced by their members. Reading it again gives the same digest. */
  readonly document: PolicyDocument;
  /** What is allowed but probably not meant. */
  readonly warnings: readonly PolicyProblem[];
  readonly compiled: CompiledPolicy;
}

/**
 * Reads a policy: YAML 1.2 or JSON, at most 1 MiB and 10,000 rules. Anything unknown to this version is refused: a guard
 * that does not know a condition must not run without it.
 * @param members who `@me` and `@roots` are; nobody if left out
 * @throws {PeerageError} ERR_POLICY_INVALID; the message names line, place and fix of up to ten problems
 * @see docs/policy.md
 */
export function parsePolicy(text: string, members: PolicyMembers = {}): Policy {
  const source = readYaml(text);
  const located = (problem: PolicyProblem): PolicyProblem => ({ line: source.lineOf(problem.path ?? []), ...problem });
  const refuse = (problems: readonly PolicyProblem[]): void => {
    if (problems.length > 0) throw policyInvalid(problems.map(located));
  };
  const result = policySchema.safeParse(source.value);
  if (!result.success) refuse(problemsOf(result.error.issues, (path) => valueAt(source.value, path)));
  // The value as read, not the schema's copy: the digest is over every member that was written.
  const written = source.value as unknown as PolicyDocument;
  if ((written.deny?.length ?? 0) + written.allow.length > MAX_POLICY_RULES) {
    refuse([{ path: ["allow"], message: "a policy has at most 10,000 rules" }]);
  }
  refuse(checkRules(written));
  const document = resolveMembers(written, members);
  return {
    digest: digest(document as unknown as JsonValue),
    document,
    warnings: findWarnings(written, members).map(located),
    compiled: compile(document),
  };
}

function valueAt(value: JsonValue, path: Path): unknown {
  let at: unknown = value;
  for (const part of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<string | number, unknown>)[part];
  }
  return at;
}
