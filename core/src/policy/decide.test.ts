import { describe, expect, it } from "vitest";
import { identityFromSeed } from "../did/identity.ts";
import type { Did } from "../did/did-key.ts";
import { couldAllow, decide, requiredScopes, type Decision } from "./decide.ts";
import type { PolicyInput } from "./input.ts";
import { parsePolicy, type Policy } from "./load.ts";

const [server, alice, bob] = [1, 2, 3].map((n) => identityFromSeed(new Uint8Array(32).fill(n)).did) as [Did, Did, Did];

function policy(text: string): Policy {
  return parsePolicy(`apiVersion: peerage.dev/v1\nkind: Policy\n${text}`, { me: [alice] });
}

function call(tool: string, more: Partial<PolicyInput> = {}): PolicyInput {
  return {
    v: 1,
    now: "2026-11-20T14:23:08Z",
    method: "tools/call",
    target: tool,
    tool,
    server,
    caller: { did: bob, binding: "message", scheme: "peerage-call" },
    args: {},
    trust: {},
    trust_age_seconds: 10,
    ...more,
  };
}

const effect = (one: Policy, input: PolicyInput) => decide(one, input).effect;
const reason = (decision: Decision) => (decision.effect === "deny" ? decision.reason : "allowed");

describe("decide", () => {
  it("P-EVAL-03 P-OBL-01 allows by the first rule that holds in full, with its obligations and the digest of the policy", () => {
    const one = policy(`allow:
- {id: high, tools: x, agents: "*", trust: 0.9}
- {id: low, tools: x, agents: "*", trust: 0.5, audit: durable, limit: [{calls: 10, per: 1m}, {calls: 99, per: 1h}, {calls: 5, per: 1s, of: all, name: site}]}
- {id: never, tools: x, agents: "*", trust: 0.4}`);
    expect(decide(one, call("x", { trust: { tools: 0.6 } }))).toEqual({
      effect: "allow",
      policy: one.digest,
      rule: "low",
      obligations: {
        limits: [
          { counter: "low/agent", calls: 10, perSeconds: 60, of: ["agent"] },
          { counter: "low/agent/2", calls: 99, perSeconds: 3600, of: ["agent"] },
          { counter: "site/all", calls: 5, perSeconds: 1, of: [] },
        ],
        budgets: [],
        spend: [],
        adapters: [],
        audit: "durable",
      },
      evidence: [],
    });
  });

  it("P-EVAL-02 lets a deny rule win over every allow rule, wherever it stands, and says which and why", () => {
    const one = policy(
      `allow: [{tools: "*", agents: "@me"}]\ndeny: [{id: frozen, tools: "write_*", because: backup runs}]`,
    );
    const mine = { caller: { did: alice, binding: "message", scheme: "peerage-call" } } as const;
    expect(effect(one, call("read", mine))).toBe("allow");
    expect(decide(one, call("write_x", mine))).toMatchObject({
      reason: "ERR_POLICY_DENIED",
      rule: "frozen",
      because: "backup runs",
    });
  });

  it("A-POL-02 denies a tool, method, resource or prompt that no rule names", () => {
    const one = policy(
      `allow: [{tools: x, agents: "*"}, {prompts: p, agents: "*"}, {resources: "file:///a/*", agents: "*"}, {methods: "completion/*", agents: "*"}]`,
    );
    const ask = (method: string, target: string) => {
      const { tool: _, ...input } = call("x");
      return decide(one, { ...input, method, target });
    };
    for (const [method, target] of [
      ["tools/call", "x"],
      ["prompts/get", "p"],
      ["resources/read", "file:///a/b"],
      ["resources/subscribe", "file:///a/b"],
      ["completion/complete", "completion/complete"],
    ] as const) {
      expect(ask(method, target).effect, method).toBe("allow");
    }
    const hidden = ask("tools/call", "invented");
    for (const [method, target] of [
      ["tools/call", "p"],
      ["tools/call", "X"],
      ["prompts/get", "x"],
      ["resources/read", "file:///a/b/c"],
      ["resources/read", "file:///a/../etc"],
      ["resources/unsubscribe", "resources/unsubscribe"],
      ["tasks/get", "tasks/get"],
      ["no/such", "no/such"],
    ] as const) {
      expect(ask(method, target), `${method} ${target}`).toEqual(hidden);
    }
    expect(hidden).toMatchObject({ effect: "deny", reason: "ERR_POLICY_DENIED" });
  });

  it("A-POL-03 P-EVAL-07 denies by an erring test both in an allow and in a deny rule", () => {
    const allows = policy(`allow: [{tools: x, agents: "*", args: {amount: {">": 0, "<": 20000}}}]`);
    const denies = policy(`deny: [{tools: x, args: {amount: {">=": 20000}}}]\nallow: [{tools: x, agents: "*"}]`);
    expect(effect(allows, call("x", { args: { amount: 12_500 } }))).toBe("allow");
    expect(effect(denies, call("x", { args: { amount: 12_500 } }))).toBe("allow");
    for (const args of [
      {},
      { amount: null },
      { amount: "12500" },
      { amount: true },
      { amount: [12_500] },
      { amount: {} },
    ]) {
      expect(effect(allows, call("x", { args })), JSON.stringify(args)).toBe("deny");
      expect(effect(denies, call("x", { args })), JSON.stringify(args)).toBe("deny");
    }
    const { args: _, ...without } = call("x");
    expect([effect(allows, without), effect(denies, without)]).toEqual(["deny", "deny"]);
  });

  it("P-MATCH-02 denies by a path that escapes the folder, in an allow and in a deny rule", () => {
    const allows = policy(`allow: [{tools: delete, agents: "*", args: {path: {like: "scratch/**"}}}]`);
    const denies = policy(
      `deny: [{tools: delete, args: {path: {notLike: "scratch/**"}}}]\nallow: [{tools: delete, agents: "*"}]`,
    );
    for (const path of [
      "scratch/../a",
      "scratch/%2e%2e/a",
      "scratch\\..\\a",
      "/scratch/a",
      "other",
      "scratch/a\u0000",
    ]) {
      expect(
        [effect(allows, call("delete", { args: { path } })), effect(denies, call("delete", { args: { path } }))],
        path,
      ).toEqual(["deny", "deny"]);
    }
    const args = { path: "scratch/a/b.txt" };
    expect([effect(allows, call("delete", { args })), effect(denies, call("delete", { args }))]).toEqual([
      "allow",
      "allow",
    ]);
  });

  it("A-POL-04 takes constructor, __proto__ and length as absent in conditions", () => {
    const one = policy(
      `allow: [{tools: x, agents: "*", args: {constructor.name: Object}}, {tools: y, agents: "*", args: {/__proto__/admin: true}}]`,
    );
    expect(effect(one, call("x", { args: { a: 1 } }))).toBe("deny");
    expect(effect(one, call("y", { args: {} }))).toBe("deny");
    expect(effect(one, call("x", { args: { constructor: { name: "Object" } } }))).toBe("allow");
    expect(effect(one, call("y", { args: JSON.parse('{"__proto__": {"admin": true}}') }))).toBe("allow");
    const inherited = policy(`allow: [{tools: x, agents: "*", trust: {min: 0.1, scope: constructor}}]`);
    expect(effect(inherited, call("x"))).toBe("deny");
  });

  it("A-POL-05 P-MATCH-01 names tools by whole string and code point", () => {
    const one = policy(
      `deny: [{tools: delete_all}]\nallow: [{tools: "read_*", agents: "*"}, {tools: delete, agents: "*"}]`,
    );
    expect(effect(one, call("delete"))).toBe("allow");
    for (const tool of ["delete\n", "Delete", "dеlete", "xread_a", "delete_all"])
      expect(effect(one, call(tool)), tool).toBe("deny");
  });

  it("A-POL-06 denies where allow and deny both match, and at a weaker binding than `message`", () => {
    const one = policy(`deny: [{tools: x, agents: "${alice}"}]\nallow: [{tools: x, agents: ["${alice}", "${bob}"]}]`);
    const from = (did: Did, binding: "none" | "connection" | "head" | "body" | "message") =>
      decide(one, call("x", { caller: { did, binding, scheme: "s" } }));
    expect(from(bob, "message").effect).toBe("allow");
    expect(from(alice, "message").effect).toBe("deny");
    for (const weaker of ["none", "connection", "head", "body"] as const) {
      expect(from(bob, weaker)).toMatchObject({ reason: "ERR_POLICY_DENIED", failed: [{ condition: "binding" }] });
    }
  });

  it("denies without a caller, and a deny rule that names agents is met by whoever is not known", () => {
    const one = policy(`open: true\nallow: [{tools: "*", agents: "*"}]`);
    const { caller: _, ...nobody } = call("x");
    expect(effect(one, call("x"))).toBe("allow");
    expect(effect(one, nobody)).toBe("deny");
    const denies = policy(`deny: [{id: d, tools: x, agents: "${alice}"}]\nallow: [{tools: x, agents: "*"}]`);
    expect(effect(denies, call("x"))).toBe("allow");
    expect(decide(denies, nobody)).toMatchObject({ rule: "d" });
  });

  it("holds a rule in force from `from` on and before `until`, to the second", () => {
    const one = policy(`allow: [{tools: x, agents: "*", from: 2026-11-20T00:00:00Z, until: 2026-11-27T00:00:00Z}]`);
    const at = (now: string) => effect(one, call("x", { now }));
    expect(
      ["2026-11-19T23:59:59Z", "2026-11-20T00:00:00Z", "2026-11-26T23:59:59Z", "2026-11-27T00:00:00Z"].map(at),
    ).toEqual(["deny", "allow", "allow", "deny"]);
  });

  it("refuses an argument that a closed rule does not name", () => {
    const one = policy(
      `allow: [{tools: x, agents: "*", closed: true, args: {table: {like: "staging_*"}}}, {tools: y, agents: "*", closed: true}]`,
    );
    expect(effect(one, call("x", { args: { table: "staging_a" } }))).toBe("allow");
    expect(decide(one, call("x", { args: { table: "staging_a", cascade: true } }))).toMatchObject({
      failed: [{ condition: "closed" }],
    });
    expect(effect(one, call("y"))).toBe("allow");
    expect(effect(one, call("y", { args: { a: 1 } }))).toBe("deny");
  });
});

