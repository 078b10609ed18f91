import { member, type JsonObject } from "../json/types.ts";
import { SKEW_SECONDS } from "../time.ts";
import type { EntryFacts, Evidence } from "./evidence.ts";

/** What an entry must speak of: the run, the called tool, or this very request of this caller at this guard. */
export type Binds = "run" | "tool" | "request";

/** One thing that a history must prove. Every condition of it holds of one and the same entry. */
export interface Requirement {
  readonly step: string;
  /** Whose entries count; undefined for the caller's own. */
  readonly by: ((agent: string, spiffe: string | undefined) => boolean) | undefined;
  readonly results: ReadonlySet<string>;
  /** Infinity if the age does not matter. */
  readonly withinSeconds: number;
  readonly binds: Binds;
  /** So many different signers. */
  readonly count: number;
  /** Steps of the requirements that must be met by an ancestor. */
  readonly after: readonly string[];
  /** True: an entry counts once. */
  readonly once: boolean;
  /** True: an entry of the caller's own counts too. */
  readonly self: boolean;
  /** True: only an entry without `prev`. */
  readonly atStart: boolean;
  /** The tool that the entry names. */
  readonly tool: ((name: string) => boolean | undefined) | undefined;
  /** Tests of the entry's `sub`. */
  readonly sub: ((sub: JsonObject | undefined) => boolean) | undefined;
  /** The entry must expire, and within this time of its signing; Infinity if it need not. */
  readonly maxLifetimeSeconds: number;
  /** How long an adverse entry of another run counts against this one. */
  readonly adverseSeconds: number;
}

/** What is judged: one call, at one time. */
export interface JudgedCall {
  /** Unix seconds. */
  readonly now: number;
  readonly caller: string | undefined;
  readonly guard: string;
  readonly req: string | undefined;
  readonly tool: string | undefined;
  /** Digest of the policy that rules. */
  readonly policy: string | undefined;
  /** True for the digest of an entry that was used up; without it nothing that counts once counts. */
  readonly spent: ((digest: string) => boolean) | undefined;
}

/** Why an entry that has the right step, signer and binding does not count. */
export type Defect = "adverse" | "policy" | "lifetime" | "expired" | "age" | "spent" | "order" | "overridden";

/** The places of the entries that counted, by the step of the requirement they counted for. */
export type Counted = ReadonlyMap<string, readonly (readonly number[])[]>;

/** The answer to one requirement; places refer to `Evidence.entries`. */
export interface RequirementVerdict {
  readonly met: boolean;
  /** The entries that count. */
  readonly counting: readonly number[];
  /** Their different signers. */
  readonly signers: number;
  /** Adverse entries that no later candidate was given in knowledge of. */
  readonly standing: readonly number[];
  /** All adverse entries: what a new entry must build on. */
  readonly adverse: readonly number[];
  /** The candidates that do not count, and why. */
  readonly defects: readonly { readonly place: number; readonly defect: Defect }[];
}

/**
 * Judges one requirement over verified entries. An entry counts if it is usable and every adverse candidate is among its
 * ancestors: a later denial overrides, of two parallel branches the denial wins.
 * @see docs/policy.md, P-REQ
 */
export function judgeRequirement(
  requirement: Requirement,
  evidence: Evidence,
  call: JudgedCall,
  counted: Counted,
): RequirementVerdict {
  const adverse: number[] = [];
  const favourable: number[] = [];
  for (const place of evidence.withStep(requirement.step)) {
    const entry = evidence.entries[place];
    if (entry === undefined || !isCandidate(requirement, entry, call)) continue;
    if (!isAdverse(requirement, entry)) favourable.push(place);
    else if (!isForgotten(requirement, entry, call.now)) adverse.push(place);
  }
  if (favourable.length === 0 && adverse.length === 0) return nothing;
  const counting: number[] = [];
  const defects: { place: number; defect: Defect }[] = adverse.map((place) => ({ place, defect: "adverse" }));
  for (const place of favourable) {
    const defect = defectOf(requirement, evidence, place, adverse, call, counted);
    if (defect === undefined) counting.push(place);
    else defects.push({ place, defect });
  }
  const signers = countSigners(evidence, counting);
  const standing = adverse.filter((denial) => !favourable.some((place) => evidence.descends(place, denial)));
  return { met: signers >= requirement.count, counting, signers, standing, adverse, defects };
}

