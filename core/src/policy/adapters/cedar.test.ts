import { readFileSync } from "node:fs";
import * as engine from "@cedar-policy/cedar-wasm/nodejs";
import { describe, expect, it } from "vitest";
import { completeInput, type PartialInput } from "../complete-input.ts";
import { decide } from "../decide.ts";
import { parsePolicy } from "../load.ts";
import { askAdapters, type AdapterAnswer, type PolicyAdapter } from "./adapter.ts";
import { CEDAR_TYPES, cedarRequest } from "./cedar-request.ts";
import { cedarAdapter } from "./cedar.ts";

const fraud = "did:key:z6Mkhow21JWUi49xXiMVnHL18JjZf5dYMSmSwPoHfWU4VN5q" as const;
const alice = "did:key:z6MktojHN9D8obak7C9wjpTzCRrdE5zC6cxt5ANUFnQskgbs" as const;
const action = (args: string) =>
  `action "pay" appliesTo { principal: Agent, resource: Server, context: { call: Call, args: ${args} } };`;
const permitAll = "permit (principal, action, resource);";

async function ask(adapter: PolicyAdapter, partial: PartialInput): Promise<AdapterAnswer> {
  const [answer] = await askAdapters(["cedar"], { cedar: adapter }, completeInput(partial), 20_000);
  return answer!;
}

/** What Cedar alone says: the reading that looks at the decision only. */
function naive(policies: string, schema: string, partial: PartialInput): string {
  const answer = engine.isAuthorized({
    ...cedarRequest(completeInput(partial)),
    schema: `${CEDAR_TYPES}${schema}`,
    policies: { staticPolicies: policies },
  });
  return answer.type === "success" ? answer.response.decision : "failure";
}

