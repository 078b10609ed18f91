import { describe, expect, it } from "vitest";
import type { Did } from "../did/did-key.ts";
import { identityFromSeed } from "../did/identity.ts";
import { PeerageError } from "../errors.ts";
import { digest } from "../json/digest.ts";
import type { JsonValue } from "../json/types.ts";
import { decide } from "./decide.ts";
import { parsePolicy, type Policy } from "./load.ts";

const [alice, bob] = [1, 2].map((n) => identityFromSeed(new Uint8Array(32).fill(n)).did) as [Did, Did];
const head = "apiVersion: peerage.dev/v1\nkind: Policy\n";

function refusal(text: string): string {
  try {
    parsePolicy(text);
  } catch (error) {
    if (error instanceof PeerageError && error.code === "ERR_POLICY_INVALID") return error.message;
    throw error;
  }
  return "loaded";
}

const rule = (more: string) => `${head}allow:\n- {tools: x, agents: "*", ${more}}`;
const warnings = (text: string) => parsePolicy(text).warnings.map(({ message }) => message);

describe("loading", () => {
  it("reads YAML and the same document as JSON to one digest, whatever comments, layout and order", () => {
    const yaml = parsePolicy(
      `# mine\nkind: Policy\napiVersion: peerage.dev/v1\n\nallow:\n  - agents: '*'\n    tools: [ x ]\n`,
    );
    const json = parsePolicy(`{"apiVersion":"peerage.dev/v1","kind":"Policy","allow":[{"tools":["x"],"agents":"*"}]}`);
    expect(yaml.digest).toBe(json.digest);
    expect(parsePolicy(`${head}allow: [{tools: [y], agents: "*"}]`).digest).not.toBe(json.digest);
  });

  it("puts the members of @me and @roots into the digest, in any order of theirs, and reads its document again", () => {
    const text = `${head}groups: {us: ["@me", "${bob}"]}\nallow: [{tools: "*", agents: "@me"}, {tools: x, agents: ["@roots", "@us"]}]`;
    const policy = parsePolicy(text, { me: [alice], roots: [bob, alice] });
    expect(policy.document.allow.map((one) => one.agents)).toEqual([[alice], [...[alice, bob].sort(), "@us"]]);
    expect(policy.digest).toBe(digest(policy.document as unknown as JsonValue));
    expect(parsePolicy(text, { me: [alice], roots: [alice, bob] }).digest).toBe(policy.digest);
    expect(parsePolicy(text, { me: [bob], roots: [alice, bob] }).digest).not.toBe(policy.digest);
    expect(parsePolicy(JSON.stringify(policy.document)).digest).toBe(policy.digest);
    expect(parsePolicy(JSON.stringify(parsePolicy(text).document)).digest).toBe(parsePolicy(text).digest);
  });

  it("P-LOAD-07 accepts every key of the language in one policy, and reads it again to the same digest", () => {
    const text = `${head}
metadata: {name: all keys, version: "1"}
open: false
groups: {staff: ["${alice}", "@me", "spiffe://acme.example/ns/*"]}
defaults: {scope: files, unknown: deny, approvers: "@staff", maxTrustAge: 12h}
readonly: "read_*"
also: [cedar]
deny:
- {id: no-drop, tools: "drop_*", agents: "*", spiffe: "spiffe://evil.example/**", args: {force: true}, from: 2026-01-01T00:00:00Z, until: 2027-01-01T00:00:00Z, because: never by force, when: input.bad}
allow:
- {id: all, tools: x, agents: "@staff", spiffe: ["spiffe://acme.example/ns/**"], binding: message, trust: {min: 0.5, scope: files, maxAge: 1h}, unknown: ask-human, closed: true,
   args: {a: {"==": 1}, b: {"!=": x}, c: {in: [1]}, d: {notIn: [x]}, e: {">": 0, "<": 9, ">=": 1, "<=": 8}, f: {like: "a/**"}, g: {notLike: ["b/**"]}, h: {maxLength: 3}, i: {absent: true}},
   require: [{step: began, by: $caller, at: start, result: accepted}, {step: check, by: ["@staff", "@roots"], result: [passed, ok], within: 1d, binds: tool, count: 2, after: began, once: true, self: true, tool: "x*", sub: {risk: {"<": 50, ">=": 0}}}],
   custody: any, signers: "@staff", approval: {by: "@staff", within: 1h, timeout: 24h, count: 2, after: [began, check], self: true},
   limit: [{calls: 1, per: 1s, of: [agent, tool, run], name: burst}, {calls: 9, per: 1d, of: all}], budget: [{max: 10, per: 1d, sum: e}, {max: 5, per: 1h, cost: 1, of: run, name: cents}],
   from: 2026-01-01T00:00:00Z, audit: durable, because: staff, when: input.good}
- {prompts: p, agents: "*", binding: head}
- {resources: "file:///srv/**", agents: "*"}
- {methods: "completion/*", spiffe: "spiffe://acme.example/a"}`;
    const engines = { compileWhen: () => () => true, adapters: ["cedar"] };
    const policy = parsePolicy(text, { me: [bob], roots: [alice] }, engines);
    expect(policy.document.allow).toHaveLength(4);
    expect(policy.document.allow[0]?.require?.[1]?.by).toEqual(["@staff", alice]);
    expect(policy.document.groups?.["staff"]).toEqual([alice, bob, "spiffe://acme.example/ns/*"]);
    expect(parsePolicy(JSON.stringify(policy.document), {}, engines).digest).toBe(policy.digest);
  });

  it("P-LOAD-01 names the line, the place and the fix of every problem, ten at most", () => {
    expect(refusal(`${head}alow: []\nallow:\n- tools: x\n  agents: "*"\n  trust: 7`).split("\n")).toEqual([
      "line 7, allow[0].trust: a trust threshold is at most 1",
      "line 3, alow: `alow` is not a key here; check its spelling and indentation",
    ]);
    expect(refusal(`${head}allow: [${"{},".repeat(20)}]`).split("\n")).toHaveLength(11);
  });
});

