import type {
  AllowRule,
  Approval,
  DenyRule,
  EntryDocument,
  Need,
  PolicyDocument,
  PolicyInput,
} from "../core/src/index.ts";
import { dids } from "./_policy-world.ts";

// The naive evaluator: docs/policy.md read aloud, nothing precomputed, quantifier by quantifier. It shares no code with
// the one that guards run.

type Truth = boolean | undefined;
type Spent = (digest: string) => boolean;
const kindOf: Record<string, string> = {
  "tools/call": "tools",
  "prompts/get": "prompts",
  "resources/read": "resources",
  "resources/subscribe": "resources",
};

/** `allow <rule>`, `ask <rule>` or the reason of the refusal. */
export function naive(policy: PolicyDocument, digest: string, call: PolicyInput, spent: Spent): string {
  const isDenied = (policy.deny ?? []).some((rule) => {
    const truths = [
      about(rule, call),
      inForce(rule, call),
      who(rule, policy, call, true),
      spiffeOf(rule, call, true),
      argsOf(rule, call),
      when(rule, call),
    ];
    return every(truths) !== false;
  });
  if (isDenied) return "ERR_POLICY_DENIED";
  const answers = policy.allow.map((rule, index) => `${judge(rule, policy, digest, call, spent)} allow[${index}]`);
  const allowed = answers.find((answer) => answer.startsWith("holds "));
  if (allowed) return allowed.replace("holds", "allow");
  if (answers.some((answer) => answer.startsWith("denied "))) return "ERR_APPROVAL_DENIED";
  const asked = answers.find((answer) => answer.startsWith("ask "));
  if (asked) return asked;
  if (answers.some((answer) => answer.startsWith("trust "))) return "ERR_TRUST_INSUFFICIENT";
  return answers.some((answer) => answer.startsWith("spiffe ")) ? "ERR_SPIFFE_REQUIRED" : "ERR_POLICY_DENIED";
}

/** `holds`, `ask`, `denied`, `trust`, `spiffe` for what lacks that alone, or `fails`. */
function judge(rule: AllowRule, policy: PolicyDocument, digest: string, call: PolicyInput, spent: Spent): string {
  const candidate = [about(rule, call), inForce(rule, call), who(rule, policy, call, false)];
  if (every(candidate) !== true) return "fails";
  const needs = rule.require ?? [];
  const hasCustody =
    rule.custody === "any" || (needs.length === 0 && rule.approval?.after === undefined) || call.in_custody === true;
  const conditions = [
    isBound(rule, call),
    argsOf(rule, call),
    isClosed(rule, call),
    hasCustody,
    signedBy(rule, policy, call),
    when(rule, call),
  ];
  if (every(conditions) !== true) return "fails";
  const world = { policy, digest, call, spent, needs };
  if (!needs.every((need) => isMet(need, world))) return "fails";
  const score = trusted(rule, policy, call);
  const lacks = [spiffeOf(rule, call, false) === true ? "" : "spiffe", score === "no" ? "trust" : ""].filter(Boolean);
  if (lacks.length > 0) return lacks.length === 1 ? lacks[0]! : "fails";
  const wanted = rule.approval ?? (score === "human" ? { by: policy.defaults!.approvers! } : undefined);
  if (wanted === undefined) return "holds";
  const need = approvalNeed(wanted);
  if (isMet(need, world)) return "holds";
  const standing = entriesOf(call).some(
    (denial) =>
      isAdverse(need, denial, world) &&
      secondsSince(denial.timestamp, call) < seconds(wanted.timeout ?? "10m") &&
      !entriesOf(call).some(
        (later) => isFavourable(need, later, world) && ancestors(later, call).includes(denial.digest),
      ),
  );
  return standing ? "denied" : "ask";
}

interface World {
  readonly policy: PolicyDocument;
  readonly digest: string;
  readonly call: PolicyInput;
  readonly spent: Spent;
  readonly needs: readonly Need[];
}
/** An approval as the requirement that it is. */
type AnyNeed = Need & { readonly forgetsAfter?: number; readonly mustEnd?: true };

