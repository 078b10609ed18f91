import { describe, expect, it } from "vitest";
import { callInput, people, requestOf, TestRun } from "../../../test/_history.ts";
import { explainDecision } from "./explain.ts";
import { parsePolicy } from "./load.ts";

const at = Date.UTC(2026, 10, 20, 12) / 1000;
const { agent, alice, fraud } = people;
const memory = { spent: () => false };
const policy = parsePolicy(`apiVersion: peerage.dev/v1
kind: Policy
groups: {approvers: ["${alice.did}"], fraud: ["${fraud.did}"]}
deny:
- {id: frozen, tools: frozen, because: backup runs}
allow:
- {id: other, tools: other, agents: "*"}
- {id: mine, tools: [pay, frozen], agents: "@me", from: 2027-01-01T00:00:00Z}
- {id: large, tools: [pay, frozen], agents: "*", trust: {min: 0.5, maxAge: 1h}, args: {amount: {">": 0, "<=": 100}, note: {absent: true}},
   require: [{step: fraud_check, by: "@fraud", within: 1m}], approval: {by: "@approvers", after: fraud_check}}
`);
const args = { amount: 50 };

async function checked(result = "passed", signedAt = at): Promise<TestRun> {
  const run = new TestRun();
  await run.add(agent, "began", "accepted", at - 5);
  await run.add(fraud, "fraud_check", result, signedAt);
  return run;
}

function explain(run: TestRun | undefined, more: { tool?: string; args?: object; score?: number; now?: number } = {}) {
  const input = callInput({
    caller: agent.did,
    tool: more.tool ?? "pay",
    args: more.args ?? args,
    now: more.now ?? at + 10,
    ...(run && { run }),
  });
  const trust = more.score === undefined ? {} : { tools: more.score };
  return explainDecision(policy, { ...input, trust, trust_age_seconds: 41 }, memory);
}
const condition = (explanation: ReturnType<typeof explain>, rule: string, kind: string) =>
  explanation.rules.find((one) => one.rule === rule)?.conditions.find((one) => one.condition === kind);

describe("explainDecision", () => {
  it("names the one approval that is missing", async () => {
    const explanation = explain(await checked(), { score: 0.72 });
    expect(explanation.decision).toMatchObject({ effect: "ask", rule: "large" });
    expect(explanation.change).toEqual({
      rule: "large",
      wanted: ["one approval by @approvers within 30m after fraud_check"],
    });
  });

  it("shows every rule and condition, wanted and found, with the deciding entry", async () => {
    const run = await checked();
    const explanation = explain(run, { score: 0.72 });
    expect(explanation.rules.map(({ rule, list, met }) => `${list} ${rule} ${met}`)).toEqual([
      "deny frozen false",
      "allow other false",
      "allow mine false",
      "allow large false",
    ]);
    expect(explanation.rules.at(-1)?.conditions).toMatchObject([
      { condition: "target", holds: true, wanted: "pay or frozen", found: "pay" },
      { condition: "agents", holds: true, wanted: "a call by any agent", found: agent.did },
      { condition: "binding", holds: true, wanted: "a caller bound to the message", found: "message" },
      { condition: "args", path: "amount", holds: true, wanted: "amount > 0 and <= 100", found: "50" },
      { condition: "args", path: "note", holds: true, wanted: "note absent", found: "nothing" },
      { condition: "custody", holds: true, wanted: "a history whose run the caller may continue" },
      {
        condition: "trust",
        holds: true,
        wanted: "a score of at least 0.5 in tools, from data younger than 1h",
        found: "0.72, from data 41 s old",
      },
      {
        condition: "require",
        path: "fraud_check",
        holds: true,
        wanted: "fraud_check approved or passed by @fraud within 1m",
        found: `fraud_check/passed by ${fraud.did}, 10 s old`,
        entries: [run.digests[1]],
      },
      { condition: "approval", holds: false, found: "none", entries: [] },
    ]);
    expect(condition(explanation, "mine", "from")).toMatchObject({ holds: false, wanted: "2027-01-01T00:00:00.000Z" });
  });

  it("says what is wrong with the entry that is there", async () => {
    const require = async (run: TestRun, now = at + 10) =>
      condition(explain(run, { score: 1, now }), "large", "require")?.found;
    expect(await require(await checked(), at + 88)).toBe(
      `fraud_check/passed by ${fraud.did}, 88 s old, that is too old`,
    );
    expect(await require(await checked("failed"))).toBe(
      `fraud_check/failed by ${fraud.did}, 10 s old, that stands against it`,
    );
    const denied = await checked();
    await denied.approve(alice, agent.did, requestOf("pay", args), at + 1, { result: "denied" });
    const explanation = explain(denied, { score: 1 });
    expect(condition(explanation, "large", "approval")).toMatchObject({ holds: false, found: "a denial that stands" });
    expect(explanation.decision).toMatchObject({ reason: "ERR_APPROVAL_DENIED" });
  });

  it("lists all that is lacking, a deny rule in the way among it, and nothing where no rule is near", () => {
    const far = explain(undefined, { tool: "frozen", args: { amount: "50", note: "x" }, score: 0.1 });
    expect(far.change?.wanted[0]).toBe("the deny rule frozen not met");
    expect(far.rules[0]).toMatchObject({ met: true, because: "backup runs" });
    expect(explain(undefined, { args: { amount: "50" } }).change).toMatchObject({ rule: "mine" });
    expect(explain(undefined, { tool: "nothing" }).change).toBeUndefined();
    expect(explain(undefined, { tool: "other" })).toMatchObject({ decision: { effect: "allow" } });
    expect(explain(undefined, { tool: "other" }).change).toBeUndefined();
    expect(explainDecision(undefined, callInput({ caller: agent.did, tool: "x", now: at }))).toMatchObject({
      rules: [],
    });
  });
});