describe("A-POL-01 P-LOAD-01 P-LOAD-02 P-LOAD-03 P-LOAD-05 refuses to load, so nothing is admitted under it:", () => {
  it.each([
    ["an empty file", "", "is empty"],
    ["comments only", "# nothing\n", "is empty"],
    ["two documents", `${head}allow: []\n---\n${head}allow: []`, "second YAML document"],
    ["a duplicate key", `${head}allow: []\nallow: []`, "stands twice"],
    ["a duplicate key in another spelling", `${head}allow: []\n"\\x61llow": []`, "stands twice"],
    ["an alias", `${head}groups: {a: &a "*", b: *a}\nallow: []`, "anchor"],
    ["an alias without its anchor", `${head}groups: {b: *a}\nallow: []`, "lias"],
    ["an alias as a key", `${head}groups: {*a : x}\nallow: []`, "anchor or alias"],
    ["an alias bomb", `a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]`, "anchor"],
    ["a merge key", `${head}<<: {open: true}\nallow: []`, "merge key"],
    ["a tag", `${head}allow: !!seq []`, "tag"],
    ["a custom tag", `${head}allow: !new []`, "tag"],
    ["a YAML 1.1 directive", `%YAML 1.1\n---\n${head}allow: []`, "YAML 1.2"],
    ["a key that is no text", `${head}? [a]\n: 1\nallow: []`, "must be text"],
    ["half a surrogate pair", `${head}metadata: {name: "\\ud800"}\nallow: []`, "surrogate"],
    ["__proto__ as a key", rule("args: {__proto__: 1}"), "/__proto__"],
    ["an infinite number", rule("trust: .inf"), "finite"],
    ["a number that is none", rule("trust: .nan"), "finite"],
    ["an unsafe integer", rule("args: {a: 9007199254740993}"), "2^53"],
    ["an unsafe integer with a fraction", rule("args: {a: 9007199254740993.0}"), "2^53"],
    ["nesting without end", "[".repeat(20_000), "nested"],
    ["a text over 1 MiB", `${head}allow: []\n#${"é".repeat(524_288)}`, "1 MiB"],
    ["too many rules", `${head}deny: [{tools: x}]\nallow:\n${'- {tools: x, agents: "*"}\n'.repeat(10_000)}`, "10,000"],
    ["broken YAML", `${head}allow: [`, "line"],
    ["a list", "- x", "keys and values"],
    ["another version", "apiVersion: peerage.dev/v2\nkind: Policy\nallow: []", "peerage.dev/v1"],
    ["another kind", "apiVersion: peerage.dev/v1\nkind: policy\nallow: []", "kind: Policy"],
    ["no allow", head, "`allow: []`"],
    ["allow without a value", `${head}allow:`, "a list is wanted"],
    ["a typo at the top", `${head}allow: []\ndenny: []`, "`denny`"],
    ["a typo in a rule", rule("trsut: 0.5"), "`trsut`"],
    ["a typo in trust", rule("trust: {min: 0.5, maxage: 1h}"), "`maxage`"],
    ["an unknown operator", rule("args: {a: {gt: 1}}"), "`gt`"],
    ["no operator", rule("args: {a: {}}"), "no operator"],
    ["no argument", rule("args: {}"), "no argument"],
    ["null as a test", rule("args: {a: }"), "absent"],
    ["a bad argument path", rule("args: {a..b: 1}"), "argument path"],
    ["a bad JSON Pointer", rule("args: {/a~2: 1}"), "argument path"],
    ["absent beside another operator", rule("args: {a: {absent: true, like: x}}"), "absent"],
    ["absent of elements", rule("args: {'a[]': {absent: true}}"), "element"],
    ["text as a bound", rule('args: {a: {"<": "5"}}'), "a number"],
    ["three stars", rule('args: {a: {like: "a***"}}'), "three stars"],
    ["no target", `${head}allow: [{agents: "*"}]`, "exactly one"],
    ["two targets", rule("prompts: y"), "exactly one"],
    ["no target pattern", `${head}deny: [{tools: []}]\nallow: []`, "empty list"],
    ["no agents", `${head}allow: [{tools: x}]`, "whom it admits"],
    ["a display name as agent", `${head}allow: [{tools: x, agents: Alice}]`, "did:key"],
    ["a DID of another method", `${head}allow: [{tools: x, agents: "did:web:example.org"}]`, "did:key"],
    [
      "a DID that signs anything",
      `${head}allow: [{tools: x, agents: "did:key:z6MkeXATEjyXENzBXBxgC5EHk2JE5aqd7qMGGtDpLUH1e2Sj"}]`,
      "not acceptable",
    ],
    ["an unknown group", `${head}allow: [{tools: x, agents: "@staff"}]`, "no group"],
    ["a group of inherited name", `${head}allow: [{tools: x, agents: "@constructor"}]`, "no group"],
    ["a group in a group", `${head}groups: {a: "@b", b: "*"}\nallow: []`, "no other group"],
    ["a group named me", `${head}groups: {me: "*"}\nallow: []`, "fixed meaning"],
    ["a threshold of 0", rule("trust: 0"), "above 0"],
    ["a threshold over 1", rule("trust: 1.01"), "at most 1"],
    ["a time that does not exist", rule("from: 2026-02-30T00:00:00Z"), "does not exist"],
    ["a time without a zone", rule("until: 2026-02-28T00:00:00"), "UTC"],
    ["until before from", rule("from: 2026-02-02T00:00:00Z, until: 2026-02-02T00:00:00Z"), "not after"],
    ["a limit of nothing", rule("limit: {calls: 0, per: 1m}"), ">=1"],
    ["an unknown unit", rule("limit: {calls: 1, per: 1y}"), "duration"],
    ["one id twice", `${head}deny: [{id: a, tools: x}]\nallow: [{id: a, tools: x, agents: "*"}]`, "stands twice"],
    [
      "allow-readonly without a common limit",
      rule("trust: 0.5, unknown: allow-readonly, limit: {calls: 1, per: 1m}"),
      "of: all",
    ],
    [
      "allow-readonly by default without a common limit",
      `${head}defaults: {unknown: allow-readonly}\nallow: [{tools: x, agents: "*", trust: 0.5}]`,
      "of: all",
    ],
    [
      "one bucket of two sizes",
      `${head}allow:\n- {tools: x, agents: "*", limit: {calls: 1, per: 1m, name: a}}\n- {tools: y, agents: "*", limit: {calls: 2, per: 1m, name: a}}`,
      "one size",
    ],
  ])("%s", (_, text, message) => {
    expect(refusal(text)).toContain(message);
  });

  it.each([
    ["neither agents nor spiffe", `${head}allow: [{tools: x}]`, "`spiffe`"],
    ["a SPIFFE trust domain that is a pattern", rule('spiffe: "spiffe://*/a"'), "SPIFFE ID"],
    ["a SPIFFE ID without a path", rule("spiffe: spiffe://acme.example"), "SPIFFE ID"],
    ["a SPIFFE ID that climbs", rule("spiffe: spiffe://acme.example/a/../b"), "no . or .."],
    ["`require` without `by`", rule("require: [{step: a}]"), "`by` is missing"],
    ["`approval` without `by`", rule("approval: {}"), "`by` is missing"],
    ["an empty `require`", rule("require: []"), "requires nothing"],
    ["$caller as an approver", rule("approval: {by: $caller}"), "did:key"],
    ["$caller in a list", rule(`require: [{step: a, by: [$caller, "${alice}"]}]`), "did:key"],
    ["a step that is no word", rule(`require: [{step: "A b", by: "${alice}"}]`), "a step or result"],
    ["a count of 0", rule(`require: [{step: a, by: "${alice}", count: 0}]`), ">=1"],
    ["a count of 17", rule(`approval: {by: "${alice}", count: 17}`), "<=16"],
    ["a timeout over a day", rule(`approval: {by: "${alice}", timeout: 25h}`), "at most 24h"],
    ["an unknown group of signers", rule('signers: "@staff"'), "no group"],
    ["an unknown group under `require`", rule('require: [{step: a, by: "@staff"}]'), "no group"],
    ["an unknown group of approvers", `${head}defaults: {approvers: "@staff"}\nallow: []`, "no group"],
    ["`after` without its requirement", rule(`approval: {by: "${alice}", after: fraud_check}`), "no step under"],
    [
      "`after` in a circle",
      rule(`require: [{step: a, by: "${alice}", after: b}, {step: b, by: "${alice}", after: a}]`),
      "circle",
    ],
    ["`after` of itself", rule(`require: [{step: a, by: "${alice}", after: a}]`), "circle"],
    ["absent elements of `sub`", rule(`require: [{step: a, by: "${alice}", sub: {"x[]": {absent: true}}}]`), "element"],
    ["`ask-human` without approvers", rule("trust: 0.5, unknown: ask-human"), "asks nobody"],
    [
      "`ask-human` by default without approvers",
      `${head}defaults: {unknown: ask-human}\nallow: [{tools: x, agents: "*", trust: 0.5}]`,
      "asks nobody",
    ],
    ["a connection that approves", rule(`binding: connection, approval: {by: "${alice}"}`), "not signed"],
    ["a budget of both kinds", rule("budget: {max: 1, per: 1d, cost: 1, sum: a}"), "exactly one"],
    ["a budget of neither kind", rule("budget: {max: 1, per: 1d}"), "exactly one"],
    ["a budget without a floor", rule('args: {a: {"<": 9}}, budget: {max: 1, per: 1d, sum: a}'), "negative"],
    ["a budget with a floor below 0", rule('args: {a: {">": -1}}, budget: {max: 1, per: 1d, sum: a}'), "negative"],
    ["a budget of an argument that is not tested", rule("budget: {max: 1, per: 1d, sum: a}"), "negative"],
    [
      "one budget of two sizes",
      `${head}allow:\n- {tools: x, agents: "*", budget: {cost: 1, max: 1, per: 1m, name: a}}\n- {tools: y, agents: "*", budget: {cost: 1, max: 2, per: 1m, name: a}}`,
      "one size",
    ],
    ["an expression without an engine", rule("when: input.ok"), "CEL engine"],
    ["an empty expression", rule('when: ""'), "empty"],
    ["an expression that is too long", rule(`when: "${"a".repeat(1025)}"`), "1,024"],
    ["an adapter that is not there", `${head}also: [cedar]\nallow: []`, "no adapter cedar"],
    ["an empty `also`", `${head}also: []\nallow: []`, "asks nobody"],
  ])("%s", (_, text, message) => {
    expect(refusal(text)).toContain(message);
  });

  it("P-LOAD-02 an expression that its engine refuses, with what the engine says; and loads one that it takes", () => {
    const text = rule("id: a, when: input.ok");
    const compileWhen = () => {
      throw new Error("undeclared reference 'ok'");
    };
    expect(() => parsePolicy(text, {}, { compileWhen })).toThrow("line 4, allow[0].when: undeclared reference 'ok'");
    expect(parsePolicy(text, {}, { compileWhen: () => () => true }).document.allow).toHaveLength(1);
    expect(parsePolicy(`${head}also: [cedar]\nallow: []`, {}, { adapters: ["cedar"] }).document.also).toEqual([
      "cedar",
    ]);
  });

  it("A-POL-10 P-LOAD-04 a rule by which strangers can do anything, unless the policy says so", () => {
    const all = 'allow: [{tools: "*", agents: "*"}]';
    for (const text of [
      all,
      'allow: [{resources: "**", agents: "*"}]',
      'groups: {a: "*"}\nallow: [{methods: "*", agents: "@a"}]',
      'allow: [{tools: "*", agents: "*", require: [{step: a, by: $caller}], signers: "*"}]',
      'readonly: "*"\nallow: [{tools: "*", agents: "*", trust: 0.5, unknown: allow-readonly, limit: {calls: 1, per: 1m, of: all}}]',
    ]) {
      expect(refusal(head + text)).toContain("open: true");
      expect(warnings(`${head}open: true\n${text}`).join()).toContain("anyone");
    }
    for (const text of [
      'allow: [{tools: "*", agents: "*", trust: 0.1}]',
      'allow: [{tools: "*", agents: "@roots"}]',
      'allow: [{tools: "read_*", agents: "*"}]',
      'allow: [{tools: "*", agents: "*", args: {dry_run: true}}]',
      'allow: [{tools: "*", spiffe: "spiffe://acme.example/**"}]',
      `allow: [{tools: "*", agents: "*", approval: {by: "${alice}"}}]`,
      `allow: [{tools: "*", agents: "*", require: [{step: a, by: "${alice}"}]}]`,
    ]) {
      expect(refusal(head + text)).toBe("loaded");
    }
  });

  it("P-EVAL-01 and without a policy everything is denied", () => {
    const input = {
      v: 1,
      now: "2026-11-20T14:23:08Z",
      method: "tools/call",
      target: "x",
      server: alice,
      trust: {},
    } as const;
    const caller = { did: bob, binding: "message", scheme: "peerage-call" } as const;
    expect(decide(undefined, { ...input, caller })).toMatchObject({
      effect: "deny",
      failed: [{ condition: "policy" }],
    });
    expect(decide({} as Policy, { ...input, caller }).effect).toBe("deny");
    expect(decide(parsePolicy(rule("")), { ...input, caller }).effect).toBe("allow");
  });
});