describe("trust", () => {
  const one = policy(`defaults: {scope: files, maxTrustAge: 1h}
readonly: ["read_*"]
allow:
- {id: r, tools: ["read_*", write], agents: "*", trust: 0.25, unknown: allow-readonly, limit: {calls: 9, per: 1m, of: all}}
- {id: w, tools: write, agents: "*", trust: {min: 0.5, scope: code, maxAge: 1m}}`);

  it("P-TRUST-01 asks for the score in the rule's scope, from data younger than its maxAge", () => {
    expect(decide(one, call("write", { trust: { files: 0.25 } }))).toMatchObject({ effect: "allow", rule: "r" });
    expect(decide(one, call("write", { trust: { code: 0.5 }, trust_age_seconds: 59 }))).toMatchObject({ rule: "w" });
    expect(reason(decide(one, call("write", { trust: { code: 0.5 }, trust_age_seconds: 60 })))).toBe(
      "ERR_TRUST_INSUFFICIENT",
    );
    expect(reason(decide(one, call("write", { trust: { tools: 1 } })))).toBe("ERR_TRUST_INSUFFICIENT");
    const { trust_age_seconds: _, ...ageless } = call("write", { trust: { files: 1, code: 1 } });
    expect(reason(decide(one, ageless))).toBe("ERR_TRUST_INSUFFICIENT");
    expect(requiredScopes(one)).toEqual(["code", "files"]);
  });

  it("P-TRUST-02 tells unknown from a low score: readonly tools are open to the unknown only", () => {
    expect(effect(one, call("read_a"))).toBe("allow");
    expect(effect(one, call("read_a", { trust: { files: 1 }, trust_age_seconds: 3600 }))).toBe("allow");
    expect(reason(decide(one, call("read_a", { trust: { files: 0.24 } })))).toBe("ERR_TRUST_INSUFFICIENT");
    expect(reason(decide(one, call("read_a", { trust: { files: 0 } })))).toBe("ERR_TRUST_INSUFFICIENT");
    expect(reason(decide(one, call("write")))).toBe("ERR_TRUST_INSUFFICIENT");
  });

  it("P-EVAL-05 says ERR_TRUST_INSUFFICIENT only if more trust alone would admit", () => {
    const two = policy(`allow: [{tools: x, agents: "*", trust: 0.5, args: {a: 1}}]`);
    expect(reason(decide(two, call("x", { args: { a: 1 } })))).toBe("ERR_TRUST_INSUFFICIENT");
    expect(reason(decide(two, call("x", { args: { a: 2 } })))).toBe("ERR_POLICY_DENIED");
    expect(reason(decide(two, call("y")))).toBe("ERR_POLICY_DENIED");
  });
});

