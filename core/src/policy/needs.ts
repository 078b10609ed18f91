import { approvalRequirement } from "../history/approval.ts";
import type { Requirement } from "../history/requirement.ts";
import { compileArgs } from "./args.ts";
import { listOf, type Approval, type Need, type PolicyDocument } from "./document.ts";
import { anyMatcher, nameGlob } from "./glob.ts";
import { includes, principalSet, wordsOf } from "./principals.ts";
import { parseDuration } from "./time.ts";
import { approvalText, needText } from "./wording.ts";

/** One item of `require`, compiled. */
export interface CompiledNeed {
  readonly requirement: Requirement;
  readonly wanted: string;
}

/** `approval`, or the one by which a person stands in for trust, compiled. */
export interface CompiledApproval extends CompiledNeed {
  /** Who may approve, groups looked up: DIDs, SPIFFE ID patterns, or `"*"`. */
  readonly approvers: readonly string[];
  readonly timeoutSeconds: number;
}

/** Compiles `require`: each need after those that it builds on. */
export function compileNeeds(needs: readonly Need[], document: PolicyDocument): CompiledNeed[] {
  return inOrder(needs).map((need) => ({ requirement: compileNeed(need, document), wanted: needText(need) }));
}

export function compileApproval(approval: Approval, document: PolicyDocument): CompiledApproval {
  const approvers = principalSet(approval.by, document.groups);
  const timeoutSeconds = parseDuration(approval.timeout ?? "10m") ?? 0;
  const requirement = approvalRequirement({
    by: (agent, spiffe) => includes(approvers, agent, spiffe),
    withinSeconds: parseDuration(approval.within ?? "30m") ?? 0,
    timeoutSeconds,
    count: approval.count ?? 1,
    after: listOf<string>(approval.after),
    self: approval.self ?? false,
  });
  const words = [...new Set(wordsOf(approval.by, document.groups))];
  return { requirement, wanted: approvalText(approval), approvers: words, timeoutSeconds };
}

/**
 * The needs of a rule so that each stands after those whose step it names in `after`; undefined entries of a cycle are
 * left out, which the load check reports.
 */
export function inOrder(needs: readonly Need[]): readonly Need[] {
  const done: Need[] = [];
  let open = [...needs];
  for (let before = -1; before !== done.length;) {
    before = done.length;
    const isReady = (need: Need): boolean =>
      listOf<string>(need.after).every((step) => !open.some((other) => other.step === step));
    done.push(...open.filter(isReady));
    open = open.filter((need) => !done.includes(need));
  }
  return done;
}

function compileNeed(need: Need, document: PolicyDocument): Requirement {
  const by = need.by === "$caller" ? undefined : principalSet(need.by, document.groups);
  const facts = need.sub && compileArgs(need.sub);
  return {
    step: need.step,
    by: by && ((agent, spiffe) => includes(by, agent, spiffe)),
    results: new Set(listOf<string>(need.result ?? ["approved", "passed"])),
    withinSeconds: need.within === undefined ? Infinity : (parseDuration(need.within) ?? 0),
    binds: need.binds ?? "run",
    count: need.count ?? 1,
    after: listOf<string>(need.after),
    once: need.once ?? false,
    self: need.self ?? false,
    atStart: need.at === "start",
    tool: need.tool === undefined ? undefined : anyMatcher(listOf<string>(need.tool).map(nameGlob)),
    sub: facts && ((sub) => facts.tests.every(({ test }) => test(sub ?? {}) === true)),
    maxLifetimeSeconds: Infinity,
    adverseSeconds: Infinity,
  };
}
