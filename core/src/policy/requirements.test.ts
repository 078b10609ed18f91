import { describe, expect, it } from "vitest";
import { callInput, people, requestOf, seeded, TestRun } from "../../../test/_history.ts";
import type { Signer } from "../did/identity.ts";
import type { Digest } from "../json/digest.ts";
import { decide, type Decision } from "./decide.ts";
import { parsePolicy, type Policy } from "./load.ts";

const at = Date.UTC(2026, 10, 20, 12) / 1000;
const { agent, alice, bob, fraud, ops, guard } = people;
const carol = seeded(31);
const args = { amount: 12_500 };
const req = requestOf("pay", args);

function policy(rule: string, more = ""): Policy {
  const groups = `groups: {approvers: ["${alice.did}", "${bob.did}"], fraud: ["${fraud.did}"]}`;
  return parsePolicy(
    `apiVersion: peerage.dev/v1\nkind: Policy\n${groups}\n${more}\nallow: [{id: r, tools: [pay, look], agents: "*", ${rule}}]`,
  );
}

interface Ask {
  readonly now?: number;
  readonly caller?: Signer;
  readonly tool?: string;
  readonly args?: object;
  readonly held?: readonly string[];
  readonly spent?: readonly Digest[];
}

function ask(one: Policy, run: TestRun | undefined, options: Ask = {}): Decision {
  const input = callInput({
    caller: (options.caller ?? agent).did,
    tool: options.tool ?? "pay",
    args: options.args ?? args,
    now: options.now ?? at + 60,
    ...(run && { run }),
    held: options.held ?? [],
  });
  return decide(one, input, { spent: (digest) => (options.spent ?? []).includes(digest) });
}

const outcome = (decision: Decision) => (decision.effect === "allow" ? "allow" : decision.reason);

async function began(): Promise<TestRun> {
  const run = new TestRun();
  await run.add(agent, "request_received", "accepted", at);
  return run;
}

