import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { identityFromSeed } from "../did/identity.ts";
import type { Did } from "../did/did-key.ts";
import { couldAllow, decide } from "./decide.ts";
import type { AllowRule, DenyRule, Operators, PolicyDocument } from "./document.ts";
import type { PolicyInput } from "./input.ts";
import { parsePolicy, type Policy } from "./load.ts";

const dids = [1, 2, 3].map((n) => identityFromSeed(new Uint8Array(32).fill(n)).did) as [Did, Did, Did];
const runs = { numRuns: 300 };

// A small world, so that rules, calls and arguments meet often.
const word = fc.constantFrom("a", "ab", "b/c", "b/../c", "");
const scalar = fc.oneof(word, fc.integer({ min: -1, max: 3 }), fc.boolean());
const argument = fc.oneof(scalar, fc.constant(null), fc.array(scalar, { maxLength: 2 }), fc.record({ y: scalar }));
const path = fc.constantFrom("x", "x.y", "x[]", "/z", "/x/0", "constructor", "length");
const pattern = fc.constantFrom("a*", "**", "b/*", "b/**", "ab", "*b");
const number = fc.integer({ min: -1, max: 3 });
const values = fc.array(scalar, { minLength: 1, maxLength: 3 });
const operator: fc.Arbitrary<Operators> = fc
  .oneof(
    fc.tuple(fc.constantFrom("==", "!="), scalar),
    fc.tuple(fc.constantFrom("in", "notIn"), values),
    fc.tuple(fc.constantFrom("<", "<=", ">", ">="), number),
    fc.tuple(fc.constantFrom("like", "notLike"), fc.oneof(pattern, fc.array(pattern, { minLength: 1, maxLength: 2 }))),
    fc.tuple(fc.constant("maxLength"), fc.nat(2)),
  )
  .map(([name, bound]) => ({ [name]: bound }));
const operators = fc.array(operator, { minLength: 1, maxLength: 2 }).map((all): Operators => Object.assign({}, ...all));
const test = fc.oneof(scalar, fc.array(scalar, { minLength: 1, maxLength: 2 }), operators);
const args = fc.oneof(
  fc.dictionary(path, test, { minKeys: 1, maxKeys: 2 }),
  fc.constantFrom({ x: { absent: true as const } }, { "/z": { absent: true as const } }),
);
const agents = fc.oneof(
  fc.constantFrom("*", "@g", "@me", dids[0]),
  fc.subarray(["@g", "@roots", dids[1], dids[2]] as string[], { minLength: 1 }),
);
const target = fc.oneof(
  { weight: 5, arbitrary: fc.record({ tools: fc.constantFrom("read", "re*", "*", "write") }) },
  fc.record({ resources: fc.constantFrom("b/*", "b/**", "**", "a") }),
  fc.record({ prompts: fc.constant("read") }),
  fc.record({ methods: fc.constantFrom("*", "x/*") }),
);
const time = fc.constantFrom("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z");
const trust = fc.oneof(
  fc.constantFrom(0.2, 0.5),
  fc.record({ min: fc.constantFrom(0.2, 0.5), scope: fc.constantFrom("s", "t"), maxAge: fc.constantFrom("1m", "1h") }),
);
/** Absent more often than not, so that rules and calls are not so particular that they never meet. */
const rarely = <T>(item: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: item });
const mostly = <T>(item: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 1, arbitrary: fc.constant(undefined) }, { weight: 9, arbitrary: item });
const rule = <T extends object>(about: object, more: T): T => JSON.parse(JSON.stringify({ ...about, ...more })) as T;
const denyRule = fc
  .tuple(target, fc.record({ agents: mostly(agents), args: mostly(args), from: rarely(time) }))
  .map(([about, more]) => rule(about, more) as DenyRule);
const unknown = fc.constantFrom("deny", "allow-readonly");
const limit = fc.constant({ calls: 1, per: "1m", of: "all" });
const allowRule = fc
  .tuple(
    target,
    fc.record({
      agents,
      trust: rarely(trust),
      unknown: rarely(unknown),
      args: rarely(args),
      closed: rarely(fc.boolean()),
      until: rarely(time),
      limit,
    }),
  )
  .map(([about, more]) => rule(about, more) as AllowRule);
