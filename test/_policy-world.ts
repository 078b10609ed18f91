import fc from "./_properties.ts";
import type {
  AllowRule,
  Approval,
  CompileWhen,
  DenyRule,
  Did,
  EntryDocument,
  Need,
  Operators,
  PolicyDocument,
  PolicyInput,
} from "../core/src/index.ts";
import { parsePolicy, type Policy } from "../core/src/index.ts";
import { seeded } from "./_history.ts";

// A small world, so that generated rules, calls, arguments and entries meet often.

export const dids: [Did, Did, Did] = [seeded(1).did, seeded(2).did, seeded(3).did];
export const server: Did = seeded(9).did;
export const members: { me: Did[]; roots: Did[] } = { me: [dids[1]], roots: [dids[2]] };
const req = `sha256:${"a".repeat(64)}`;
const otherReq = `sha256:${"b".repeat(64)}`;

/** The expressions of the generated policies, by what they say. */
export const compileWhen: CompileWhen = (expression) => (input) => {
  if (expression === "fails") throw new Error("no such field");
  if (expression === "odd") return 1;
  return expression === "mine" ? input.caller?.did === dids[1] : expression === "yes";
};

/** Loads a generated document. */
export function load(document: PolicyDocument): Policy {
  return parsePolicy(JSON.stringify(document), members, { compileWhen });
}