describe("input", () => {
  const one = policy(`open: true\nallow: [{tools: "*", agents: "*"}, {methods: "*", agents: "*"}]`);
  const good = call("x");

  it("P-EVAL-01 is denied if it is no document of version 1", () => {
    expect(effect(one, good)).toBe("allow");
    const bad: Record<string, unknown>[] = [
      { v: 2 },
      { now: "2026-11-20" },
      { now: 1 },
      { method: "" },
      { target: 5 },
      { tool: "y" },
      { method: "tools/list" },
      { server: undefined },
      { caller: null },
      { caller: { did: "Alice", binding: "message", scheme: "s" } },
      { caller: { did: "did:key:z6MkeXATEjyXENzBXBxgC5EHk2JE5aqd7qMGGtDpLUH1e2Sj", binding: "message", scheme: "s" } },
      { caller: { did: bob, binding: "strong", scheme: "s" } },
      { trust: undefined },
      { trust: { tools: "0.9" } },
      { trust: { tools: 1.5 } },
      { trust: { tools: Number.NaN } },
      { trust_age_seconds: -1 },
      { trust_age_seconds: "10" },
      { req: 5 },
    ];
    for (const change of bad) {
      const decision = decide(one, { ...good, ...change });
      expect(decision, JSON.stringify(change)).toMatchObject({ effect: "deny", failed: [{ condition: "input" }] });
    }
    expect(decide(one, Object.create(good) as PolicyInput).effect).toBe("deny");
  });

  it("may carry facts of later versions", () => {
    expect(effect(one, { ...good, run: "r", history: [] })).toBe("allow");
  });
});