describe("a requirement", () => {
  const checked = policy('require: [{step: fraud_check, by: "@fraud", within: 1m, sub: {risk: {"<": 50, ">=": 0}}}]');

  it("A-HIST-04 P-REQ-06 is never met by two entries together: one has the step, another the signer, the result or the age", async () => {
    const met = await began();
    await met.add(fraud, "fraud_check", "passed", at + 10, { sub: { risk: 12 } });
    expect(outcome(ask(checked, met))).toBe("allow");
    const combined = await began();
    await combined.add(alice, "fraud_check", "passed", at + 10, { sub: { risk: 12 } });
    await combined.add(fraud, "other_check", "passed", at + 11, { sub: { risk: 12 } });
    // Rego over all entries at once, or a list of required names and signers, is satisfied by this pair.
    const naive = (step: string, by: string): boolean => {
      const entries = callInput({ caller: agent.did, tool: "pay", now: at + 60, run: combined }).history ?? [];
      return entries.some((entry) => entry.step === step) && entries.some((entry) => entry.agent === by);
    };
    expect(naive("fraud_check", fraud.did)).toBe(true);
    expect(outcome(ask(checked, combined))).toBe("ERR_POLICY_DENIED");
    await combined.add(fraud, "fraud_check", "passed", at - 15, { sub: { risk: 12 } });
    expect(outcome(ask(checked, combined)), "the right one is too old").toBe("ERR_POLICY_DENIED");
    await combined.add(fraud, "fraud_check", "passed", at + 12, { sub: { risk: 12 } });
    expect(outcome(ask(checked, combined))).toBe("allow");
  });

  it("A-HIST-04 P-REQ-03 P-REQ-05 reads the result and the facts: what failed later, or in a parallel branch, overrides what passed", async () => {
    const run = await began();
    const passed = await run.add(fraud, "fraud_check", "passed", at + 10, { sub: { risk: 12 } });
    const failed = await run.add(fraud, "fraud_check", "failed", at + 20);
    expect(outcome(ask(checked, run))).toBe("ERR_POLICY_DENIED");
    await run.add(fraud, "fraud_check", "passed", at + 30, { sub: { risk: 10 }, prev: [passed] });
    expect(outcome(ask(checked, run)), "parallel to the failure").toBe("ERR_POLICY_DENIED");
    await run.add(fraud, "fraud_check", "passed", at + 40, { sub: { risk: 10 }, prev: [failed] });
    expect(outcome(ask(checked, run)), "in knowledge of it").toBe("allow");
    await run.add(fraud, "fraud_check", "passed", at + 50, { sub: { risk: 90 } });
    expect(outcome(ask(checked, run)), "a risk too high").toBe("ERR_POLICY_DENIED");
    const [unread, text] = [await began(), await began()];
    await unread.add(fraud, "fraud_check", "passed", at + 10);
    await text.add(fraud, "fraud_check", "passed", at + 10, { sub: { risk: "12" } });
    expect([unread, text].map((one) => outcome(ask(checked, one)))).toEqual(["ERR_POLICY_DENIED", "ERR_POLICY_DENIED"]);
  });

  it("P-REQ-05 is met by a join that knows the failure of one branch and the pass of another", async () => {
    const run = await began();
    const [root] = run.digests;
    const failed = await run.add(fraud, "fraud_check", "failed", at + 10, { prev: [root!] });
    const other = await run.add(ops, "more_data", "found", at + 11, { prev: [root!] });
    await run.add(fraud, "fraud_check", "passed", at + 20, { sub: { risk: 1 }, prev: [failed, other] });
    expect(outcome(ask(checked, run))).toBe("allow");
  });

  it("A-HIST-04 A-POL-08 counts different signers: one key twice is one", async () => {
    const two = policy('require: [{step: review, by: "@approvers", count: 2}]');
    const run = await began();
    await run.add(alice, "review", "passed", at + 1);
    await run.add(alice, "review", "passed", at + 2);
    expect(outcome(ask(two, run))).toBe("ERR_POLICY_DENIED");
    await run.add(bob, "review", "passed", at + 3);
    expect(ask(two, run)).toMatchObject({ effect: "allow", evidence: run.digests.slice(1) });
  });

  it("A-HIST-03 P-REQ-02 P-CUST-01 takes the verified signer: not the caller's own word, not a name in `sub`, not another agent's history", async () => {
    const anyone = policy('require: [{step: fraud_check, by: "*"}]');
    const own = await began();
    await own.add(agent, "fraud_check", "passed", at + 10, { sub: { by: fraud.did, agent: "fraud" } });
    expect(outcome(ask(anyone, own)), "the caller's own").toBe("ERR_POLICY_DENIED");
    expect(outcome(ask(policy('require: [{step: fraud_check, by: "*", self: true}]'), own))).toBe("allow");
    expect(outcome(ask(policy("require: [{step: fraud_check, by: $caller}]"), own))).toBe("allow");
    const run = await began();
    await run.add(fraud, "fraud_check", "passed", at + 10);
    expect(outcome(ask(anyone, run))).toBe("allow");
    expect(ask(anyone, run, { caller: ops })).toMatchObject({ failed: [{ condition: "custody" }] });
    expect(outcome(ask(policy('require: [{step: fraud_check, by: "*"}], custody: any'), run, { caller: ops }))).toBe(
      "allow",
    );
    await run.add(agent, "handoff", "given", at + 11, { aud: ops.did });
    expect(outcome(ask(anyone, run, { caller: ops }))).toBe("allow");
  });

  it("A-POL-08 is met within the second of its window, and skew never lengthens it", async () => {
    const run = await began();
    await run.add(fraud, "fraud_check", "passed", at + 10, { sub: { risk: 1 } });
    expect([-1, 0, 1].map((s) => outcome(ask(checked, run, { now: at + 70 + s })))).toEqual([
      "allow",
      "allow",
      "ERR_POLICY_DENIED",
    ]);
    expect(outcome(ask(checked, run, { now: at + 70.5 }))).toBe("ERR_POLICY_DENIED");
    expect(outcome(ask(checked, run, { now: at - 20 })), "signed by a clock 30 s ahead").toBe("allow");
    const ends = await began();
    await ends.add(fraud, "fraud_check", "passed", at + 10, { sub: { risk: 1 }, exp: at + 20 });
    expect([-1, 0].map((s) => outcome(ask(checked, ends, { now: at + 20 + s })))).toEqual([
      "allow",
      "ERR_POLICY_DENIED",
    ]);
  });

  it("P-REQ-02 P-REQ-04 knows the start, the tool and the order by `prev`, whatever the clocks say", async () => {
    const start = policy("require: [{step: request_received, by: $caller, at: start, result: accepted}]");
    const run = await began();
    expect(outcome(ask(start, run))).toBe("allow");
    const later = new TestRun();
    await later.add(agent, "hello", "accepted", at);
    await later.add(agent, "request_received", "accepted", at);
    expect(outcome(ask(start, later))).toBe("ERR_POLICY_DENIED");

    const tools = policy(
      'require: [{step: tool_call, by: "*", result: executed, tool: "look*"}, {step: test, by: "@fraud", binds: tool}]',
    );
    await run.add(guard, "tool_call", "executed", at + 1, { tool: "lookup" });
    await run.add(fraud, "test", "passed", at + 2, { tool: "pay" });
    expect(outcome(ask(tools, run))).toBe("allow");
    expect(outcome(ask(tools, run, { tool: "look" })), "tested for another tool").toBe("ERR_POLICY_DENIED");

    const ordered = policy('require: [{step: deploy, by: "@approvers", after: build}, {step: build, by: "@fraud"}]');
    const branch = await began();
    const [root] = branch.digests;
    const built = await branch.add(fraud, "build", "passed", at + 1, { prev: [root!] });
    await branch.add(alice, "deploy", "passed", at + 5, { prev: [root!] });
    expect(outcome(ask(ordered, branch)), "later, but not in knowledge of it").toBe("ERR_POLICY_DENIED");
    await branch.add(alice, "deploy", "passed", at + 5, { prev: [built] });
    expect(outcome(ask(ordered, branch))).toBe("allow");
  });

  it("P-REQ-04 P-APPR-01 counts an entry once where the rule says so, and never where nobody remembers", async () => {
    const once = policy('require: [{step: voucher, by: "@fraud", once: true}]');
    const run = await began();
    const voucher = await run.add(fraud, "voucher", "approved", at + 1);
    expect(ask(once, run)).toMatchObject({ effect: "allow", obligations: { spend: [voucher] } });
    expect(outcome(ask(once, run, { spent: [voucher] }))).toBe("ERR_POLICY_DENIED");
    const input = callInput({ caller: agent.did, tool: "pay", args, now: at + 60, run });
    expect(decide(once, input).effect).toBe("deny");
  });
});

