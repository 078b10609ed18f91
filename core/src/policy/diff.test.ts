import { describe, expect, it } from "vitest";
import { callInput, people, requestOf, TestRun } from "../../../test/_history.ts";
import { member } from "../json/types.ts";
import { diffPolicies, replayCalls, type RecordedCall } from "./diff.ts";
import { parsePolicy } from "./load.ts";
import { completeInput } from "./complete-input.ts";
import { decide } from "./decide.ts";
import type { PolicyInput } from "./input.ts";
import { parsePolicyTests, testPolicy } from "./policy-tests.ts";

const at = Date.UTC(2026, 10, 20, 12) / 1000;
const { agent, alice } = people;
const policy = (text: string) => parsePolicy(`apiVersion: peerage.dev/v1\nkind: Policy\n${text}`);

describe("diffPolicies", () => {
  it("names rules added, removed and changed, and the settings; a rule that moved is the same", () => {
    const before = policy(
      'groups: {g: "*"}\nallow: [{tools: x, agents: "*"}, {id: a, tools: a, agents: "@g", trust: 0.5}, {id: b, tools: b, agents: "*"}]',
    );
    const after = policy(
      'defaults: {scope: s}\ngroups: {g: "*"}\ndeny: [{tools: z}]\nallow: [{id: a, tools: [a], agents: "@g", trust: 0.4}, {tools: x, agents: "*"}]',
    );
    expect(diffPolicies(before, after)).toEqual({
      before: before.digest,
      after: after.digest,
      added: [{ list: "deny", rule: "deny[0]" }],
      removed: [{ list: "allow", rule: "b" }],
      changed: [{ list: "allow", rule: "a", keys: ["tools", "trust"] }],
      settings: ["defaults"],
    });
    expect(diffPolicies(before, before)).toMatchObject({ added: [], removed: [], changed: [], settings: [] });
    const twice = policy('groups: {g: "*"}\nallow: [{tools: x, agents: "@g"}, {tools: x, agents: "@g"}]');
    expect(diffPolicies(twice, policy('groups: {g: "*"}\nallow: [{tools: x, agents: "@g"}]')).removed).toHaveLength(1);
  });
});

describe("replayCalls", () => {
  const before = policy('allow: [{tools: [x, y], agents: "*"}, {tools: t, agents: "*", trust: 0.5}]');
  const after = policy(
    `allow: [{tools: [x, z], agents: "*"}, {tools: y, agents: "*", approval: {by: "${alice.did}"}}, {tools: t, agents: "*", trust: {min: 0.5, scope: s}}, {tools: a, agents: "*", args: {n: 1}}]`,
  );
  const recorded = (tool: string, more: Partial<RecordedCall> = {}): RecordedCall => ({
    input: callInput({ caller: agent.did, tool, now: at }),
    ...more,
  });

  it("counts what changes, each call at its own time, trust and memory", async () => {
    const run = new TestRun();
    const approval = await run.approve(alice, agent.did, requestOf("y", {}), at - 5, { prev: [] });
    const approved = { input: callInput({ caller: agent.did, tool: "y", now: at, run }) };
    const calls = [recorded("x"), recorded("y"), recorded("z"), approved, { ...approved, spent: [approval] }];
    const report = replayCalls(before, after, calls);
    expect(report.counts).toEqual({ same: 2, "newly-allowed": 1, "newly-refused": 0, "now-asked": 2, undecidable: 0 });
    expect(report.calls).toMatchObject([
      { index: 1, verdict: "now-asked", before: { effect: "allow" }, after: { effect: "ask" } },
      { index: 2, verdict: "newly-allowed" },
      { index: 4, verdict: "now-asked" },
    ]);
    expect(replayCalls(after, before, calls).counts).toMatchObject({ "newly-refused": 1, "newly-allowed": 2 });
  });

  it("never guesses: an argument or a score that was not recorded makes a call undecidable", () => {
    const verdict = (call: RecordedCall, to = after) => replayCalls(before, to, [call]).calls[0]?.verdict ?? "same";
    expect(verdict(recorded("a", { args: "digest" }))).toBe("undecidable");
    expect(verdict(recorded("a", { args: { redacted: ["m"] } }))).toBe("undecidable");
    expect(verdict(recorded("a", { args: { redacted: ["n"] } }))).toBe("same");
    expect(verdict(recorded("x", { args: "digest" }))).toBe("same");
    expect(verdict(recorded("t", { scopes: ["tools"] }))).toBe("undecidable");
    expect(verdict(recorded("t", { scopes: ["tools", "s"] }))).toBe("same");
    const closed = policy('allow: [{tools: x, agents: "*", closed: true}]');
    expect(verdict(recorded("x", { args: { redacted: ["n"] } }), closed)).toBe("undecidable");
  });
});