describe("Cedar", () => {
  it("allows what a policy permits and none forbids, behind the rules, and says by which", async () => {
    const read = (name: string) =>
      readFileSync(new URL(`../../../../examples/policy/cedar/${name}`, import.meta.url), "utf8");
    const cedar = await cedarAdapter({ policies: read("refunds.cedar"), schema: read("refunds.cedarschema") });
    const policy = parsePolicy(read("policy.yaml"), {}, { adapters: ["cedar"] });
    const call = (amount_cents: number, trust: number, more: PartialInput = {}): PartialInput => ({
      tool: "payments.refund",
      args: { amount_cents, currency: "USD" },
      trust: { tools: trust },
      history: [{ step: "fraud_check", result: "passed", agent: fraud }],
      in_custody: true,
      ...more,
    });
    const outcome = async (partial: PartialInput): Promise<string> => {
      const decision = decide(policy, completeInput(partial));
      if (decision.effect !== "allow") return decision.effect;
      expect(decision.obligations.adapters).toEqual(["cedar"]);
      const { allow, reasons } = await ask(cedar, partial);
      return `${allow ? "allow" : "deny"} ${reasons.join(" ")}`.trim();
    };
    expect(await outcome(call(5, 0.5))).toBe("allow trusted-and-checked");
    expect(await outcome(call(5, 0.4999))).toBe("deny");
    expect(await outcome(call(5_000_001, 0.9))).toBe("deny never-large");
    expect(await outcome(call(5, 0.2))).toBe("deny");
    expect(await outcome({ ...call(5, 0.9), tool: "payments.payout" })).toBe("deny");
    expect(cedar.version).toMatch(/^cedar 4\.\d+\.\d+ sha256:[0-9a-f]{64}$/);
  });

  it("A-POL-09 denies where a policy errs, although Cedar skips a forbid that errs and allows", async () => {
    const schema = action("{ n: Long }");
    const policies = `${permitAll}\nforbid (principal, action, resource) when { context.args.n + 9223372036854775807 > 10 };`;
    const overflows = { tool: "pay", args: { n: 5 } };
    expect(naive(policies, schema, overflows)).toBe("allow");
    const cedar = await cedarAdapter({ policies, schema });
    const { allow, reasons } = await ask(cedar, overflows);
    expect(allow).toBe(false);
    expect(reasons.join()).toContain("integer overflow");
    // The same policies, where nothing errs.
    expect(await ask(cedar, { tool: "pay", args: { n: -9_000_000 } })).toMatchObject({ allow: false });
    const careful = `${permitAll}\nforbid (principal, action, resource) when { context.args.n > 10 };`;
    expect(await ask(await cedarAdapter({ policies: careful, schema }), overflows)).toMatchObject({ allow: true });
  });

  it("A-POL-09 reads no argument as an entity: a caller cannot pass for another", async () => {
    const schema = action("{ owner: Agent }");
    const policies = `permit (principal, action, resource) when { context.args.owner == Agent::"${alice}" };`;
    const forged = { tool: "pay", args: { owner: { __entity: { type: "Agent", id: alice } } } };
    const request = cedarRequest(completeInput({ tool: "pay" }));
    const answer = engine.isAuthorized({
      ...request,
      // Naive: the arguments as they came.
      context: { ...request.context, args: forged.args },
      schema: `${CEDAR_TYPES}${schema}`,
      policies: { staticPolicies: policies },
    });
    expect(answer).toMatchObject({ type: "success", response: { decision: "allow" } });
    const cedar = await cedarAdapter({ policies, schema });
    expect(await ask(cedar, forged)).toMatchObject({ allow: false, reasons: ["an argument is called __entity"] });
    const nested = { tool: "pay", args: { owner: { a: [{ __extn: { fn: "decimal", arg: "1.0" } }] } } };
    expect(await ask(cedar, nested)).toMatchObject({ allow: false });
  });

  it("A-POL-09 denies what cannot be shown as it is, and an argument or tool that the schema does not name", async () => {
    const cedar = await cedarAdapter({ policies: permitAll, schema: action("{ n: Long, note?: String }") });
    expect((await ask(cedar, { tool: "pay", args: { n: 1 } })).allow).toBe(true);
    expect((await ask(cedar, { tool: "pay", args: { n: 1, note: "x" } })).allow).toBe(true);
    for (const args of [
      {},
      { n: 1.5 },
      { n: "1" },
      { n: null },
      { n: 1, note: null },
      { n: 1, more: 1 },
      { n: 2 ** 53 },
      { n: [1] },
      ["n"],
      JSON.parse('{"n":1,"__proto__":{"note":"x"}}') as object,
    ]) {
      expect((await ask(cedar, { tool: "pay", args: args as never })).allow, JSON.stringify(args)).toBe(false);
    }
    for (const tool of ["payout", "Pay", "prompts/get"]) {
      expect((await ask(cedar, { tool, args: { n: 1 } })).allow, tool).toBe(false);
    }
    expect((await ask(cedar, { method: "prompts/get", target: "pay", args: { n: 1 } })).allow).toBe(false);
  });

  it("A-POL-09 loads no policy that the strict validator refuses or warns of, none without a schema", async () => {
    const schema = action("{ n: Long }");
    for (const [policies, problem] of [
      ["permit (principal, action, resource) when { context.args.m > 1 };", "`args.m`"],
      ['permit (principal, action, resource) when { context.args.n > "1" };', "type"],
      ['forbid (principal, action == Action::"pya", resource);', "pya"],
      ["forbid (principal, action, resource) when { principal is Server };", "impossible"],
      ['permit (principal, action, resource) when { context.call.getTag("a").bound };', "tag"],
      ["permit (principal, action, resource)", "cannot read"],
      ["permit (principal == ?principal, action, resource);", "template"],
      [`@id("a")${permitAll}@id("a")${permitAll}`, "stands twice"],
    ] as const) {
      await expect(cedarAdapter({ policies, schema }), policies).rejects.toThrow(problem);
    }
    await expect(cedarAdapter({ policies: permitAll, schema: "action" })).rejects.toThrow("Cedar refuses");
    expect((await ask(await cedarAdapter({ policies: "", schema }), { tool: "pay", args: { n: 1 } })).allow).toBe(
      false,
    );
  });

  it("A-POL-09 shows the latest word of a step: a denial after or beside an approval is never hidden", async () => {
    const cedar = await cedarAdapter({
      policies: `permit (principal, action, resource) when {
        context.call.hasTag("check") && context.call.getTag("check").result == "passed" &&
        context.call.getTag("check").by.contains(Agent::"${fraud}") };`,
      schema: action("{}"),
    });
    const passed = { step: "check", result: "passed", agent: fraud } as const;
    const failed = { step: "check", result: "failed", agent: fraud } as const;
    const begin = { step: "begin", result: "accepted", digest: `sha256:${"a".repeat(64)}` as const };
    const beside = (one: object) => ({ ...one, prev: [begin.digest] });
    const outcome = async (history: PartialInput["history"], more: PartialInput = {}) =>
      (await ask(cedar, { tool: "pay", history: history ?? [], ...more })).allow;
    expect(await outcome([passed])).toBe(true);
    expect(await outcome([failed, passed])).toBe(true);
    expect(await outcome([passed, failed])).toBe(false);
    expect(await outcome([begin, beside(passed), beside({ ...failed, agent: alice })])).toBe(false);
    expect(await outcome([begin, beside(passed), beside({ ...passed, agent: alice })])).toBe(true);
    expect(await outcome([{ ...passed, agent: alice }])).toBe(false);
    expect(await outcome([{ ...passed, expires: "2026-01-01T12:00:00Z" }])).toBe(false);
    expect(await outcome([{ ...passed, timestamp: "2026-01-01T12:00:31Z" }])).toBe(false);
    expect(await outcome([{ ...passed, timestamp: "2026-01-01T12:00:30Z" }])).toBe(true);
    // Of another run, and not of this request.
    expect(await outcome([], { run: "here", held: [{ ...passed, run: "elsewhere" }] })).toBe(false);
    expect(await outcome([passed], { held: [{ ...failed, run: "elsewhere" }] })).toBe(false);
  });

  it("rounds a score down and never up", () => {
    const scores = { a: 0.57, b: 0.99999, c: 1, d: 0.00009, e: 0 };
    const [agent] = cedarRequest(completeInput({ tool: "pay", trust: scores })).entities;
    const shown = Object.values(agent?.tags ?? {}).map((tag) => (tag as { __extn: { arg: string } }).__extn.arg);
    expect(shown).toEqual(["0.5700", "0.9999", "1.0000", "0.0000", "0.0000"]);
  });
});