describe("an approval", () => {
  const approved = policy('approval: {by: "@approvers", timeout: 5m}');

  it("A-APPR-02 A-APPR-04 is of this request, caller, guard and policy, and of nothing else", async () => {
    const run = await began();
    await run.approve(alice, agent.did, req, at + 10);
    expect(outcome(ask(approved, run))).toBe("allow");
    expect(outcome(ask(approved, run, { args: { amount: 12_501 } }))).toBe("ERR_APPROVAL_REQUIRED");
    expect(outcome(ask(approved, run, { tool: "look" }))).toBe("ERR_APPROVAL_REQUIRED");
    for (const [what, change] of Object.entries({
      "another caller": { sub: { caller: ops.did } },
      "no caller": { sub: {} },
      "another guard": { aud: ops.did },
      "no guard": { aud: undefined },
      "another policy": { sub: { caller: agent.did, policy: run.digests[0]! } },
      "no end": { exp: undefined },
      "25 hours": { exp: at + 10 + 90_000 },
    })) {
      const bad = await began();
      await bad.approve(alice, agent.did, req, at + 10, change);
      expect(outcome(ask(approved, bad)), what).toBe("ERR_APPROVAL_INVALID");
    }
    const same = await began();
    await same.approve(alice, agent.did, req, at + 10, {
      sub: { caller: agent.did, policy: approved.digest },
      exp: at + 10 + 86_400,
    });
    expect(outcome(ask(approved, same))).toBe("allow");
  });

  it("A-APPR-05 is not the caller's own, unless the rule says so, nor of a key outside the group", async () => {
    const run = await began();
    await run.approve(carol, agent.did, req, at + 10);
    expect(outcome(ask(approved, run))).toBe("ERR_APPROVAL_INVALID");
    const own = new TestRun();
    await own.add(alice, "request_received", "accepted", at);
    await own.approve(alice, alice.did, req, at + 10);
    expect(outcome(ask(approved, own, { caller: alice }))).toBe("ERR_APPROVAL_INVALID");
    expect(outcome(ask(policy('approval: {by: "@approvers", self: true}'), own, { caller: alice }))).toBe("allow");
  });

  it("A-APPR-03 is used up by one call; every approval that counted is", async () => {
    const run = await began();
    const [first, second] = [
      await run.approve(alice, agent.did, req, at + 10),
      await run.approve(bob, agent.did, req, at + 11),
    ];
    expect(ask(approved, run)).toMatchObject({ obligations: { spend: [first, second], audit: "durable" } });
    expect(outcome(ask(approved, run, { spent: [first, second] }))).toBe("ERR_APPROVAL_REQUIRED");
  });

  it("A-APPR-08 P-APPR-03 is expired, too old, or overridden by a denial after it or beside it", async () => {
    const run = await began();
    await run.approve(alice, agent.did, req, at + 10, { exp: at + 20 });
    expect(outcome(ask(approved, run))).toBe("ERR_APPROVAL_EXPIRED");
    const old = await began();
    await old.approve(alice, agent.did, req, at + 10, { exp: at + 80_000 });
    expect(outcome(ask(approved, old, { now: at + 10 + 1801 }))).toBe("ERR_APPROVAL_EXPIRED");
    for (const beside of [false, true]) {
      const denied = await began();
      await denied.approve(alice, agent.did, req, at + 10);
      await denied.approve(bob, agent.did, req, at + 20, {
        result: "denied",
        ...(beside && { prev: denied.digests.slice(0, 1) }),
      });
      expect(outcome(ask(approved, denied)), beside ? "beside" : "after").toBe("ERR_APPROVAL_DENIED");
    }
    const before = await began();
    await before.approve(bob, agent.did, req, at + 5, { result: "denied" });
    await before.approve(alice, agent.did, req, at + 10);
    expect(outcome(ask(approved, before)), "given in knowledge of it").toBe("allow");
    const every = await began();
    await every.approve(alice, agent.did, req, at + 10);
    await every.add(bob, "human_approval", "denied", at + 20);
    expect(outcome(ask(approved, every)), "of every request").toBe("ERR_APPROVAL_DENIED");
    const stranger = await began();
    await stranger.approve(alice, agent.did, req, at + 10);
    await stranger.approve(carol, agent.did, req, at + 20, { result: "denied" });
    expect(outcome(ask(approved, stranger)), "by nobody who could approve").toBe("allow");
  });

  it("P-REQ-01 may be held by the guard, without any history; a denial that was not presented counts all the same", async () => {
    const other = new TestRun("zzzzzzzzzzzzzzzzzzzzzz");
    const approval = await other.approve(alice, agent.did, req, at + 10);
    expect(ask(approved, undefined, { held: other.tokens })).toMatchObject({ effect: "allow", evidence: [approval] });
    expect(outcome(ask(approved, await began(), { held: other.tokens }))).toBe("allow");

    const run = await began();
    await run.approve(alice, agent.did, req, at + 10);
    const withheld = new TestRun();
    withheld.tokens.push(...run.tokens);
    await withheld.approve(bob, agent.did, req, at + 20, { result: "denied" });
    expect(outcome(ask(approved, run, { held: withheld.tokens }))).toBe("ERR_APPROVAL_DENIED");
  });

  it("P-APPR-02 a denial stands for the timeout in every run; then in its own until an approval builds on it", async () => {
    const run = await began();
    const denial = await run.approve(alice, agent.did, req, at + 10, { result: "denied" });
    const fresh = new TestRun("zzzzzzzzzzzzzzzzzzzzzz");
    await fresh.add(agent, "request_received", "accepted", at + 20);
    const end = at + 10 + 300;
    const inOther = (now: number) => ask(approved, fresh, { now, held: run.tokens });
    expect([-1, 0, 1].map((s) => outcome(inOther(end + s)))).toEqual([
      "ERR_APPROVAL_DENIED",
      "ERR_APPROVAL_REQUIRED",
      "ERR_APPROVAL_REQUIRED",
    ]);
    const [own, elsewhere] = [ask(approved, run, { now: end }), inOther(end)];
    expect(own).toMatchObject({ effect: "ask", approval: { after: [denial] } });
    expect(elsewhere).toMatchObject({ effect: "ask", approval: { after: [] } });
    const [root] = run.digests;
    await run.approve(bob, agent.did, req, end + 1, { prev: [root!] });
    expect(ask(approved, run, { now: end + 2 }).effect, "does not know the denial").toBe("ask");
    await run.approve(bob, agent.did, req, end + 1, { prev: [denial] });
    expect(outcome(ask(approved, run, { now: end + 2 }))).toBe("allow");
  });

  it("P-EVAL-04 a standing denial is of the request, whichever rule it was asked under", async () => {
    const two = parsePolicy(`apiVersion: peerage.dev/v1\nkind: Policy\nallow:
- {id: a, tools: pay, agents: "*", approval: {by: "${alice.did}"}}
- {id: b, tools: pay, agents: "*", approval: {by: "${bob.did}"}}`);
    const run = await began();
    expect(ask(two, run)).toMatchObject({ effect: "ask", rule: "a", approval: { approvers: [alice.did] } });
    await run.approve(bob, agent.did, req, at + 10, { result: "denied" });
    expect(outcome(ask(two, run))).toBe("ERR_APPROVAL_DENIED");
    await run.approve(alice, agent.did, req, at + 11);
    expect(ask(two, run)).toMatchObject({ effect: "allow", rule: "a" });
  });
});