const nothing: RequirementVerdict = { met: false, counting: [], signers: 0, standing: [], adverse: [], defects: [] };

/** True for an entry that speaks to this requirement, for it or against it. */
function isCandidate(requirement: Requirement, entry: EntryFacts, call: JudgedCall): boolean {
  const { by, self, binds, atStart, tool } = requirement;
  if (entry.otherRun && binds !== "request") return false;
  const isCallers = entry.agent === call.caller;
  if (by === undefined ? !isCallers : !by(entry.agent, entry.spiffe) || (isCallers && !self)) return false;
  if (atStart && entry.prev.length > 0) return false;
  // A denial without `req` covers every request; an approval without one covers none.
  if (binds === "request" && entry.req === undefined) return isAdverse(requirement, entry);
  if (tool !== undefined && !(entry.tool !== undefined && tool(entry.tool) === true)) return false;
  if (binds === "tool") return call.tool !== undefined && entry.tool === call.tool;
  if (binds === "run") return true;
  return (
    entry.req === call.req &&
    entry.aud === call.guard &&
    call.caller !== undefined &&
    member(entry.sub, "caller") === call.caller
  );
}

function isAdverse({ results, sub }: Requirement, entry: EntryFacts): boolean {
  return !results.has(entry.result) || (sub !== undefined && !sub(entry.sub));
}

function isForgotten({ adverseSeconds }: Requirement, entry: EntryFacts, now: number): boolean {
  return entry.otherRun && Math.max(0, now - entry.issuedAt) >= adverseSeconds;
}

/** Why a favourable candidate does not count; undefined if it does. */
function defectOf(
  requirement: Requirement,
  evidence: Evidence,
  place: number,
  adverse: readonly number[],
  call: JudgedCall,
  counted: Counted,
): Defect | undefined {
  for (const denial of adverse) if (!evidence.descends(place, denial)) return "overridden";
  const entry = evidence.entries[place] as EntryFacts;
  return entryDefect(requirement, entry, call) ?? orderDefect(requirement, evidence, place, counted);
}

function countSigners({ entries }: Evidence, counting: readonly number[]): number {
  if (counting.length < 2) return counting.length;
  return new Set(counting.map((place) => entries[place]?.agent)).size;
}

/** What is wrong with one entry, whatever the others say. */
function entryDefect(requirement: Requirement, entry: EntryFacts, call: JudgedCall): Defect | undefined {
  const { binds, once, withinSeconds, maxLifetimeSeconds } = requirement;
  const { issuedAt, expiresAt } = entry;
  if (binds === "request") {
    const policy = member(entry.sub, "policy");
    if (policy !== undefined && policy !== call.policy) return "policy";
  }
  if (maxLifetimeSeconds !== Infinity && !(expiresAt !== undefined && expiresAt - issuedAt <= maxLifetimeSeconds)) {
    return "lifetime";
  }
  if (expiresAt !== undefined && call.now >= expiresAt) return "expired";
  // Skew lets a signer's clock run ahead; it never lengthens the window.
  if (issuedAt > call.now + SKEW_SECONDS || Math.max(0, call.now - issuedAt) > withinSeconds) return "age";
  return once && call.spent?.(entry.digest) !== false ? "spent" : undefined;
}

function orderDefect(
  requirement: Requirement,
  evidence: Evidence,
  place: number,
  counted: Counted,
): Defect | undefined {
  for (const step of requirement.after) {
    const groups = counted.get(step) ?? [];
    const buildsOn = (group: readonly number[]): boolean => group.some((before) => evidence.descends(place, before));
    if (groups.length === 0 || !groups.every(buildsOn)) return "order";
  }
  return undefined;
}
