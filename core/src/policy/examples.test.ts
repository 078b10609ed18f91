import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { callInput, people, requestOf, TestRun } from "../../../test/_history.ts";
import { identityFromSeed } from "../did/identity.ts";
import type { Did } from "../did/did-key.ts";
import { decide } from "./decide.ts";
import type { PolicyInput } from "./input.ts";
import { parsePolicy } from "./load.ts";
import { parsePolicyTests, testPolicy } from "./policy-tests.ts";

const folder = new URL("../../../examples/policy/", import.meta.url);
const [server, me, other] = [1, 2, 3].map((n) => identityFromSeed(new Uint8Array(32).fill(n)).did) as [Did, Did, Did];

function load(name: string) {
  return parsePolicy(readFileSync(new URL(name, folder), "utf8"), { me: [me], roots: [me] });
}

/** The rule that allows, or the reason of the refusal. */
function answer(
  name: string,
  tool: string,
  more: { did?: Did; args?: object; trust?: Record<string, number>; age?: number } = {},
) {
  const decision = decide(load(name), {
    v: 1,
    now: "2026-11-20T14:23:08Z",
    method: "tools/call",
    target: tool,
    tool,
    server,
    caller: { did: more.did ?? other, binding: "message", scheme: "peerage-call" },
    args: { ...more.args },
    trust: more.trust ?? {},
    trust_age_seconds: more.age ?? 10,
  });
  return decision.effect === "allow" ? decision.rule : decision.reason;
}

describe("examples/policy", () => {
  it.each(readdirSync(folder).filter((name) => name.endsWith(".yaml")))(
    "%s loads, without a warning unless it is open",
    (name) => {
      const { warnings, document } = load(name);
      expect(warnings.map(({ path }) => path?.join("."))).toEqual(document.open ? ["open"] : []);
    },
  );

  it("laptop: the trusted read, mine do anything, strangers nothing", () => {
    expect(answer("laptop.yaml", "read_file", { trust: { tools: 0.25 } })).toBe("allow[0]");
    expect(answer("laptop.yaml", "read_file", { trust: { tools: 0.24 } })).toBe("ERR_TRUST_INSUFFICIENT");
    expect(answer("laptop.yaml", "read_file")).toBe("ERR_TRUST_INSUFFICIENT");
    expect(answer("laptop.yaml", "write_file", { trust: { tools: 1 } })).toBe("ERR_POLICY_DENIED");
    expect(answer("laptop.yaml", "write_file", { did: me })).toBe("allow[1]");
  });

  it("community server: strangers read, the trusted write, nobody deletes outside scratch", () => {
    const name = "community-server.yaml";
    expect(answer(name, "read_file")).toBe("readers");
    expect(answer(name, "read_file", { trust: { files: 0.1 } })).toBe("ERR_TRUST_INSUFFICIENT");
    expect(answer(name, "write_file")).toBe("ERR_TRUST_INSUFFICIENT");
    expect(answer(name, "write_file", { trust: { files: 0.5 } })).toBe("writers");
    expect(answer(name, "write_file", { trust: { files: 0.5 }, age: 3600 })).toBe("ERR_TRUST_INSUFFICIENT");
    expect(answer(name, "delete_file", { trust: { files: 0.5 }, args: { path: "scratch/a" } })).toBe("writers");
    for (const args of [{ path: "home/a" }, { path: "scratch/../home" }, { path: 5 }, {}]) {
      expect(answer(name, "delete_file", { trust: { files: 1 }, args }), JSON.stringify(args)).toBe(
        "ERR_POLICY_DENIED",
      );
    }
  });

  it("open demo: whoever signs is admitted", () => {
    expect(answer("open-demo.yaml", "anything")).toBe("everyone");
  });
});

const at = Date.UTC(2026, 10, 20, 14, 20, 0) / 1000;
const unspent = { spent: () => false };
const spiffe = "spiffe://acme.example/ns/payments/sa/refund-agent";