describe("ask-human", () => {
  const human = policy("trust: 0.5, unknown: ask-human", `defaults: {approvers: "@approvers"}`);
  const known = (score?: number) => {
    const input = callInput({ caller: agent.did, tool: "pay", args, now: at + 60 });
    return decide(human, { ...input, trust: score === undefined ? {} : { tools: score }, trust_age_seconds: 5 });
  };

  it("puts a stranger's request to a person, who stands in for trust; a low score is refused", async () => {
    expect(known()).toMatchObject({
      effect: "ask",
      rule: "r",
      approval: { approvers: [alice.did, bob.did], timeoutSeconds: 600 },
    });
    expect(outcome(known(0.49))).toBe("ERR_TRUST_INSUFFICIENT");
    expect(known(0.5)).toMatchObject({ effect: "allow", obligations: { spend: [] } });
    expect(known(0.5)).not.toHaveProperty("obligations.audit");
    const run = await began();
    const approval = await run.approve(bob, agent.did, req, at + 10);
    expect(ask(human, run)).toMatchObject({ effect: "allow", obligations: { spend: [approval], audit: "durable" } });
  });

  it("asks the rule's own approvers where it has any", () => {
    const own = policy(`trust: 0.5, unknown: ask-human, approval: {by: "${carol.did}", count: 1}`);
    expect(ask(own, undefined)).toMatchObject({ effect: "ask", approval: { approvers: [carol.did] } });
  });
});