function approvalNeed({ by, within = "30m", timeout = "10m", count = 1, after = [], self = false }: Approval): AnyNeed {
  const need = {
    step: "human_approval",
    by,
    result: "approved",
    binds: "request",
    once: true,
    within,
    count,
    after,
    self,
  } as const;
  return { ...need, forgetsAfter: seconds(timeout), mustEnd: true };
}

function isMet(need: AnyNeed, world: World): boolean {
  const signers = entriesOf(world.call)
    .filter((one) => counts(need, one, world))
    .map((one) => one.agent);
  return new Set(signers).size >= (need.count ?? 1);
}

/** Usable, and every adverse candidate among its ancestors. */
function counts(need: AnyNeed, one: EntryDocument, world: World): boolean {
  const { call, digest, spent, needs } = world;
  if (!isFavourable(need, one, world)) return false;
  const before = ancestors(one, call);
  if (entriesOf(call).some((other) => isAdverse(need, other, world) && !before.includes(other.digest))) return false;
  if (need.binds === "request" && "policy" in one.sub && one.sub["policy"] !== digest) return false;
  const issued = Date.parse(one.timestamp) / 1000;
  const ends = one.expires === undefined ? undefined : Date.parse(one.expires) / 1000;
  if (need.mustEnd && (ends === undefined || ends - issued > 86_400)) return false;
  const now = Date.parse(call.now) / 1000;
  if (ends !== undefined && !(ends > now)) return false;
  if (need.within !== undefined && secondsSince(one.timestamp, call) > seconds(need.within)) return false;
  if (issued > now + 30 || (need.once === true && spent(one.digest))) return false;
  return [need.after ?? []]
    .flat()
    .every((step) =>
      needs
        .filter((other) => other.step === step)
        .every(
          (other) =>
            isMet(other, world) &&
            entriesOf(call).some((early) => before.includes(early.digest) && counts(other, early, world)),
        ),
    );
}

function isFavourable(need: AnyNeed, one: EntryDocument, world: World): boolean {
  return isCandidate(need, one, world) && !fails(need, one);
}

function isAdverse(need: AnyNeed, one: EntryDocument, world: World): boolean {
  if (!isCandidate(need, one, world) || !fails(need, one)) return false;
  return !(one.run !== undefined && secondsSince(one.timestamp, world.call) >= (need.forgetsAfter ?? Infinity));
}

function fails(need: AnyNeed, one: EntryDocument): boolean {
  if (![need.result ?? ["approved", "passed"]].flat().includes(one.result)) return true;
  return Object.entries(need.sub ?? {}).some(([where, wanted]) => argument1(where, wanted, one.sub) !== true);
}

function isCandidate(need: AnyNeed, one: EntryDocument, { policy, call }: World): boolean {
  const caller = call.caller?.did;
  if (one.step !== need.step) return false;
  if (one.run !== undefined && need.binds !== "request") return false;
  if (need.by === "$caller" ? one.agent !== caller : !listed(need.by, policy, one.agent, one.spiffe)) return false;
  if (need.by !== "$caller" && need.self !== true && one.agent === caller) return false;
  if (need.at === "start" && one.prev.length > 0) return false;
  if (need.binds === "request" && one.req === undefined) return fails(need, one);
  if (
    need.tool !== undefined &&
    !(one.tool !== undefined && [need.tool].flat().some((name) => nameMatches(name, one.tool!)))
  )
    return false;
  if (need.binds === "tool") return kindOf[call.method] === "tools" && one.tool === call.target;
  if (need.binds !== "request") return true;
  return one.req === call.req && one.aud === call.server && caller !== undefined && one.sub["caller"] === caller;
}

function entriesOf(call: PolicyInput): readonly EntryDocument[] {
  return [...(call.history ?? []), ...(call.held ?? [])];
}

function ancestors(one: EntryDocument, call: PolicyInput): string[] {
  return one.prev.flatMap((digest) => {
    const before = entriesOf(call).find((other) => other.digest === digest);
    return before ? [digest, ...ancestors(before, call)] : [digest];
  });
}