/** Absent more often than not, so that rules and calls are not so particular that they never meet. */
function rarely<T>(item: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: item });
}
function mostly<T>(item: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 1, arbitrary: fc.constant(undefined) }, { weight: 9, arbitrary: item });
}
/** Without the members that are undefined. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- what the parts make up, the caller says
function plain<T>(...parts: object[]): T {
  return JSON.parse(JSON.stringify(Object.assign({}, ...parts))) as T;
}

const scalar = fc.oneof(fc.constantFrom("a", "ab", "b/c", "b/../c", ""), fc.integer({ min: -1, max: 3 }), fc.boolean());
const argument = fc.oneof(scalar, fc.constant(null), fc.array(scalar, { maxLength: 2 }), fc.record({ y: scalar }));
const path = fc.constantFrom("x", "x.y", "x[]", "/z", "/x/0", "constructor", "length");
const pattern = fc.constantFrom("a*", "**", "b/*", "b/**", "ab", "*b");
const values = fc.array(scalar, { minLength: 1, maxLength: 3 });
const operator: fc.Arbitrary<Operators> = fc
  .oneof(
    fc.tuple(fc.constantFrom("==", "!="), scalar),
    fc.tuple(fc.constantFrom("in", "notIn"), values),
    fc.tuple(fc.constantFrom("<", "<=", ">", ">="), fc.integer({ min: -1, max: 3 })),
    fc.tuple(fc.constantFrom("like", "notLike"), fc.oneof(pattern, fc.array(pattern, { minLength: 1, maxLength: 2 }))),
    fc.tuple(fc.constant("maxLength"), fc.nat(2)),
  )
  .map(([name, bound]) => ({ [name]: bound }));
const operators = fc.array(operator, { minLength: 1, maxLength: 2 }).map((all): Operators => Object.assign({}, ...all));
const test = fc.oneof(scalar, fc.array(scalar, { minLength: 1, maxLength: 2 }), operators);
export const args: fc.Arbitrary<Record<string, never>> = fc.oneof(
  fc.dictionary(path, test, { minKeys: 1, maxKeys: 2 }),
  fc.constantFrom({ x: { absent: true as const } }, { "/z": { absent: true as const } }),
) as never;

const agents = fc.oneof(
  { weight: 3, arbitrary: fc.constant("*") },
  { weight: 2, arbitrary: fc.constantFrom("@g", "@me", dids[0], "spiffe://t/a/*") },
  { weight: 1, arbitrary: fc.subarray(["@g", "@roots", dids[1], dids[2]] as string[], { minLength: 1 }) },
);
const target = fc.oneof(
  { weight: 8, arbitrary: fc.record({ tools: fc.constantFrom("read", "re*", "*", ["write", "read"], "write") }) },
  { weight: 1, arbitrary: fc.record({ resources: fc.constantFrom("b/*", "b/**", "**", "a") }) },
  {
    weight: 1,
    arbitrary: fc.oneof(
      fc.record({ prompts: fc.constant("read") }),
      fc.record({ methods: fc.constantFrom("*", "x/*") }),
    ),
  },
);
const times = ["2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"];
const time = fc.constantFrom(...times);
export const trust: fc.Arbitrary<number | { min: number; scope: string; maxAge: string }> = fc.oneof(
  fc.constantFrom(0.2, 0.5),
  fc.record({ min: fc.constantFrom(0.2, 0.5), scope: fc.constantFrom("s", "t"), maxAge: fc.constantFrom("1m", "1h") }),
);
const spiffe = fc.constantFrom("spiffe://t/a/*", "spiffe://t/**", ["spiffe://u/a", "spiffe://t/a/b"]);
const when = fc.constantFrom("yes", "no", "mine", "fails", "odd");

export const denyRule: fc.Arbitrary<DenyRule> = fc
  .tuple(
    target,
    fc.record({
      agents: mostly(agents),
      args: mostly(args),
      from: rarely(time),
      spiffe: rarely(spiffe),
      when: rarely(when),
    }),
  )
  .map(([about, more]) => plain(about, more));

const step = fc.constantFrom("a", "b");
const needOf = (name: string): fc.Arbitrary<Need> =>
  fc
    .record({
      by: fc.oneof({ weight: 3, arbitrary: agents }, { weight: 1, arbitrary: fc.constant("$caller") }),
      result: rarely(fc.constantFrom("failed", ["passed", "failed"])),
      within: rarely(fc.constantFrom("1s", "1m")),
      binds: rarely(fc.constantFrom("tool", "request")),
      count: rarely(fc.constant(2)),
      once: rarely(fc.boolean()),
      self: fc.boolean(),
      at: rarely(fc.constant("start")),
      tool: rarely(fc.constantFrom("read", "re*")),
      sub: rarely(fc.constantFrom({ n: { "<": 2 } }, { n: 1 }, { m: { absent: true } })),
    })
    .map((rest) => plain<Need>({ step: name }, rest));
/** One or two needs, the second sometimes after the first; in either order. */
const needs: fc.Arbitrary<Need[]> = fc
  .tuple(step, fc.boolean(), fc.boolean(), fc.boolean())
  .chain(([first, isOne, isAfter, isTurned]) => {
    const second = first === "a" ? "b" : "a";
    return fc.tuple(needOf(first), needOf(second)).map(([one, two]) => {
      if (isOne) return [one];
      const both = [one, isAfter ? { ...two, after: first } : two];
      return isTurned ? both.reverse() : both;
    });
  });
const approval: fc.Arbitrary<Approval> = fc
  .record({
    by: agents,
    within: rarely(fc.constantFrom("1s", "1m")),
    timeout: rarely(fc.constantFrom("1s", "1m")),
    count: rarely(fc.constant(2)),
    self: fc.boolean(),
  })
  .map((one) => plain(one));
const limit = { calls: 1, per: "1m", of: "all" };

/** `after` of an approval, where the rule requires something. */
function withOrder(rule: AllowRule, isAfter: boolean): AllowRule {
  const first = rule.require?.[0]?.step;
  if (!isAfter || first === undefined || rule.approval === undefined) return rule;
  return { ...rule, approval: { ...rule.approval, after: first } };
}

export const allowRule: fc.Arbitrary<AllowRule> = fc
  .tuple(
    target,
    fc.record({
      agents,
      binding: rarely(fc.constantFrom("head", "body")),
      trust: rarely(trust),
      unknown: rarely(fc.constantFrom("deny", "allow-readonly", "ask-human")),
      args: rarely(args),
      closed: rarely(fc.boolean()),
      until: rarely(time),
      spiffe: rarely(spiffe),
      require: rarely(needs),
      custody: rarely(fc.constant("any")),
      signers: rarely(agents),
      approval: rarely(approval),
      when: rarely(when),
    }),
    fc.boolean(),
  )
  .map(([about, more, isAfter]) => withOrder(plain<AllowRule>(about, more, { limit }), isAfter));

