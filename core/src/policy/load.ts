import type { JsonValue } from "../json/types.ts";
import { digest, type Digest } from "../json/digest.ts";
import { checkRules } from "./check.ts";
import { compile, type CompiledPolicy } from "./compile.ts";
import type { PolicyDocument, PolicyMembers } from "./document.ts";
import { compileExpressions, missingAdapters, type PolicyEngines } from "./engines.ts";
import { readPolicy, type PolicyFile } from "./merge.ts";
import { resolveMembers } from "./principals.ts";
import { policyInvalid, type PolicyProblem } from "./problem.ts";
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
 * Reads a policy: YAML 1.2 or JSON, at most 1 MiB a text and 10,000 rules. Anything unknown to this version is refused:
 * a guard that does not know a condition must not run without it.
 * @param policy one text, or the files of a directory, which are merged in the order of their names
 * @param members who `@me` and `@roots` are; nobody if left out
 * @param engines what carries out `when` and `also`; without them a policy that uses these is refused
 * @throws {PeerageError} ERR_POLICY_INVALID; the message names file, line, place and fix of up to ten problems
 * @see docs/policy.md
 */
export function parsePolicy(
  policy: string | readonly PolicyFile[],
  members: PolicyMembers = {},
  engines: PolicyEngines = {},
): Policy {
  const { written, located } = readPolicy(policy);
  const refuse = (problems: readonly PolicyProblem[]): void => {
    if (problems.length > 0) throw policyInvalid(problems.map(located));
  };
  if ((written.deny?.length ?? 0) + written.allow.length > MAX_POLICY_RULES) {
    refuse([{ path: ["allow"], message: "a policy has at most 10,000 rules" }]);
  }
  refuse([...checkRules(written), ...missingAdapters(written, engines)]);
  const { whens, problems } = compileExpressions(written, engines);
  refuse(problems);
  const document = resolveMembers(written, members);
  return {
    digest: digest(document as unknown as JsonValue),
    document,
    warnings: findWarnings(written, members).map(located),
    compiled: compile(document, whens),
  };
}