const document: fc.Arbitrary<PolicyDocument> = fc.record({
  apiVersion: fc.constant("peerage.dev/v1"),
  kind: fc.constant("Policy"),
  open: fc.constant(true),
  groups: fc.constant({ g: [dids[0], "@me"] }),
  defaults: fc.constantFrom({}, { scope: "s" }, { unknown: "allow-readonly", maxTrustAge: "1h" } as const),
  readonly: fc.constantFrom("re*", ["b*"]),
  deny: fc.array(denyRule, { maxLength: 1 }),
  allow: fc.array(allowRule, { minLength: 1, maxLength: 4 }),
});
const subject = fc.constantFrom(
  ["tools/call", "read"],
  ["tools/call", "read"],
  ["tools/call", "write"],
  ["resources/read", "b/c"],
  ["resources/subscribe", "b/../c"],
  ["prompts/get", "read"],
  ["x/y", "x/y"],
);
const caller = fc.record({
  did: fc.constantFrom(...dids),
  binding: fc.constantFrom("message", "message", "message", "message", "head"),
  scheme: fc.constant("s"),
});
const given = fc.oneof(fc.dictionary(fc.constantFrom("x", "z", "constructor"), argument, { maxKeys: 2 }), argument);
const scores = fc.record({
  s: rarely(fc.constantFrom(0, 0.2, 0.5, 1)),
  t: rarely(fc.constantFrom(0.3, 0.5)),
  tools: mostly(fc.constantFrom(0.2, 0.5)),
});
const input = fc
  .tuple(
    subject,
    time,
    fc.record({
      caller: mostly(caller),
      args: mostly(given),
      trust: scores,
      trust_age_seconds: mostly(fc.constantFrom(0, 59, 60, 3600)),
    }),
  )
  .map(
    ([[method, about], now, rest]) =>
      rule({ v: 1, now, method, target: about, server: dids[0] }, rest) as unknown as PolicyInput,
  );

const members = { me: [dids[1]], roots: [dids[2]] };
const load = (one: PolicyDocument): Policy => parsePolicy(JSON.stringify(one), members);

describe("properties of decide", () => {
  it("agrees with a naive evaluator that reads the document itself", () => {
    const seen = { allow: 0, deny: 0 };
    fc.assert(
      fc.property(document, fc.array(input, { minLength: 10, maxLength: 10 }), (one, calls) => {
        const policy = load(one);
        for (const call of calls) {
          const decision = decide(policy, call);
          expect(decision.effect === "allow" ? decision.rule : "denied").toBe(naive(policy.document, call) ?? "denied");
          seen[decision.effect]++;
        }
      }),
      runs,
    );
    // Both answers occur often enough to mean something.
    expect(Math.min(seen.allow, seen.deny)).toBeGreaterThan(50);
  });

  it("never turns deny into allow when a deny rule is added", () => {
    fc.assert(
      fc.property(document, denyRule, fc.nat(2), input, (one, extra, at, call) => {
        const deny = [...(one.deny ?? [])];
        deny.splice(at, 0, extra);
        if (decide(load(one), call).effect === "deny") expect(decide(load({ ...one, deny }), call).effect).toBe("deny");
      }),
      runs,
    );
  });

  it("never turns deny into allow when an allow rule gets another condition", () => {
    const condition = fc.oneof(
      fc.record({ trust }),
      fc.record({ closed: fc.constant(true) }),
      fc.record({ until: fc.constant("2026-11-21T00:00:00Z") }),
      fc.record({ from: fc.constant("2026-11-20T12:00:00Z") }),
      fc.record({ args }),
    );
    fc.assert(
      fc.property(document, condition, fc.nat(3), input, (one, extra, at, call) => {
        const allow = one.allow.map((rule, i) => {
          if (i !== at) return rule;
          const { args: more, ...rest } = extra as AllowRule;
          // What the rule already asks stays: a condition is added, none is replaced.
          return {
            ...rest,
            ...rule,
            ...(more && { args: { ...more, ...rule.args } }),
            ...(rest.closed && !rule.args && !more && { closed: true }),
          };
        });
        fc.pre(allow.every((rule) => rule.from === undefined || rule.until === undefined || rule.from < rule.until));
        // Naming an argument opens a closed rule to it, so there `args` is no mere condition.
        fc.pre(!("args" in extra && one.allow[at]?.closed));
        if (decide(load(one), call).effect === "deny")
          expect(decide(load({ ...one, allow }), call).effect).toBe("deny");
      }),
      runs,
    );
  });

  it("has the same effect and reason in any order of the rules", () => {
    fc.assert(
      fc.property(document, input, fc.infiniteStream(fc.nat()), (one, call, keys) => {
        const shuffle = <T>(rules: readonly T[]) =>
          rules
            .map((rule) => [keys.next().value, rule] as const)
            .sort(([a], [b]) => a! - b!)
            .map(([, rule]) => rule);
        const [a, b] = [one, { ...one, deny: shuffle(one.deny ?? []), allow: shuffle(one.allow) }].map((each) =>
          decide(load(each), call),
        );
        expect(a!.effect).toBe(b!.effect);
        if (a!.effect === "deny" && b!.effect === "deny") expect(a!.reason).toBe(b!.reason);
      }),
      runs,
    );
  });

  it("never throws, on any JSON and on what is none", () => {
    const open = parsePolicy(
      `{"apiVersion":"peerage.dev/v1","kind":"Policy","open":true,"allow":[{"tools":"*","agents":"*"}]}`,
    );
    const hostile = new Proxy(
      {},
      {
        get: () => {
          throw new Error("no");
        },
        getOwnPropertyDescriptor: () => {
          throw new Error("no");
        },
      },
    );
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.anything(), fc.constant(hostile)), (any) => {
        expect(decide(open, any as PolicyInput).effect).toBe("deny");
        expect(couldAllow(open, any as PolicyInput)).toBe(false);
        expect(decide(any as Policy, any as PolicyInput).effect).toBe("deny");
      }),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(document, input, fc.jsonValue(), (one, call, any) => {
        expect(["allow", "deny"]).toContain(decide(load(one), { ...call, args: any as never }).effect);
      }),
      runs,
    );
  });

  it("couldAllow hides nothing that some arguments open", () => {
    fc.assert(
      fc.property(document, input, (one, call) => {
        const { args: _, ...listed } = call;
        if (decide(load(one), call).effect === "allow") expect(couldAllow(load(one), listed)).toBe(true);
      }),
      runs,
    );
  });

  it("gives one digest to a document and to what parsePolicy made of it", () => {
    fc.assert(
      fc.property(document, (one) => {
        const policy = load(one);
        expect(parsePolicy(JSON.stringify(policy.document)).digest).toBe(policy.digest);
      }),
      runs,
    );
  });
});