/** Rules that ask for entries and little else, so that histories decide. */
const historyRule: fc.Arbitrary<AllowRule> = fc
  .tuple(
    fc.record({
      require: mostly(needs),
      approval: rarely(approval),
      custody: fc.constant("any"),
      signers: rarely(agents),
    }),
    fc.boolean(),
  )
  .map(([more, isAfter]) => withOrder(plain<AllowRule>({ tools: "*", agents: "*", limit }, more), isAfter));

export function documentOf(rule: fc.Arbitrary<AllowRule>): fc.Arbitrary<PolicyDocument> {
  return fc.record({
    apiVersion: fc.constant("peerage.dev/v1"),
    kind: fc.constant("Policy"),
    open: fc.constant(true),
    groups: fc.constant({ g: [dids[0], "@me", "spiffe://t/a/b"] }),
    defaults: fc.constantFrom(
      { approvers: "@g" },
      { scope: "s", approvers: "*" },
      { unknown: "allow-readonly", maxTrustAge: "1h", approvers: "@roots" } as const,
      { unknown: "ask-human", approvers: "@g" } as const,
    ),
    readonly: fc.constantFrom("re*", ["b*"]),
    deny: fc.array(denyRule, { maxLength: 1 }),
    allow: fc.array(rule, { minLength: 1, maxLength: 4 }),
  });
}
export const document: fc.Arbitrary<PolicyDocument> = documentOf(allowRule);
export const historyDocument: fc.Arbitrary<PolicyDocument> = documentOf(historyRule).map((one) => ({
  ...one,
  deny: [],
}));

const subject: fc.Arbitrary<readonly [string, string]> = fc.constantFrom<(readonly [string, string])[]>(
  ["tools/call", "read"],
  ["tools/call", "read"],
  ["tools/call", "read"],
  ["tools/call", "write"],
  ["resources/read", "b/c"],
  ["resources/subscribe", "b/../c"],
  ["prompts/get", "read"],
  ["x/y", "x/y"],
);
const callerSpiffe = fc.constantFrom("spiffe://t/a/b", "spiffe://t/a/b/c", "spiffe://u/a");
const caller = fc
  .record({
    did: fc.constantFrom(...dids),
    binding: fc.constantFrom("message", "message", "message", "message", "message", "body", "head"),
    scheme: fc.constant("s"),
    spiffe: rarely(callerSpiffe),
    spiffe_unbound: rarely(callerSpiffe),
  })
  .map((one) => plain<object>(one));
const given = fc.oneof(fc.dictionary(fc.constantFrom("x", "z", "constructor"), argument, { maxKeys: 2 }), argument);
const scores = fc.record({
  s: rarely(fc.constantFrom(0, 0.2, 0.5, 1)),
  t: rarely(fc.constantFrom(0.3, 0.5)),
  tools: mostly(fc.constantFrom(0.2, 0.5)),
});

/** An entry, but for its place in the graph. */
const entry = fc.record({
  step: fc.constantFrom("a", "a", "b", "human_approval", "human_approval", "c"),
  result: fc.constantFrom("passed", "approved", "approved", "failed", "denied"),
  agent: fc.constantFrom(...dids, ...dids, server),
  spiffe: rarely(callerSpiffe),
  /** Seconds before the call, and until it ends. */
  age: fc.constantFrom(0, 1, 2, 59, 60, 61, -29, -30, -31),
  lifetime: fc.constantFrom(undefined, 1, 60, 86_400, 86_401, 900, 900, 900),
  req: fc.constantFrom(req, req, req, req, otherReq, undefined),
  aud: fc.constantFrom(server, server, server, server, dids[0], undefined),
  tool: fc.constantFrom("read", "read", "write", undefined),
  sub: fc
    .record({
      policy: rarely(fc.constantFrom("mine", "another")),
      n: rarely(fc.integer({ min: 0, max: 3 })),
    })
    .map((one) => plain<Record<string, never>>(one)),
  speaksOf: fc.constantFrom("caller", "caller", "caller", "other", "nobody"),
  /** Which of the entries before it refers to: bit by bit. */
  refers: fc.nat(255),
  otherRun: fc.boolean(),
});
type GeneratedEntry = typeof entry extends fc.Arbitrary<infer T> ? T : never;