describe("examples/policy/refunds.yaml, played whole", () => {
  const policy = load("refunds.yaml");
  const { agent, alice, bob, fraud, guard } = people;
  const large = { amount_cents: 1_250_000, currency: "USD", order: "4471" };
  const req = requestOf("payments.refund", large);

  async function received(): Promise<TestRun> {
    const run = new TestRun();
    await run.add(agent, "request_received", "accepted", at);
    await run.add(fraud, "fraud_check", "passed", at + 40, { sub: { risk: 12 } });
    return run;
  }

  const ask = (run: TestRun | undefined, now: number, more: { args?: object; caller?: Did; spiffe?: string } = {}) => {
    const caller = more.caller ?? agent.did;
    return decide(
      policy,
      callInput({
        caller,
        tool: "payments.refund",
        args: more.args ?? large,
        now,
        ...(run && { run }),
        more: { caller: { did: caller, binding: "message", scheme: "peerage-call", spiffe: more.spiffe ?? spiffe } },
      }),
      unspent,
    );
  };

  it("a small refund needs the fraud check, of the agent's own run, and counts against the day", async () => {
    const run = await received();
    const args = { amount_cents: 999_999, currency: "USD" };
    expect(ask(run, at + 60, { args })).toMatchObject({
      effect: "allow",
      rule: "refund-small",
      evidence: run.digests,
      obligations: {
        budgets: [{ counter: "budget/refund-small/agent", amount: 999_999, max: 20_000_000, perSeconds: 86_400 }],
      },
    });
    expect(ask(undefined, at + 60, { args })).toMatchObject({ effect: "deny", reason: "ERR_POLICY_DENIED" });
    expect(ask(run, at + 60, { args, spiffe: "spiffe://acme.example/ns/web/a" })).toMatchObject({
      reason: "ERR_SPIFFE_REQUIRED",
    });
    for (const amount_cents of [0, -1, 0.5, "999999", null, [1]]) {
      expect(ask(run, at + 60, { args: { ...args, amount_cents } }).effect, String(amount_cents)).toBe("deny");
    }
    expect(ask(run, at + 60, { args, caller: bob.did })).toMatchObject({
      failed: [{ condition: "custody" }, { condition: "args" }],
    });
  });

  it("the fraud check is good for a day: at −1, 0 and +1 s of it", async () => {
    const run = await received();
    const args = { amount_cents: 5, currency: "USD" };
    const end = at + 40 + 86_400;
    expect([-1, 0, 1].map((s) => ask(run, end + s, { args }).effect)).toEqual(["allow", "allow", "deny"]);
  });

  it("a large refund asks; Alice's approval, after the fraud check, admits it once", async () => {
    const run = await received();
    const asked = ask(run, at + 60);
    expect(asked).toMatchObject({
      effect: "ask",
      rule: "refund-large",
      reason: "ERR_APPROVAL_REQUIRED",
      approval: {
        approvers: [alice.did, bob.did],
        count: 1,
        given: [],
        self: false,
        withinSeconds: 1800,
        timeoutSeconds: 1800,
      },
    });
    expect(asked.effect === "ask" && asked.approval.after).toEqual(run.digests.slice(1));
    await run.add(guard, "approval_request", "pending", at + 60, { req, aud: agent.did, exp: at + 1860 });
    expect(ask(run, at + 61).effect).toBe("ask");
    const approval = await run.approve(alice, agent.did, req, at + 90);
    const allowed = ask(run, at + 100);
    expect(allowed).toMatchObject({
      effect: "allow",
      rule: "refund-large",
      obligations: { spend: [approval], audit: "durable" },
    });
    const repeated = decide(
      policy,
      callInput({
        caller: agent.did,
        tool: "payments.refund",
        args: large,
        now: at + 101,
        run,
        more: { caller: { did: agent.did, binding: "message", scheme: "s", spiffe } },
      }),
      { spent: (digest) => digest === approval },
    );
    expect(repeated).toMatchObject({ effect: "ask", reason: "ERR_APPROVAL_REQUIRED" });
    expect(ask(run, at + 100, { args: { ...large, order: "4472" } })).toMatchObject({
      effect: "ask",
      reason: "ERR_APPROVAL_REQUIRED",
    });
  });

  it("the approval is good for 30 minutes, and no longer than it says: at −1, 0 and +1 s", async () => {
    const run = await received();
    await run.approve(alice, agent.did, req, at + 90, { exp: at + 80_000 });
    const effects = (end: number) =>
      [-1, 0, 1].map((s) => ask(run, end + s)).map((one) => (one.effect === "ask" ? one.reason : one.effect));
    expect(effects(at + 90 + 1800)).toEqual(["allow", "allow", "ERR_APPROVAL_EXPIRED"]);
    const short = await received();
    await short.approve(alice, agent.did, req, at + 90, { exp: at + 200 });
    expect([-1, 0, 1].map((s) => ask(short, at + 200 + s).effect)).toEqual(["allow", "ask", "ask"]);
  });

  it("an approver's clock may run 30 s ahead, and gains nothing by it", async () => {
    const run = await received();
    await run.approve(alice, agent.did, req, at + 90, { exp: at + 80_000 });
    expect([29, 30].map((s) => ask(run, at + 90 - s).effect)).toEqual(["allow", "allow"]);
    expect(() => ask(run, at + 90 - 31)).toThrow("from the future");
  });

  it("Alice denies: refused for 30 minutes, at −1, 0 and +1 s; then a new item builds on the denial", async () => {
    const run = await received();
    const denial = await run.approve(alice, agent.did, req, at + 90, { result: "denied" });
    const end = at + 90 + 1800;
    const answers = [-1, 0, 1].map((s) => ask(run, end + s));
    expect(answers.map((one) => one.effect)).toEqual(["deny", "ask", "ask"]);
    expect(answers[0]).toMatchObject({
      reason: "ERR_APPROVAL_DENIED",
      failed: [{ condition: "args" }, { condition: "approval" }],
    });
    expect(answers[1]?.effect === "ask" && answers[1].approval.after).toContain(denial);
    const knowing = await run.approve(bob, agent.did, req, end + 10);
    expect(ask(run, end + 20)).toMatchObject({ effect: "allow", obligations: { spend: [knowing] } });
  });

  it("nobody answers: the guard records it, and the request may be put again", async () => {
    const run = await received();
    await run.add(guard, "approval_request", "pending", at + 60, { req, aud: agent.did, exp: at + 1860 });
    await run.add(guard, "approval_request", "timeout", at + 1860, { req, aud: agent.did });
    expect(ask(run, at + 1861)).toMatchObject({ effect: "ask", reason: "ERR_APPROVAL_REQUIRED" });
  });

  it("A-APPR-05 by the agent itself, the fraud agent or before the fraud check, an approval does not count", async () => {
    for (const signer of [agent, fraud]) {
      const run = await received();
      await run.approve(signer, agent.did, req, at + 90);
      expect(ask(run, at + 100)).toMatchObject({ effect: "ask", reason: "ERR_APPROVAL_INVALID" });
    }
    const run = new TestRun();
    await run.add(agent, "request_received", "accepted", at);
    const [root] = run.digests;
    await run.approve(alice, agent.did, req, at + 20);
    await run.add(fraud, "fraud_check", "passed", at + 40, { prev: [root!] });
    expect(ask(run, at + 100)).toMatchObject({ effect: "ask", reason: "ERR_APPROVAL_INVALID" });
    await run.approve(alice, agent.did, req, at + 50);
    expect(ask(run, at + 100).effect).toBe("allow");
  });
});

