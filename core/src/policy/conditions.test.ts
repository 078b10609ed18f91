import { describe, expect, it } from "vitest";
import { callInput, people, seeded, TestRun } from "../../../test/_history.ts";
import { counterKey } from "./counters.ts";
import { couldAllow, decide } from "./decide.ts";
import { inputDigest, type CallerDocument, type PolicyInput } from "./input.ts";
import { parsePolicy, type Policy } from "./load.ts";
import type { PolicyEngines } from "./engines.ts";

const at = Date.UTC(2026, 10, 20, 12) / 1000;
const { agent, alice, ops } = people;

function policy(text: string, engines: PolicyEngines = {}): Policy {
  return parsePolicy(`apiVersion: peerage.dev/v1\nkind: Policy\n${text}`, {}, engines);
}

function call(more: Partial<PolicyInput> & { caller?: CallerDocument } = {}): PolicyInput {
  const { calling_agent: _, ...input } = callInput({ caller: agent.did, tool: "x", now: at });
  return { ...input, ...more };
}
const by = (more: Partial<CallerDocument>): PolicyInput =>
  call({ caller: { did: agent.did, binding: "message", scheme: "peerage-call", ...more } });
const effect = (one: Policy, input: PolicyInput) => decide(one, input).effect;

describe("spiffe", () => {
  const inside = "spiffe://acme.example/ns/a/sa/b";
  const rule = policy('allow: [{tools: x, spiffe: "spiffe://acme.example/ns/*/sa/*"}]');

  it("P-SPIFFE-01 holds for a bound SPIFFE ID, by its literal trust domain and a path glob", () => {
    expect(effect(rule, by({ spiffe: inside }))).toBe("allow");
    for (const spiffe of [
      "spiffe://acme.example/ns/a/b/sa/c",
      "spiffe://acme.example.evil/ns/a/sa/b",
      "spiffe://other.example/ns/a/sa/b",
      "spiffe://acme.example/NS/a/sa/b",
    ]) {
      expect(decide(rule, by({ spiffe })), spiffe).toMatchObject({ reason: "ERR_SPIFFE_REQUIRED" });
    }
  });

  it("A-POL-06 an unbound one opens nothing, and closes what a deny rule closes", () => {
    expect(decide(rule, by({ spiffe_unbound: inside }))).toMatchObject({ reason: "ERR_SPIFFE_REQUIRED" });
    expect(decide(rule, by({}))).toMatchObject({ reason: "ERR_SPIFFE_REQUIRED" });
    const denies = policy('deny: [{tools: x, spiffe: "spiffe://acme.example/**"}]\nallow: [{tools: x, agents: "*"}]');
    expect(effect(denies, by({}))).toBe("allow");
    expect([by({ spiffe: inside }), by({ spiffe_unbound: inside })].map((one) => effect(denies, one))).toEqual([
      "deny",
      "deny",
    ]);
    const named = policy('deny: [{tools: x, agents: "spiffe://acme.example/**"}]\nallow: [{tools: x, agents: "*"}]');
    expect([by({}), by({ spiffe_unbound: inside })].map((one) => effect(named, one))).toEqual(["allow", "deny"]);
    // A bound one beside it hides nothing: whoever connects for another is seen as well.
    const beside = by({ spiffe: "spiffe://other.example/x", spiffe_unbound: inside });
    expect([denies, named].map((policy) => effect(policy, beside))).toEqual(["deny", "deny"]);
  });

  it("names an agent under `agents` and an entry's signer under `by`, and with `agents` both must hold", async () => {
    const listed = policy('groups: {g: ["spiffe://acme.example/**"]}\nallow: [{tools: x, agents: "@g"}]');
    expect([by({ spiffe: inside }), by({})].map((one) => effect(listed, one))).toEqual(["allow", "deny"]);
    const both = policy(`allow: [{tools: x, agents: "${alice.did}", spiffe: "spiffe://acme.example/**"}]`);
    expect(decide(both, by({ spiffe: inside }))).toMatchObject({ reason: "ERR_POLICY_DENIED" });
    const run = new TestRun();
    await run.add(agent, "began", "accepted", at - 2);
    await run.add(ops, "check", "passed", at - 1);
    const { history = [], ...input } = callInput({ caller: agent.did, tool: "x", now: at, run });
    const signed = policy(
      'allow: [{tools: x, agents: "*", require: [{step: check, by: "spiffe://acme.example/ns/*"}]}]',
    );
    const withSpiffe = (spiffe: string) => ({
      ...input,
      history: history.map((one) => (one.step === "check" ? { ...one, spiffe } : one)),
    });
    expect(effect(signed, withSpiffe("spiffe://acme.example/ns/fraud"))).toBe("allow");
    expect(effect(signed, withSpiffe("spiffe://acme.example/web"))).toBe("deny");
    expect(effect(signed, { ...input, history })).toBe("deny");
  });

  it("says ERR_SPIFFE_REQUIRED only if a SPIFFE ID alone would admit", () => {
    const two = policy('allow: [{tools: x, spiffe: "spiffe://acme.example/**", trust: 0.5}]');
    expect(decide(two, by({}))).toMatchObject({ reason: "ERR_POLICY_DENIED" });
    expect(decide(two, { ...by({}), trust: { tools: 0.5 }, trust_age_seconds: 1 })).toMatchObject({
      reason: "ERR_SPIFFE_REQUIRED",
    });
    expect(decide(two, by({ spiffe: inside }))).toMatchObject({ reason: "ERR_TRUST_INSUFFICIENT" });
  });

  it("refuses an input whose SPIFFE ID is none, or that names a second caller", () => {
    for (const spiffe of [
      "acme",
      "spiffe://acme.example",
      "spiffe://a/../b",
      "SPIFFE://a/b",
      "spiffe://a/b/",
      "spiffe://a:1/b",
    ]) {
      expect(decide(rule, by({ spiffe })), spiffe).toMatchObject({ failed: [{ condition: "input" }] });
    }
    expect(decide(rule, { ...by({ spiffe: inside }), calling_agent: alice.did })).toMatchObject({
      failed: [{ condition: "input" }],
    });
    expect(effect(rule, { ...by({ spiffe: inside }), calling_agent: agent.did })).toBe("allow");
  });
});

