import { describe, expect, it } from "vitest";
import { isPeerageError } from "../errors.ts";
import { generateIdentity } from "../did/identity.ts";
import { loadCel, mentionsWhen } from "./cel.ts";
import { decide } from "./decide.ts";
import type { PolicyInput } from "./input.ts";
import { parsePolicy } from "./load.ts";

const compileWhen = await loadCel();
const server = generateIdentity().did;
const caller = generateIdentity().did;

function call(args: object, more: Partial<PolicyInput> = {}): PolicyInput {
  return {
    v: 1,
    now: "2026-11-20T12:00:00Z",
    method: "tools/call",
    target: "refund",
    tool: "refund",
    server,
    calling_agent: caller,
    caller: { did: caller, binding: "message", scheme: "peerage-call" },
    args: args as never,
    trust: { tools: 0.7 },
    trust_age_seconds: 1,
    ...more,
  };
}

const policy = (when: string, kind: "allow" | "deny" = "allow") => {
  const rule = { tools: "refund", agents: "*", when };
  const rules = kind === "allow" ? { allow: [rule] } : { deny: [rule], allow: [{ tools: "refund", agents: "*" }] };
  return parsePolicy(
    JSON.stringify({ apiVersion: "peerage.dev/v1", kind: "Policy", open: true, ...rules }),
    {},
    { compileWhen },
  );
};

const effect = (when: string, args: object = {}, kind: "allow" | "deny" = "allow") =>
  decide(policy(when, kind), call(args), { spent: () => false }).effect;

describe("when:", () => {
  it("allows what is true and nothing else", () => {
    expect(effect("args.amount < 100.0 && trust.tools >= 0.5", { amount: 50 })).toBe("allow");
    expect(effect("args.amount < 100.0 && trust.tools >= 0.5", { amount: 150 })).toBe("deny");
    expect(effect("args.amount", { amount: 1 })).toBe("deny");
    expect(effect('has(args.note) && args.note.startsWith("ok")', { note: "ok then" })).toBe("allow");
    expect(effect('has(args.note) && args.note.startsWith("ok")')).toBe("deny");
  });

  it("A-POL-09 an error denies: not met in allow, met in deny", () => {
    expect(effect("args.nope == 1")).toBe("deny");
    expect(effect("args.nope == 1", {}, "deny")).toBe("deny");
    expect(effect("args.amount > 100.0", { amount: 1 }, "deny")).toBe("allow");
    expect(effect("args.amount > 100.0", { amount: "12500" }, "deny")).toBe("deny");
    expect(effect("args.amount < 100.0", { amount: "12500" })).toBe("deny");
  });

  it("A-POL-04 sees own members only", () => {
    expect(effect("has(args.constructor) || has(args.toString)", {})).toBe("deny");
    expect(effect('args["__proto__"] == 1.0', JSON.parse('{"__proto__":1}') as object)).toBe("allow");
  });

  it("A-POL-05 matches in linear time", () => {
    expect(effect('args.text.matches("^(a+)+$")', { text: `${"a".repeat(5_000)}!` })).toBe("deny");
    expect(effect('args.text.matches("^(a+)+$")', { text: "a".repeat(5_000) })).toBe("allow");
  });

  it("A-POL-09 refuses at load what is too long, too wide, too deep, no expression, or about nothing", () => {
    const refused = [
      `"${"x".repeat(1_100)}" == ""`,
      Array.from({ length: 120 }, () => "true").join(" && "),
      "history.all(a, history.all(b, history.all(c, true)))",
      "args.amount <",
      "password == 1.0",
      "history.exists(h, g.step == '')",
    ];
    for (const when of refused) {
      expect(() => policy(when), when).toThrow(
        expect.toSatisfy((error: unknown) => isPeerageError(error, "ERR_POLICY_INVALID")),
      );
    }
    expect(() => policy("history.all(a, history.exists(b, a.step == b.step))")).not.toThrow();
  });

  it("is looked for before the engine is loaded", () => {
    expect(mentionsWhen("allow: [{tools: a, agents: '*', when: 'true'}]")).toBe(true);
    expect(mentionsWhen("allow: []")).toBe(false);
  });
});