// The naive evaluator: docs/policy.md read aloud, nothing precomputed. Answers with the rule that allows, if one does.

type Truth = boolean | undefined;
const kindOf: Record<string, string> = {
  "tools/call": "tools",
  "prompts/get": "prompts",
  "resources/read": "resources",
  "resources/subscribe": "resources",
};

function naive(policy: PolicyDocument, call: PolicyInput): string | undefined {
  const some = (rule: DenyRule): Truth =>
    every([about(rule, call), inForce(rule, call), who(rule, policy, call), argsOf(rule, call)]);
  if ((policy.deny ?? []).some((rule) => some(rule) !== false)) return undefined;
  const found = policy.allow.findIndex(
    (rule) =>
      some(rule) === true && call.caller?.binding === "message" && trusted(rule, policy, call) && isClosed(rule, call),
  );
  return found === -1 ? undefined : `allow[${found}]`;
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
  return new RegExp(`^${one.replace(/[/]/g, "\\/").replaceAll("*", "[^]*")}$`).test(text);
}

function glob(one: string, text: string): Truth {
  if (one === "**") return true;
  if (text.split("/").some((part) => part === "." || part === "..")) return undefined;
  return new RegExp(`^${one.replaceAll("**", "§").replaceAll("*", "[^/]*").replaceAll("§", "[^]*")}$`).test(text);
}

function inForce(rule: DenyRule, { now }: PolicyInput): boolean {
  return (rule.from === undefined || rule.from <= now) && (rule.until === undefined || now < rule.until);
}

function who(rule: DenyRule, { groups }: PolicyDocument, { caller }: PolicyInput): Truth {
  if (rule.agents === undefined) return true;
  if (!caller) return undefined;
  return [rule.agents]
    .flat()
    .some(
      (one) =>
        one === "*" ||
        one === caller.did ||
        (one.startsWith("@") && [groups![one.slice(1)]!].flat().includes(caller.did)),
    );
}

function trusted(rule: AllowRule, { defaults, readonly }: PolicyDocument, call: PolicyInput): boolean {
  if (rule.trust === undefined) return true;
  const { min, scope, maxAge } =
    typeof rule.trust === "number" ? { min: rule.trust, scope: undefined, maxAge: undefined } : rule.trust;
  const score = call.trust[scope ?? defaults?.scope ?? "tools"];
  const limit = { "1m": 60, "1h": 3600, "24h": 86_400 }[maxAge ?? defaults?.maxTrustAge ?? "24h"]!;
  if (score !== undefined && call.trust_age_seconds !== undefined && call.trust_age_seconds < limit)
    return score >= min;
  return (
    (rule.unknown ?? defaults?.unknown) === "allow-readonly" &&
    [readonly!].flat().some((one) => nameMatches(one, call.target))
  );
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