describe("binding", () => {
  it("is `message` unless the rule says less; a weaker one never counts for a stronger", () => {
    const levels = ["none", "connection", "head", "body", "message"] as const;
    const head = policy('allow: [{tools: x, agents: "*", binding: head}]');
    expect(levels.map((binding) => effect(head, by({ binding })))).toEqual(["deny", "deny", "allow", "allow", "allow"]);
    const message = policy('allow: [{tools: x, agents: "*"}]');
    expect(levels.map((binding) => effect(message, by({ binding })))).toEqual([
      "deny",
      "deny",
      "deny",
      "deny",
      "allow",
    ]);
    const connection = policy('allow: [{tools: x, spiffe: "spiffe://a/*", binding: connection}]');
    expect(
      effect(connection, call({ caller: { binding: "connection", scheme: "mtls", spiffe: "spiffe://a/b" } })),
    ).toBe("allow");
    const anyone = policy('allow: [{tools: x, agents: "*", binding: connection}]');
    expect(
      effect(anyone, call({ caller: { binding: "connection", scheme: "mtls", spiffe: "spiffe://a/b" } })),
      "no DID",
    ).toBe("deny");
  });
});

describe("when", () => {
  const engines: PolicyEngines = {
    compileWhen: (expression) => (input) => {
      if (expression === "fails") throw new Error("no such key");
      return expression === "odd" ? "true" : (input.args as { ok?: unknown }).ok;
    },
  };

  it("A-POL-09 P-WHEN-01 admits by true alone, and in a deny rule refuses by anything but false", () => {
    const allows = (expression: string) => policy(`allow: [{tools: x, agents: "*", when: ${expression}}]`, engines);
    const denies = (expression: string) =>
      policy(`deny: [{tools: x, when: ${expression}}]\nallow: [{tools: x, agents: "*"}]`, engines);
    const given = (ok: unknown) => call({ args: { ok } as never });
    expect([true, false, 1, "true", null].map((ok) => effect(allows("ok"), given(ok)))).toEqual([
      "allow",
      "deny",
      "deny",
      "deny",
      "deny",
    ]);
    expect([false, true, 0, "", null].map((ok) => effect(denies("ok"), given(ok)))).toEqual([
      "allow",
      "deny",
      "deny",
      "deny",
      "deny",
    ]);
    for (const expression of ["fails", "odd"]) {
      expect([effect(allows(expression), given(true)), effect(denies(expression), given(true))], expression).toEqual([
        "deny",
        "deny",
      ]);
    }
  });
});

describe("budgets and limits", () => {
  const one = policy(`allow:
- {id: pay, tools: x, agents: "*", args: {cents: {">=": 0}}, budget: [{sum: cents, max: 100, per: 1d}, {cost: 3, max: 9, per: 1h, of: [run, agent], name: shared}], limit: {calls: 5, per: 1m, of: [run, tool]}}
- {id: list, tools: y, agents: "*", args: {"items[]": {">": 0}}, budget: {sum: "items[]", max: 100, per: 1d}}`);

  it("P-OBL-02 carry what this call adds, and a name that survives edits", () => {
    expect(decide(one, call({ args: { cents: 7 } }))).toMatchObject({
      obligations: {
        budgets: [
          { counter: "budget/pay/agent", amount: 7, max: 100, perSeconds: 86_400, of: ["agent"] },
          { counter: "budget/shared/agent+run", amount: 3, max: 9, perSeconds: 3600, of: ["agent", "run"] },
        ],
        limits: [{ counter: "pay/tool+run", of: ["tool", "run"] }],
      },
    });
    const list = (items: unknown) => decide(one, { ...call({ args: { items } as never }), target: "y", tool: "y" });
    expect(list([1, 2, 3])).toMatchObject({ obligations: { budgets: [{ amount: 6 }] } });
    expect(list([1, 0.5]).effect).toBe("deny");
    expect(list([Number.MAX_SAFE_INTEGER, 1]).effect, "not a whole number any more").toBe("deny");
  });

  it("A-POL-03 refuses an amount that is fractional, negative, missing or no number", () => {
    expect(effect(one, call({ args: { cents: 0 } }))).toBe("allow");
    for (const cents of [0.5, -1, "7", null, true, [7], 1e300]) {
      expect(effect(one, call({ args: { cents } as never })), String(cents)).toBe("deny");
    }
    expect(effect(one, call({ args: {} }))).toBe("deny");
    const fraction = decide(one, call({ args: { cents: 0.5 } }));
    expect(fraction).toMatchObject({ failed: [{ condition: "budget", path: "cents" }] });
  });

  it("are counted under a key that no caller can make into another's", () => {
    const of = ["agent", "tool", "run"] as const;
    const key = (more: Partial<PolicyInput>) => counterKey({ counter: "c", of }, call(more));
    expect(key({})).toBe(`c "${agent.did}" "x" ""`);
    expect(key({ target: 'a" "b', run: "c" })).not.toBe(key({ target: "a", run: 'b" "c' }));
    expect(counterKey({ counter: "c", of: [] }, call())).toBe("c");
    expect(
      counterKey(
        { counter: "c", of: ["agent"] },
        call({ caller: { binding: "connection", scheme: "m", spiffe: "spiffe://a/b" } }),
      ),
    ).toBe('c "spiffe://a/b"');
  });
});