describe("examples/policy/chain-of-custody.yaml", () => {
  const policy = load("chain-of-custody.yaml");
  const { ops, backup, alice, bob, fraud } = people;
  const args = { table: "staging_old" };
  const req = requestOf("db.drop_table", args);

  async function backedUp(): Promise<TestRun> {
    const run = new TestRun();
    await run.add(ops, "request_received", "accepted", at);
    await run.add(backup, "backup", "passed", at + 10);
    await run.approve(alice, ops.did, req, at + 20);
    return run;
  }
  const ask = (run: TestRun, now: number, caller = ops.did, given: object = args) =>
    decide(policy, callInput({ caller, tool: "db.drop_table", args: given, now, run }), unspent);

  it("two people approve within 30 s of each other and of the call", async () => {
    const run = await backedUp();
    expect(ask(run, at + 30)).toMatchObject({ effect: "ask", approval: { count: 2, given: run.digests.slice(2) } });
    await run.approve(alice, ops.did, req, at + 25);
    expect(ask(run, at + 30).effect, "the same person twice").toBe("ask");
    await run.approve(bob, ops.did, req, at + 25);
    expect([54, 55, 56].map((s) => ask(run, at + s).effect)).toEqual(["allow", "allow", "ask"]);
    expect(ask(run, at + 30)).toMatchObject({ obligations: { audit: "durable" }, evidence: run.digests });
  });

  it("no other signer, caller, table or argument", async () => {
    const run = await backedUp();
    await run.approve(bob, ops.did, req, at + 25);
    expect(ask(run, at + 30).effect).toBe("allow");
    expect(ask(run, at + 30, backup.did)).toMatchObject({ failed: [{ condition: "custody" }] });
    expect(ask(run, at + 30, ops.did, { table: "orders" })).toMatchObject({ failed: [{ condition: "args" }] });
    expect(ask(run, at + 30, ops.did, { ...args, cascade: true })).toMatchObject({ failed: [{ condition: "closed" }] });
    await run.add(fraud, "note", "made", at + 26);
    expect(ask(run, at + 30)).toMatchObject({ failed: [{ condition: "signers" }] });
  });
});