function secondsSince(timestamp: string, { now }: PolicyInput): number {
  return Math.max(0, (Date.parse(now) - Date.parse(timestamp)) / 1000);
}

function seconds(duration: string): number {
  return Number.parseInt(duration, 10) * { s: 1, m: 60, h: 3600, d: 86_400 }[duration.at(-1) as "s" | "m" | "h" | "d"];
}

function every(all: Truth[]): Truth {
  return all.includes(false) ? false : all.includes(undefined) ? undefined : true;
}

function about(rule: DenyRule, { method, target }: PolicyInput): Truth {
  const kind = kindOf[method] ?? "methods";
  const patterns = (rule as Record<string, string | string[] | undefined>)[kind];
  if (patterns === undefined) return false;
  const verdicts = [patterns]
    .flat()
    .map((one) => (kind === "resources" ? glob(one, target) : nameMatches(one, target)));
  return verdicts.includes(true) ? true : verdicts.includes(undefined) ? undefined : false;
}

function nameMatches(one: string, text: string): boolean {
  return new RegExp(`^${one.replaceAll("/", "\\/").replaceAll("*", "[^]*")}$`).test(text);
}

function glob(one: string, text: string): Truth {
  if (one === "**") return true;
  if (text.split("/").some((part) => part === "." || part === "..")) return undefined;
  return new RegExp(`^${one.replaceAll("**", "§").replaceAll("*", "[^/]*").replaceAll("§", "[^]*")}$`).test(text);
}

function inForce(rule: DenyRule, { now }: PolicyInput): boolean {
  return (rule.from === undefined || rule.from <= now) && (rule.until === undefined || now < rule.until);
}

function who(rule: DenyRule, policy: PolicyDocument, { caller }: PolicyInput, seesUnbound: boolean): Truth {
  if (rule.agents === undefined) return true;
  if (!caller) return undefined;
  const ids = seesUnbound ? [caller.spiffe, caller.spiffe_unbound] : [caller.spiffe];
  return ids.some((id) => listed(rule.agents!, policy, caller.did, id));
}

function listed(
  by: string | readonly string[],
  { groups }: PolicyDocument,
  did: string | undefined,
  id: string | undefined,
): boolean {
  const words = [by]
    .flat()
    .flatMap((word) => (word.startsWith("@") ? [groups![word.slice(1)]!].flat() : [word]))
    .map(String);
  return words.some(
    (word) =>
      (did !== undefined && (word === "*" || word === did)) ||
      (word.startsWith("spiffe:") && id !== undefined && glob(word, id) === true),
  );
}

function spiffeOf(rule: DenyRule, { caller }: PolicyInput, seesUnbound: boolean): Truth {
  if (rule.spiffe === undefined) return true;
  if (!caller) return undefined;
  const ids = seesUnbound ? [caller.spiffe, caller.spiffe_unbound] : [caller.spiffe];
  const patterns = [rule.spiffe].flat().map(String);
  return ids.some((id) => id !== undefined && patterns.some((one) => glob(one, id) === true));
}

function when(rule: DenyRule, { caller }: PolicyInput): Truth {
  const truths: Record<string, Truth> = {
    yes: true,
    no: false,
    mine: caller?.did === dids[1],
    fails: undefined,
    odd: undefined,
  };
  return rule.when === undefined ? true : truths[rule.when];
}

function isBound(rule: AllowRule, { caller }: PolicyInput): boolean {
  const levels = ["none", "connection", "head", "body", "message"];
  return caller !== undefined && levels.indexOf(caller.binding) >= levels.indexOf(rule.binding ?? "message");
}

function signedBy(rule: AllowRule, policy: PolicyDocument, call: PolicyInput): boolean {
  if (rule.signers === undefined) return true;
  return (call.history ?? []).every(
    (one) => one.agent === call.server || listed(rule.signers!, policy, one.agent, one.spiffe),
  );
}