/** Entries as documents; `presented` ones refer to something before them. */
function place(
  entries: readonly GeneratedEntry[],
  now: string,
  caller: string,
  before?: readonly EntryDocument[],
): EntryDocument[] {
  const placed: EntryDocument[] = [];
  const presented = before === undefined;
  for (const [index, { age, lifetime, refers, otherRun, speaksOf, ...facts }] of entries.entries()) {
    const earlier = [...(before ?? []), ...placed];
    const chosen = earlier.filter((_, at) => (refers & (1 << (at % 8))) !== 0).map(({ digest }) => digest);
    const prev =
      chosen.length === 0 && presented && index > 0 ? [earlier.at(-1)!.digest] : index === 0 && presented ? [] : chosen;
    const issued = Date.parse(now) - age * 1000;
    placed.push(
      plain<EntryDocument>(facts, {
        sub: {
          ...facts.sub,
          ...(speaksOf === "caller" ? { caller } : speaksOf === "other" ? { caller: dids[0] } : {}),
        },
        digest: `sha256:${((before?.length ?? 0) + index).toString(16).padStart(64, "0")}`,
        prev,
        timestamp: new Date(issued).toISOString(),
        expires: lifetime === undefined ? undefined : new Date(issued + lifetime * 1000).toISOString(),
        run: !presented && otherRun ? "another" : undefined,
      }),
    );
  }
  return placed;
}

/** The digests that the generated guard remembers as used up. */
export const spentDigests: fc.Arbitrary<ReadonlySet<string>> = fc
  .subarray([0, 1, 2, 3, 4, 5, 6, 7])
  .map(
    (places) => new Set(places.filter((at) => at % 3 === 0).map((at) => `sha256:${at.toString(16).padStart(64, "0")}`)),
  );

export function inputOf(about: fc.Arbitrary<readonly [string, string]>, length: number): fc.Arbitrary<PolicyInput> {
  return fc
    .tuple(
      about,
      time,
      fc.record({
        caller: mostly(caller),
        args: mostly(given),
        trust: scores,
        trust_age_seconds: mostly(fc.constantFrom(0, 59, 60, 3600)),
        in_custody: mostly(fc.boolean()),
      }),
      fc.array(entry, { maxLength: length }),
      fc.array(entry, { maxLength: 2 }),
    )
    .map(([[method, target], now, rest, presented, kept]) => {
      const did = (rest.caller as { did?: string } | undefined)?.did ?? dids[0];
      const history = place(presented, now, did);
      const held = place(kept, now, did, history);
      return plain<PolicyInput>({ v: 1, now, method, target, server, req, run: "the-run" }, rest, { history, held });
    });
}
export const input: fc.Arbitrary<PolicyInput> = inputOf(subject, 5);
export const toolInput: fc.Arbitrary<PolicyInput> = inputOf(fc.constant(["tools/call", "read"] as const), 6);

/** The same input, entries that name "mine" naming this policy. */
export function underPolicy(call: PolicyInput, policy: Policy): PolicyInput {
  const name = (one: EntryDocument): EntryDocument =>
    one.sub["policy"] === "mine" ? { ...one, sub: { ...one.sub, policy: policy.digest } } : one;
  return { ...call, history: (call.history ?? []).map(name), held: (call.held ?? []).map(name) };
}
