import { describe, expect, it } from "vitest";
import { loadCel } from "./cel.ts";
import { completeInput } from "./complete-input.ts";
import { decide } from "./decide.ts";
import { parsePolicy } from "./load.ts";

// What other languages admit by a fault of the policy or of the call. Cedar and OPA: adapters/cedar.test.ts, adapters/opa.test.ts.

const compileWhen = await loadCel();

const effect = (rules: string, args: unknown): string =>
  decide(
    parsePolicy(`apiVersion: peerage.dev/v1\nkind: Policy\n${rules}`, {}, { compileWhen }),
    completeInput({ tool: "pay", args: args as never }),
  ).effect;

describe("JSON-logic", () => {
  // Its comparisons are those of JavaScript, and a variable that is not there is null.
  const variable = (args: Record<string, unknown>, name: string): unknown => args[name] ?? null;
  const below = (a: unknown, b: number): boolean => (a as number) < b;

  it("A-POL-03 reads a missing amount as 0 and text as a number; here neither is below a limit", () => {
    const rules = 'allow: [{tools: pay, agents: "*", args: {amount: {"<": 10000, ">=": 0}}}]';
    for (const args of [{}, { amount: null }, { amount: "12" }, { amount: true }, { amount: [] }, { amount: [12] }]) {
      expect(below(variable(args, "amount"), 10_000), JSON.stringify(args)).toBe(true);
      expect(effect(rules, args), JSON.stringify(args)).toBe("deny");
    }
    expect(effect(rules, { amount: 12 })).toBe("allow");
    expect(effect(rules, { amount: 12_000 })).toBe("deny");
  });

  it("A-POL-03 lets a missing or odd amount through a rule that forbids large ones; here such a rule is met", () => {
    const rules =
      'deny: [{tools: pay, args: {amount: {">": 10000}}}]\nallow: [{tools: pay, agents: "*", trust: 0.1, unknown: ask-human, approval: {by: "*"}}]';
    const forbids = (args: Record<string, unknown>): boolean => (variable(args, "amount") as number) > 10_000;
    for (const args of [{}, { amount: null }, { amount: "a lot" }, { amount: { value: 99_999 } }]) {
      expect(forbids(args), JSON.stringify(args)).toBe(false);
      expect(effect(rules, args), JSON.stringify(args)).toBe("deny");
    }
    expect(effect(rules, { amount: 12 })).toBe("ask");
  });
});

describe("CEL", () => {
  const deny = (when: string): string =>
    `deny: [{tools: pay, when: ${JSON.stringify(when)}}]\nallow: [{tools: pay, agents: "*", args: {note: {absent: true}}}]`;

  it("A-POL-09 an expression that errs is no `false`: a deny rule that cannot be evaluated is met", () => {
    const when = 'args.path.startsWith("/etc")';
    // Naive: what cannot be evaluated is not so.
    const naive = (args: { path?: unknown }): boolean => {
      try {
        return (args.path as string).startsWith("/etc");
      } catch {
        return false;
      }
    };
    for (const args of [{}, { path: 7 }, { path: ["/etc/passwd"] }, { path: null }, { path: { "0": "/etc" } }]) {
      expect(naive(args), JSON.stringify(args)).toBe(false);
      expect(effect(deny(when), args), JSON.stringify(args)).toBe("deny");
    }
    expect(effect(deny(when), { path: "/tmp/x" })).toBe("allow");
    expect(effect(deny(when), { path: "/etc/x" })).toBe("deny");
  });

  it("A-POL-09 whole numbers of an expression are no JSON numbers: arithmetic with them errs, and an error denies", () => {
    const allow = (when: string): string => `allow: [{tools: pay, agents: "*", when: ${JSON.stringify(when)}}]`;
    expect(effect(allow("args.n + 1 > 1"), { n: 5 })).toBe("deny");
    expect(effect(deny("args.n + 1 > 100"), { n: 5 })).toBe("deny");
    expect(effect(allow("args.n + 1.0 > 1.0"), { n: 5 })).toBe("allow");
    expect(effect(allow("args.n / 0.0 > 1.0 || 1 / 0 == 1"), { n: 0 })).toBe("deny");
  });

  it("A-POL-05 A-POL-09 matches an expression that makes others backtrack, in steps that grow with the text", () => {
    // 2^28 readings for a backtracking engine; linear here, so that a text a thousand times as long is no trouble.
    const allow = 'allow: [{tools: pay, agents: "*", when: "args.s.matches(\'^(a+)+$\')"}]';
    expect(effect(allow, { s: `${"a".repeat(28_000)}!` })).toBe("deny");
    expect(effect(allow, { s: "a".repeat(28_000) })).toBe("allow");
  });
});