function trusted(rule: AllowRule, { defaults, readonly }: PolicyDocument, call: PolicyInput): "yes" | "no" | "human" {
  if (rule.trust === undefined) return "yes";
  const { min, scope, maxAge } =
    typeof rule.trust === "number" ? { min: rule.trust, scope: undefined, maxAge: undefined } : rule.trust;
  const score = call.trust[scope ?? defaults?.scope ?? "tools"];
  const oldest = seconds(maxAge ?? defaults?.maxTrustAge ?? "24h");
  if (score !== undefined && call.trust_age_seconds !== undefined && call.trust_age_seconds < oldest) {
    return score >= min ? "yes" : "no";
  }
  const unknown = rule.unknown ?? defaults?.unknown;
  if (unknown === "ask-human") return "human";
  const reads = [readonly!]
    .flat()
    .map(String)
    .some((one) => nameMatches(one, call.target));
  return unknown === "allow-readonly" && reads ? "yes" : "no";
}

function isClosed(rule: AllowRule, { args: given }: PolicyInput): boolean {
  if (!rule.closed) return true;
  if (typeof given !== "object" || given === null || Array.isArray(given))
    return Array.isArray(given) && given.length === 0;
  const named = Object.keys(rule.args ?? {});
  return Object.entries(given).every(([name, value]) => {
    if (named.some((one) => [name, `/${name}`, `${name}[]`].includes(one))) return true;
    const inner = named.flatMap((one) =>
      one.startsWith(`${name}.`) || one.startsWith(`/${name}/`) ? [one.replace(/^\//, "").slice(name.length + 1)] : [],
    );
    if (inner.length === 0) return false;
    return typeof value !== "object" || value === null || Object.keys(value).every((key) => inner.includes(key));
  });
}

function argsOf(rule: DenyRule, call: PolicyInput): Truth {
  return every(Object.entries(rule.args ?? {}).map(([where, wanted]) => argument1(where, wanted, call.args)));
}

function argument1(where: string, wanted: unknown, all: unknown): Truth {
  const each = where.endsWith("[]");
  const parts = where.replace("[]", "").split(/[./]/).filter(Boolean);
  let value: unknown = all;
  for (const part of parts) {
    if (typeof value !== "object" || value === null || (Array.isArray(value) && !/^\d+$/.test(part))) return undefined;
    if (!Object.keys(value).includes(part)) return isAbsent(wanted) ? true : undefined;
    value = (value as Record<string, unknown>)[part];
  }
  if (isAbsent(wanted)) return value === null ? undefined : false;
  if (!each) return meets(wanted, value);
  return Array.isArray(value) && value.length > 0 ? every(value.map((one) => meets(wanted, one))) : undefined;
}

function isAbsent(wanted: unknown): boolean {
  return typeof wanted === "object" && wanted !== null && "absent" in wanted;
}

function meets(wanted: unknown, value: unknown): Truth {
  if (Array.isArray(wanted)) return among(wanted, value);
  if (typeof wanted !== "object") return among([wanted], value);
  const not = (truth: Truth): Truth => (truth === undefined ? undefined : !truth);
  const compare = (holds: (n: number) => boolean): Truth => (typeof value === "number" ? holds(value) : undefined);
  const like = (globs: string | string[]): Truth => {
    if (typeof value !== "string") return undefined;
    const verdicts = [globs].flat().map((one) => glob(one, value));
    return verdicts.includes(true) ? true : verdicts.includes(undefined) ? undefined : false;
  };
  const answers: Record<string, (bound: never) => Truth> = {
    "==": (bound) => among([bound], value),
    "!=": (bound) => not(among([bound], value)),
    in: (bound) => among(bound, value),
    notIn: (bound) => not(among(bound, value)),
    "<": (bound) => compare((n) => n < bound),
    "<=": (bound) => compare((n) => n <= bound),
    ">": (bound) => compare((n) => n > bound),
    ">=": (bound) => compare((n) => n >= bound),
    like: (bound) => like(bound),
    notLike: (bound) => not(like(bound)),
    maxLength: (bound) => (typeof value === "string" ? Array.from(value).length <= bound : undefined),
  };
  return every(Object.entries(wanted!).map(([operator, bound]) => answers[operator]!(bound as never)));
}

function among(list: unknown[], value: unknown): Truth {
  if (list.includes(value)) return true;
  return list.some((one) => typeof one === typeof value) ? false : undefined;
}
