import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import { checkAgreement } from "../../../test/_policy-properties.ts";
import {
  args,
  denyRule,
  dids,
  document,
  historyDocument,
  input,
  load,
  server,
  spentDigests,
  toolInput,
  trust,
  underPolicy,
} from "../../../test/_policy-world.ts";
import type { EntryDocument } from "../history/describe.ts";
import { couldAllow, decide, type Decision } from "./decide.ts";
import type { AllowRule } from "./document.ts";
import { explainDecision } from "./explain.ts";
import type { PolicyInput } from "./input.ts";
import { parsePolicy, type Policy } from "./load.ts";

const runs = { numRuns: 300 };
const unspent = { spent: () => false };
const rank = { deny: 0, ask: 1, allow: 2 };
const rankOf = (decision: Decision): number => rank[decision.effect];

describe("properties of decide", () => {
  it("agrees with a naive evaluator that reads the document itself, quantifier by quantifier", () => {
    checkAgreement(document, input, 300);
    const seen = checkAgreement(historyDocument, toolInput, 500);
    // Every answer occurs often enough to mean something.
    expect(
      Math.min(...["allow", "ask", "ERR_POLICY_DENIED", "ERR_APPROVAL_DENIED"].map((one) => seen[one] ?? 0)),
    ).toBeGreaterThan(0);
  });

  it("never admits more when a deny rule is added", () => {
    fc.assert(
      fc.property(document, denyRule, fc.nat(2), input, (one, extra, at, call) => {
        const deny = [...(one.deny ?? [])];
        deny.splice(at, 0, extra);
        const before = decide(load(one), call, unspent);
        expect(rankOf(decide(load({ ...one, deny }), call, unspent))).toBeLessThanOrEqual(rankOf(before));
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
      fc.record({ spiffe: fc.constant("spiffe://t/**") }),
      fc.record({ when: fc.constantFrom("yes", "no", "mine") }),
      fc.record({ signers: fc.constantFrom("*", "@g") }),
      fc.record({ require: fc.constant([{ step: "a", by: "@g" }]) }),
      fc.record({ approval: fc.constant({ by: "@g" }) }),
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
        // The rule's own approvers take the place of the common ones, so there `approval` is no mere condition either.
        fc.pre(!("approval" in extra && one.allow[at]?.trust !== undefined));
        const [before, after] = [load(one), load({ ...one, allow })].map((policy) => decide(policy, call, unspent));
        if (before!.effect !== "allow") expect(after!.effect).not.toBe("allow");
      }),
      runs,
    );
  });

  it("A-APPR-08 never admits more when an adverse entry is added, presented or held", () => {
    const adverse = fc.record({
      step: fc.constantFrom("a", "b", "human_approval"),
      agent: fc.constantFrom(...dids),
      isHeld: fc.boolean(),
      age: fc.nat(100),
    });
    fc.assert(
      fc.property(
        fc.oneof(document, historyDocument),
        toolInput,
        adverse,
        (one, call, { step, agent, isHeld, age }) => {
          const policy = load(one);
          const timestamp = new Date(Date.parse(call.now) - age * 1000).toISOString();
          const last = call.history?.at(-1)?.digest;
          const entry: EntryDocument = {
            digest: `sha256:${"f".repeat(64)}`,
            prev: last ? [last] : [],
            step,
            result: "refuted",
            agent,
            timestamp,
            sub: {},
          };
          const list = isHeld ? "held" : "history";
          const more = { ...call, [list]: [...(call[list] ?? []), entry] };
          const [before, after] = [call, more].map((each) => decide(policy, underPolicy(each, policy), unspent));
          expect(rankOf(after!)).toBeLessThanOrEqual(rankOf(before!));
        },
      ),
      { numRuns: 1000 },
    );
  });

  it("never admits what it did not when the clock runs on past every window, or when everything is used up", () => {
    fc.assert(
      fc.property(historyDocument, toolInput, spentDigests, (one, call, spent) => {
        const policy = load(one);
        const named = underPolicy(call, policy);
        const before = decide(policy, named, { spent: (digest) => spent.has(digest) });
        const all = decide(policy, named, { spent: () => true });
        if (before.effect !== "allow") expect(all.effect).not.toBe("allow");
        expect(decide(policy, named)).toEqual(all);
      }),
      runs,
    );
  });

  it("P-EVAL-06 has the same effect and reason in any order of the rules", () => {
    fc.assert(
      fc.property(fc.oneof(document, historyDocument), input, fc.infiniteStream(fc.nat()), (one, call, keys) => {
        const shuffle = <T>(rules: readonly T[]) =>
          rules
            .map((rule) => [keys.next().value, rule] as const)
            .sort(([a], [b]) => a! - b!)
            .map(([, rule]) => rule);
        const [a, b] = [one, { ...one, deny: shuffle(one.deny ?? []), allow: shuffle(one.allow) }].map((each) =>
          decide(load(each), call, unspent),
        );
        expect(a!.effect).toBe(b!.effect);
        if (a!.effect === "deny" && b!.effect === "deny") expect(a!.reason).toBe(b!.reason);
      }),
      runs,
    );
  });

  it("P-EVAL-08 never throws, on any JSON and on what is none", () => {
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
        expect(explainDecision(open, any as PolicyInput).decision.effect).toBe("deny");
        expect(decide(any as Policy, any as PolicyInput).effect).toBe("deny");
      }),
      { numRuns: 1000 },
    );
    const member = fc.constantFrom("args", "history", "held", "caller", "run", "req", "trust", "in_custody", "now");
    fc.assert(
      fc.property(document, input, member, fc.jsonValue(), (one, call, name, any) => {
        expect(["allow", "ask", "deny"]).toContain(decide(load(one), { ...call, [name]: any }, unspent).effect);
      }),
      runs,
    );
  });

  it("couldAllow hides nothing that some arguments, history or approval open", () => {
    fc.assert(
      fc.property(document, input, (one, call) => {
        const { args: _, history: _h, held: _d, ...listed } = call;
        if (decide(load(one), call, unspent).effect !== "deny") expect(couldAllow(load(one), listed)).toBe(true);
      }),
      runs,
    );
  });

  it("explains each rule as it decides it", () => {
    fc.assert(
      fc.property(fc.oneof(document, historyDocument), input, (one, call) => {
        const policy = load(one);
        const { decision, rules, change } = explainDecision(policy, call, unspent);
        expect(decision).toEqual(decide(policy, call, unspent));
        const isDenied = rules.some(({ list, met }) => list === "deny" && met);
        const allowed = rules.find(({ list, met }) => list === "allow" && met)?.rule;
        expect(decision.effect === "allow" ? decision.rule : undefined).toBe(isDenied ? undefined : allowed);
        if (decision.effect === "ask") expect(change?.wanted).not.toEqual([]);
      }),
      runs,
    );
  });

  it("gives one digest to a document and to what parsePolicy made of it", () => {
    fc.assert(
      fc.property(document, (one) => {
        const policy = load(one);
        expect(load(policy.document).digest).toBe(policy.digest);
      }),
      runs,
    );
  });

  it("decides about a server's own receipts as about any signer's but `signers`", () => {
    const policy = load({
      apiVersion: "peerage.dev/v1",
      kind: "Policy",
      allow: [{ tools: "x", agents: "*", signers: [dids[0]] }],
    });
    const entry = (agent: string) => ({
      digest: `sha256:${"1".repeat(64)}`,
      prev: [],
      step: "tool_call",
      result: "executed",
      agent,
      timestamp: "2026-11-20T00:00:00Z",
      sub: {},
    });
    const ask = (agent: string) =>
      decide(policy, {
        v: 1,
        now: "2026-11-20T00:00:01Z",
        method: "tools/call",
        target: "x",
        server,
        caller: { did: dids[0], binding: "message", scheme: "s" },
        args: {},
        trust: {},
        run: "r",
        history: [entry(agent)],
      } as never).effect;
    expect([server, dids[0], dids[1]].map(ask)).toEqual(["allow", "allow", "deny"]);
  });
});