describe("P-LOAD-06 warnings", () => {
  it.each([
    ["an upper bound alone", rule('args: {a: {"<": 10}}'), "negative"],
    ["bounds that exclude each other", rule('args: {a: {"<": 1, ">=": 1}}'), "no number"],
    ["a deny path of one level", `${head}deny: [{resources: "file:///etc/*"}]\nallow: []`, "deeper"],
    ["a deny argument of one level", `${head}deny: [{tools: x, args: {p: {like: "etc/*"}}}]\nallow: []`, "deeper"],
    ["an exception of one level", rule('args: {p: {notLike: "etc/*"}}'), "deeper"],
    ["a deny test of every element", `${head}deny: [{tools: x, args: {"p[]": 1}}]\nallow: []`, "every element"],
    ["a path that nothing matches", rule('args: {p: {like: "a/../b"}}'), "no path matches"],
    ["an unused group", `${head}groups: {a: "*"}\nallow: []`, "no rule uses"],
    ["nobody behind @me", `${head}allow: [{tools: x, agents: "@me"}]`, "nobody"],
    ["a rule for nobody", `${head}allow: [{tools: x, agents: []}]`, "nobody"],
    ["a method that has its own target", `${head}allow: [{methods: tools/call, agents: "*"}]`, "`tools`"],
    ["arguments of a resource", `${head}deny: [{resources: x, args: {a: 1}}]\nallow: []`, "no arguments"],
    ["unknown without trust", rule("unknown: deny"), "no effect"],
    [
      "allow-readonly of nothing",
      rule("trust: 0.5, unknown: allow-readonly, limit: {calls: 1, per: 1m, of: all}"),
      "nothing",
    ],
    ["a limit without a name", rule("limit: {calls: 1, per: 1m}"), "id"],
    ["anyone's word", rule('require: [{step: a, by: "*"}]'), "anyone who makes a key"],
    ["more signers than there are", rule(`approval: {by: "${alice}", count: 2}`), "only 1 could sign"],
    ["an approval as a step", rule(`require: [{step: human_approval, by: "${alice}"}]`), "`approval` asks for it"],
    [
      "the start after something",
      rule(`require: [{step: a, by: "${alice}"}, {step: b, by: "${alice}", at: start, after: a}]`),
      "builds on nothing",
    ],
    ["custody of nothing", rule("custody: any"), "no history"],
    ["approvers who are nobody", rule('approval: {by: "@me"}'), "nobody on this machine"],
    ["a budget without a name", rule("budget: {cost: 1, max: 9, per: 1d}"), "id"],
    ["a needless open", `${head}open: true\nallow: []`, "no rule needs"],
    ["a deny of everything", `${head}deny: [{tools: "*"}]\nallow: []`, "refuses all tools"],
  ])("%s", (_, text, message) => {
    expect(warnings(text).join("\n")).toContain(message);
    expect(parsePolicy(text).warnings[0]?.line).toBeGreaterThan(0);
  });

  it("are silent on a careful policy", () => {
    expect(
      warnings(`${head}allow:\n- {id: a, tools: [x, "read_*"], agents: "*", trust: 0.25, limit: {calls: 1, per: 1m}}`),
    ).toEqual([]);
  });
});
