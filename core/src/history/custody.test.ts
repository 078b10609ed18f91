import { describe, expect, it } from "vitest";
import { people, TestRun } from "../../../test/_history.ts";
import { CheckBudget, MAX_ENTRY_CHECKS_PER_MINUTE } from "./check-budget.ts";
import { describeHistory } from "./describe.ts";
import { verifyHistory } from "./history.ts";
import { parseEntry } from "./entry.ts";

const at = Date.UTC(2026, 10, 20, 12) / 1000;
const { agent, ops, backup, guard, alice } = people;

/** Who of these has custody of the run at `now`. */
function holders(run: TestRun, now = at + 100): string[] {
  const time = new Date(now * 1000);
  const referred = new Set(run.tokens.flatMap((token) => parseEntry(token).prev));
  const tips = run.digests.filter((digest) => !referred.has(digest));
  const history = verifyHistory(run.tokens, tips, { now: time });
  return Object.entries({ agent, ops, backup, guard, alice })
    .filter(([, { did }]) => describeHistory(history, { caller: did, now: time }).in_custody)
    .map(([name]) => name);
}

describe("custody", () => {
  it("is the root signer's; a step, a receipt and an approval give none", async () => {
    const run = new TestRun();
    await run.add(agent, "request_received", "accepted", at);
    await run.add(ops, "check", "passed", at + 1);
    await run.add(guard, "tool_call", "executed", at + 2, { aud: ops.did });
    await run.add(alice, "human_approval", "approved", at + 3, { aud: guard.did });
    expect(holders(run)).toEqual(["agent"]);
  });

  it("is the caller's where the run begins with a receipt", async () => {
    const run = new TestRun();
    await run.add(guard, "tool_call", "executed", at, { aud: agent.did });
    expect(holders(run)).toEqual(["agent"]);
  });

  it("goes on by handoff, step by step, and the giver keeps it", async () => {
    const run = new TestRun();
    await run.add(agent, "request_received", "accepted", at);
    await run.add(agent, "handoff", "given", at + 1, { aud: ops.did });
    await run.add(ops, "handoff", "given", at + 2, { aud: backup.did });
    expect(holders(run)).toEqual(["agent", "ops", "backup"]);
  });

  it("A-HIST-03 is not taken: by a handoff from nobody, of another result, expired, or signed before it was given", async () => {
    const run = new TestRun();
    const root = await run.add(agent, "request_received", "accepted", at);
    await run.add(ops, "handoff", "given", at + 1, { aud: ops.did });
    expect(holders(run)).toEqual(["agent"]);
    await run.add(agent, "handoff", "offered", at + 2, { aud: ops.did });
    expect(holders(run)).toEqual(["agent"]);
    await run.add(agent, "handoff", "given", at + 3, { aud: backup.did, exp: at + 50 });
    expect(holders(run, at + 49)).toEqual(["agent", "backup"]);
    expect(holders(run, at + 50)).toEqual(["agent"]);
    // In a branch beside the one in which it was given.
    await run.add(backup, "handoff", "given", at + 4, { aud: alice.did, prev: [root] });
    expect(holders(run, at + 49)).toEqual(["agent", "backup"]);
    await run.add(backup, "handoff", "given", at + 5, { aud: alice.did, prev: run.digests.slice(3, 4) });
    expect(holders(run, at + 49)).toEqual(["agent", "backup", "alice"]);
  });

  it("judges a history of 256 handoffs over joined branches", async () => {
    const run = new TestRun();
    await run.add(agent, "request_received", "accepted", at);
    for (let i = 1; i < 256; i++) {
      await run.add(agent, "handoff", "given", at + i, { aud: agent.did, prev: run.digests.slice(-3) });
    }
    expect(holders(run, at + 300)).toEqual(["agent"]);
  });
});

describe("a described history", () => {
  it("names what is held apart from what is presented, and the run where it differs", async () => {
    const [run, other] = [new TestRun(), new TestRun("zzzzzzzzzzzzzzzzzzzzzz")];
    await run.add(agent, "request_received", "accepted", at, { sub: { n: 1 }, exp: at + 60, tool: "x" });
    const denial = await run.add(alice, "human_approval", "denied", at + 1);
    await other.add(alice, "human_approval", "approved", at + 2);
    const now = new Date((at + 9) * 1000);
    const history = verifyHistory(run.tokens, [denial], { now });
    const held = [...run.tokens, ...other.tokens].map((token) => parseEntry(token));
    const document = describeHistory(history, { caller: agent.did, now, held });
    expect(document).toMatchObject({ run: run.run, in_custody: true, history: [{ seq: 0 }, { seq: 1 }] });
    expect(document.history[0]).toEqual({
      seq: 0,
      digest: run.digests[0],
      prev: [],
      step: "request_received",
      result: "accepted",
      agent: agent.did,
      timestamp: "2026-11-20T12:00:00Z",
      expires: "2026-11-20T12:01:00Z",
      tool: "x",
      sub: { n: 1 },
    });
    expect(document.held).toMatchObject([{ digest: other.digests[0], run: other.run }]);
    expect(describeHistory(undefined, { caller: agent.did, now })).toEqual({ history: [], held: [] });
  });
});

describe("the budget of signature checks", () => {
  const now = new Date(at * 1000);

  it("counts what is new, to each caller and minute", () => {
    const budget = new CheckBudget();
    budget.take(agent.did, MAX_ENTRY_CHECKS_PER_MINUTE, now);
    expect(() => {
      budget.take(agent.did, 1, now);
    }).toThrow("too many new history entries");
    budget.take(agent.did, 0, now);
    budget.take(ops.did, 1, now);
    budget.take(agent.did, 1, new Date(now.getTime() + 60_000));
    expect(() => {
      budget.take(agent.did, MAX_ENTRY_CHECKS_PER_MINUTE, new Date(now.getTime() - 60_000));
    }).toThrow("too many");
  });

  it("is asked before a signature is checked, and only for entries not seen before", async () => {
    const run = new TestRun("ABCDEFGHIJKLMNOPQRSTUV");
    for (let i = 0; i < 3; i++) await run.add(agent, "step", "passed", at + i);
    const counts: number[] = [];
    const beforeChecks = (count: number): void => void counts.push(count);
    const verify = () => verifyHistory(run.tokens, run.digests.slice(-1), { now, beforeChecks });
    verify();
    verify();
    await run.add(agent, "step", "passed", at + 3);
    verify();
    expect(counts).toEqual([3, 0, 1]);
  });

  it("A-HIST-03 refuses an entry whose key did not stand behind its signer when it says it was signed", async () => {
    const run = new TestRun();
    await run.add(agent, "request_received", "accepted", at);
    await run.add(ops, "check", "passed", at + 1);
    const revokedAt = at + 1;
    const verify = (did: string) =>
      verifyHistory(run.tokens, run.digests.slice(-1), {
        now,
        keyStood: ({ issuer, issuedAt }) => issuer !== did || issuedAt < revokedAt,
      });
    expect(verify(agent.did)?.entries).toHaveLength(2);
    expect(() => verify(ops.did)).toThrow(expect.objectContaining({ code: "ERR_HISTORY_INVALID", detail: "key" }));
  });
});