describe("testPolicy", () => {
  const one = policy(
    `allow: [{id: a, tools: x, agents: "*", args: {n: 1}}, {id: p, tools: p, agents: "*", approval: {by: "${alice.did}"}}]`,
  );

  it("names the case and what differs, and explains it", async () => {
    const tests = parsePolicyTests(
      "tests:\n- {name: one, input: {tool: x, args: {n: 1}}, expect: allow, rule: a}\n- {name: two, input: {tool: x}, expect: allow, rule: a}\n- {name: three, input: {tool: p}, expect: ask, reason: ERR_APPROVAL_DENIED}",
    );
    const results = await testPolicy(one, tests);
    expect(results.map(({ name, passed, differs }) => ({ name, passed, differs }))).toEqual([
      { name: "one", passed: true, differs: [] },
      { name: "two", passed: false, differs: ["expect: allow, not deny", "rule: a, not none"] },
      { name: "three", passed: false, differs: ["reason: ERR_APPROVAL_DENIED, not ERR_APPROVAL_REQUIRED"] },
    ]);
    expect(results[1]?.explanation?.change).toEqual({ rule: "a", wanted: ["n 1"] });
    expect(results[0]).not.toHaveProperty("explanation");
  });

  it("refuses a test file with a word it does not know, and says where", async () => {
    for (const [text, message] of [
      ["tests:\n- {name: a, input: {}, expect: maybe}", "t.test.yaml, line 2, tests[0].expect"],
      ["tests:\n- {name: a, input: {}, expect: deny, why: x}", "`why`"],
      ["test: []", "`test`"],
      ["tests: [", "t.test.yaml, line"],
    ] as const) {
      expect(() => parsePolicyTests(text, "t.test.yaml"), text).toThrow(message);
    }
    const unread = testPolicy(one, [{ name: "a", input: { file: "f.json" }, expect: "deny" }]);
    await expect(unread).rejects.toThrow("f.json");
  });

  it("asks the adapters where the rules allow, and says which did not", async () => {
    const also = parsePolicy(
      'apiVersion: peerage.dev/v1\nkind: Policy\nalso: [a]\nallow: [{id: x, tools: x, agents: "*"}]',
      {},
      { adapters: "any" },
    );
    const tests = parsePolicyTests(
      "tests:\n- {name: one, input: {tool: x, args: {n: 1}}, expect: allow, rule: x}\n- {name: two, input: {tool: x, args: {n: 2}}, expect: deny}\n- {name: three, input: {tool: y}, expect: deny}",
    );
    const ask = ({ args }: PolicyInput) => ({ allow: member(args, "n") === 1, reasons: ["not 1"] });
    const [one, two, three] = await testPolicy(also, tests, undefined, { a: { version: "a", ask } });
    expect([one?.passed, two?.passed, three?.passed]).toEqual([true, true, true]);
    expect(two?.decision).toMatchObject({ failed: [{ condition: "also", path: "a: not 1" }] });
    expect((await testPolicy(also, tests))[1]?.differs).toEqual(["expect: deny, not allow"]);
  });

  it("completes an input: a stranger's call, a line of entries, an approval of this very request", () => {
    const stranger = completeInput({ tool: "x" });
    expect(stranger).toMatchObject({
      v: 1,
      method: "tools/call",
      target: "x",
      args: {},
      trust: {},
      trust_age_seconds: 0,
    });
    expect(stranger.caller?.did).toBe(stranger.calling_agent);
    expect(stranger).not.toHaveProperty("history");
    const approval = { step: "human_approval", result: "approved", agent: alice.did };
    const approved = completeInput({ tool: "p", history: [{ step: "began", result: "accepted" }, approval] });
    expect(approved).toMatchObject({
      in_custody: true,
      history: [{ prev: [] }, { req: approved.req, aud: approved.server }],
    });
    expect(decide(one, approved, { spent: () => false }).effect).toBe("allow");
    expect(decide(one, completeInput({ tool: "p", held: [approval] }), { spent: () => false }).effect).toBe("allow");
    const others = completeInput({ tool: "p", history: [{ step: "began", result: "accepted", agent: alice.did }] });
    expect(others.in_custody).toBe(false);
    const prompt = completeInput({ method: "prompts/get", target: "p", caller: { spiffe: "spiffe://a/b" } });
    expect(prompt).not.toHaveProperty("tool");
    expect(prompt.caller).toEqual({ binding: "message", scheme: "peerage-call", spiffe: "spiffe://a/b" });
  });
});