it("examples/policy/grant.yaml: one agent by both identities, for a week", () => {
  const policy = load("grant.yaml");
  const call = (now: string, more: object) =>
    decide(policy, {
      ...callInput({ caller: people.etl.did, tool: "crm.lookup", now: 0 }),
      now,
      caller: { did: people.etl.did, binding: "message", scheme: "peerage-call", ...more },
    });
  const both = { spiffe: "spiffe://partner.example/ns/etl/sa/loader", spiffe_proof: "mutual" };
  expect(call("2026-11-26T23:59:59Z", both)).toMatchObject({
    effect: "allow",
    obligations: { budgets: [{ amount: 2, max: 10_000, of: ["agent", "tool"] }] },
  });
  expect(call("2026-11-27T00:00:00Z", both).effect).toBe("deny");
  for (const less of [{}, { spiffe_unbound: both.spiffe }, { spiffe: "spiffe://partner.example/ns/etl/sa/a/b" }]) {
    expect(call("2026-11-26T23:59:59Z", less)).toMatchObject({ effect: "deny", reason: "ERR_SPIFFE_REQUIRED" });
  }
});

describe("examples/policy/gitops", () => {
  const files = readdirSync(new URL("gitops/", folder)).filter((name) => name.endsWith(".yaml"));
  const read = (name: string) => readFileSync(new URL(`gitops/${name}`, folder), "utf8");
  const policy = parsePolicy(files.map((name) => ({ name, text: read(name) })));

  it("is one document, without a warning, and passes its tests", async () => {
    expect(policy.document.allow.map(({ id }) => id)).toEqual(["writers", "readers", "refund"]);
    expect(policy.warnings).toEqual([]);
    const tests = parsePolicyTests(read("policy.test.yaml"), "policy.test.yaml");
    const results = await testPolicy(policy, tests, (file) => JSON.parse(read(file)));
    expect(results.filter(({ passed }) => !passed)).toEqual([]);
    expect(results).toHaveLength(6);
  });
});

describe("docs/policy.md", () => {
  const text = readFileSync(new URL("../../../docs/policy.md", import.meta.url), "utf8");

  it("quotes the examples as they are", () => {
    for (const name of ["laptop.yaml", "community-server.yaml", "refunds.yaml"]) {
      const file = readFileSync(new URL(name, folder), "utf8");
      expect(text).toContain(file.slice(file.indexOf("apiVersion")).trim());
    }
  });

  it("shows an input that the community server's policy decides", () => {
    const input = JSON.parse(/```json\n([^]*?)```/.exec(text)![1]!) as PolicyInput;
    expect(decide(load("community-server.yaml"), input)).toMatchObject({ effect: "allow", rule: "writers" });
  });
});