describe("couldAllow", () => {
  const one = policy(`deny: [{tools: frozen}, {tools: z, args: {force: true}}]
allow:
- {tools: [x, frozen, z], agents: "*", trust: 0.5, args: {a: 1}, closed: true}
- {tools: mine, agents: "@me"}
- {tools: over, agents: "*", until: 2026-01-01T00:00:00Z}`);

  it("P-LIST-01 keeps what some arguments would open at today's trust and hides the rest", () => {
    const could = (tool: string, trust: Record<string, number>) => couldAllow(one, call(tool, { trust }));
    expect(could("x", { tools: 0.5 })).toBe(true);
    expect(could("z", { tools: 0.5 })).toBe(true);
    expect(could("x", { tools: 0.4 })).toBe(false);
    expect(could("x", {})).toBe(false);
    for (const tool of ["frozen", "mine", "over", "other"]) expect(could(tool, { tools: 1 }), tool).toBe(false);
    expect(couldAllow(undefined, call("x", { trust: { tools: 1 } }))).toBe(false);
  });
});

it("A-POL-08 decides each call under the one policy that was handed in, whatever is loaded meanwhile", () => {
  const before = policy(`allow: [{tools: x, agents: "*"}]`);
  const input = call("x");
  const held = decide(before, input);
  const after = policy(`allow: []`);
  expect(decide(before, input)).toEqual(held);
  expect(held).toMatchObject({ effect: "allow", policy: before.digest });
  expect(decide(after, input)).toMatchObject({ effect: "deny", policy: after.digest });
  expect(after.digest).not.toBe(before.digest);
});