it("P-OBL-01 P-ALSO-01 `also` stands in the obligations of every admitted call", () => {
  const one = policy('also: [cedar, opa]\nallow: [{tools: x, agents: "*"}]', { adapters: ["opa", "cedar"] });
  expect(decide(one, call())).toMatchObject({ obligations: { adapters: ["cedar", "opa"] } });
});

describe("couldAllow", () => {
  it("shows what arguments, history or a person could open, and hides what trust does not", () => {
    const one = policy(`defaults: {approvers: "${alice.did}"}
deny: [{tools: never, agents: "*"}, {tools: z, spiffe: "spiffe://a/*"}]
allow:
- {tools: [x, never], agents: "*", require: [{step: a, by: "${alice.did}"}], signers: "${alice.did}", approval: {by: "${alice.did}"}}
- {tools: h, agents: "*", trust: 0.5, unknown: ask-human}
- {tools: t, agents: "*", trust: 0.5}
- {tools: s, spiffe: "spiffe://a/*"}
- {tools: z, agents: "*"}`);
    const could = (tool: string, more: Partial<PolicyInput> = {}) =>
      couldAllow(one, call({ target: tool, tool, ...more }));
    expect(["x", "h", "z"].map((tool) => could(tool))).toEqual([true, true, true]);
    expect(["never", "t", "s", "other"].map((tool) => could(tool))).toEqual([false, false, false, false]);
    expect(could("h", { trust: { tools: 0.4 }, trust_age_seconds: 1 })).toBe(false);
    const bound = by({ spiffe: "spiffe://a/b" }).caller!;
    expect([could("s", { caller: bound }), could("z", { caller: bound })]).toEqual([true, false]);
  });
});

describe("an input with a history", () => {
  it("is refused if an entry is malformed, stands before what it refers to, or is of another run", async () => {
    const one = policy('allow: [{tools: x, agents: "*"}]');
    const run = new TestRun();
    await run.add(agent, "began", "accepted", at - 9, { exp: at + 9 });
    await run.add(seeded(40), "check", "passed", at - 8);
    const good = callInput({ caller: agent.did, tool: "x", now: at, run });
    const [first, second] = good.history!;
    expect(effect(one, good)).toBe("allow");
    expect(effect(one, { ...good, held: [{ ...second!, digest: `sha256:${"0".repeat(64)}`, run: "other" }] })).toBe(
      "allow",
    );
    const { run: _, ...noRun } = good;
    const bad: unknown[] = [
      noRun,
      { ...good, history: {} },
      { ...good, history: [second, first] },
      { ...good, history: [first, first] },
      { ...good, history: [first, null] },
      { ...good, held: [first] },
      { ...good, held: "none" },
      { ...good, in_custody: "yes" },
      { ...good, run: 5 },
      ...[
        { digest: "sha256:1" },
        { prev: "none" },
        { prev: [1] },
        { step: "Began" },
        { result: undefined },
        { agent: "Alice" },
        { timestamp: "yesterday" },
        { expires: "tomorrow" },
        { req: 1 },
        { aud: {} },
        { tool: [] },
        { sub: [] },
        { spiffe: "acme" },
        { run: "another" },
      ].map((change) => ({ ...good, history: [{ ...first, ...change }] })),
    ];
    for (const input of bad) {
      expect(decide(one, input as PolicyInput), JSON.stringify(input).slice(0, 300)).toMatchObject({
        failed: [{ condition: "input" }],
      });
    }
  });

  it("has one digest, whatever the order of its members", () => {
    const { v, ...rest } = call();
    expect(inputDigest({ ...rest, v })).toBe(inputDigest(call()));
    expect(inputDigest(call({ args: { a: 1 } }))).not.toBe(inputDigest(call()));
  });
});
