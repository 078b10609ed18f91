import fc from "./_properties.ts";
import {
  type Did,
  identityFromSeed,
  type Identity,
  issueKeyInit,
  issueKeyRevoke,
  issueKeyRotate,
  issueReport,
  issueRevocation,
  issueVouch,
  keyDigest,
  multibaseOf,
  scoreVector,
  type Statement,
  StatementSet,
  tokenDigest,
  TrustFollower,
  type Verified,
  View,
} from "@peerage/core";
import { describe, expect, it } from "vitest";

const t0 = Date.parse("2026-11-20T12:00:00Z") / 1000;
const at = (time: number) => new Date(time * 1000);
const seed = (n: number) => new Uint8Array(32).fill(n);
const agents = Array.from({ length: 9 }, (_, n) => identityFromSeed(seed(n + 1)));
const scopes = ["tools", "code"];
/** Two agents change their keys; these are their second ones. */
const second = (n: number): Identity => identityFromSeed(seed(n + 101), { did: agents[n]!.did });
const commitment = (who: Identity) => keyDigest(multibaseOf(identityFromSeed(seedOf(who)).did));
const seedOf = (who: Identity) => seed(agents.includes(who) ? agents.indexOf(who) + 1 : 0);

/** A view of some statements at a time; later ones of the same set follow it. */
function viewOf(statements: StatementSet, time: number): View {
  const head = { origin: "log.test", root: new Uint8Array(32), witnessed: false, note: "" };
  return new View(statements, { ...head, size: statements.size, time });
}

/** Signed statements of every kind that may change a score: vouches, revocations of each form, key events, reports. */
async function pool(): Promise<Verified<Statement>[]> {
  const list: Verified<Statement>[] = [];
  const vouch = async (
    issuer: Identity,
    subject: Did,
    confidence: number,
    from: number,
    until: number,
    extra = "tools",
  ) =>
    issueVouch(issuer, {
      subject,
      scope: extra.split(" "),
      confidence,
      validFrom: at(t0 + from),
      validUntil: at(t0 + until),
    });
  let n = 7;
  const next = (most: number): number => (n = (n * 1103515245 + 12345) % 2147483648) % most;
  for (let i = 0; i < 60; i++) {
    const [issuer, subject] = [agents[next(9)]!, agents[next(9)]!];
    if (issuer === subject) continue;
    const given = await vouch(
      i % 9 === 0 ? second(agents.indexOf(issuer)) : issuer,
      subject.did,
      1 + next(100),
      next(4) * 20 - 40,
      [30, 60, 1000][next(3)]!,
      ["tools", "code", "code tools"][next(3)],
    );
    list.push(given);
    if (i % 4 === 0) list.push(await issueRevocation(issuer, { revokes: "statement", target: given.id, now: at(t0) }));
    if (i % 11 === 0) {
      list.push(await issueRevocation(issuer, { revokes: "subject", target: subject.did, now: at(t0 + next(40)) }));
    }
    if (i % 13 === 0)
      list.push(await issueRevocation(subject, { revokes: "statement", target: given.id, now: at(t0) }));
  }
  for (const who of [1, 2, 3]) {
    const newer = second(who);
    const digest = keyDigest(multibaseOf(identityFromSeed(seed(who + 101)).did));
    const init = await issueKeyInit(agents[who]!, { next: digest, now: at(t0) });
    list.push(init);
    if (who === 3) list.push(await issueKeyInit(agents[who]!, { next: commitment(agents[4]!), now: at(t0) }));
    const rotated = await issueKeyRotate(newer, {
      prev: init,
      next: commitment(agents[0]!),
      now: at(t0 + 20),
      ...(who === 1 ? { reason: "compromised" as const, since: at(t0 - 5) } : {}),
    });
    list.push(rotated);
    if (who === 2) list.push(await issueKeyRevoke(newer, { prev: rotated, now: at(t0 + 40) }));
  }
  list.push(await issueRevocation(agents[8]!, { revokes: "self", now: at(t0 + 30) }));
  for (const who of [4, 5]) {
    list.push(
      await issueReport(agents[who]!, { subject: agents[6]!.did, category: "spam", evidence: [tokenDigest("x")] }),
    );
  }
  return list;
}
const statements = await pool();
const roots = [agents[0]!.did, agents[1]!.did];

function expectAsBuiltAnew(follower: TrustFollower, view: View): void {
  const anew = new TrustFollower(roots);
  anew.follow(view);
  for (const scope of scopes) {
    const fresh = scoreVector(view.graph(scope), roots);
    const { graph, state } = follower.vector(scope);
    expect(graph.digest).toBe(view.graph(scope).digest);
    for (const { did } of agents) {
      expect(state.evidence(graph.indexOf(did))).toBe(fresh.state.evidence(fresh.graph.indexOf(did)));
      expect(follower.vector(scope).score(did)).toBe(fresh.score(did));
      expect(follower.standing(did, scope)).toEqual(anew.standing(did, scope));
    }
  }
  expect(follower.changesAt).toBeGreaterThan(view.time);
  expect(follower.changesAt).toBeLessThanOrEqual(view.changesAt);
}

/** Arrivals in batches, each with its time, and how long until the next view. */
const histories = fc
  .tuple(
    fc.shuffledSubarray([...statements.keys()], { minLength: 12 }),
    fc.array(fc.record({ batch: fc.integer({ min: 0, max: 12 }), wait: fc.constantFrom(0, 1, 5, 20, 45) }), {
      minLength: 3,
      maxLength: 10,
    }),
  )
  .map(([order, steps]) => ({ order, steps }));

describe("scores that follow a network from view to view", () => {
  it("A-TRUST-06 A-TRUST-08 are, bit for bit, those of everything built anew, over vouches, revocations, expiries and key events", () => {
    let [edits, builds] = [0, 0];
    fc.assert(
      fc.property(histories, ({ order, steps }) => {
        const set = new StatementSet();
        const follower = new TrustFollower(roots);
        let time = t0 - 30;
        let index = 0;
        follower.follow(viewOf(set, time));
        for (const { batch, wait } of steps) {
          for (const which of order.slice(index, index + batch)) {
            // A clock that is ahead: what was witnessed "later" counts from then on.
            set.add({ statement: statements[which]!, index: index++, time: time + (which % 5 === 0 ? 10 : 0) });
          }
          // What was seen again in another log, earlier.
          if (index > 0 && wait === 5)
            set.add({ statement: statements[order[index >> 1]!]!, index: 0, time: time - 25 });
          time += wait;
          const view = viewOf(set, time);
          follower.follow(view);
          expectAsBuiltAnew(follower, view);
        }
        expect(follower.work.restarts).toBe(1);
        expect(follower.work.builds).toBe(scopes.length);
        edits += follower.work.edits;
        builds += follower.work.builds;
      }),
      { numRuns: 1000 },
    );
    // Not by luck: most vouches came and went one by one.
    expect(edits).toBeGreaterThan(builds);
  });

  it("start from the beginning for a view of other statements, or of an earlier time, and are right there too", () => {
    const log = new StatementSet();
    statements.forEach((statement, index) => log.add({ statement, index, time: t0 }));
    const fork = new StatementSet();
    statements.slice(20).forEach((statement, index) => fork.add({ statement, index, time: t0 }));
    const follower = new TrustFollower(roots);
    const restarts = [
      viewOf(log, t0),
      viewOf(log, t0 + 25),
      viewOf(fork, t0 + 25),
      viewOf(log, t0 + 25),
      viewOf(log, t0),
    ].map((view) => {
      follower.follow(view);
      expectAsBuiltAnew(follower, view);
      return follower.work.restarts;
    });
    expect(restarts).toEqual([1, 1, 2, 3, 4]);
  });

  it("A-TRUST-09 judge one pair for one vouch, however many there are, and build the graph no second time", async () => {
    const set = new StatementSet();
    statements.forEach((statement, index) => set.add({ statement, index, time: t0 }));
    const follower = new TrustFollower(roots);
    follower.follow(viewOf(set, t0));
    follower.vector("tools");
    const before = follower.work;
    const [issuer, subject] = [agents[0]!, identityFromSeed(seed(77)).did];
    const given = await issueVouch(issuer, { subject, scope: ["tools"], confidence: 90, validFrom: at(t0) });
    set.add({ statement: given, index: set.size, time: t0 });
    follower.follow(viewOf(set, t0));
    expect(follower.vector("tools").score(subject)).toBe(0.9);
    expect(follower.work).toEqual({ ...before, edits: before.edits + 1, judgedPairs: before.judgedPairs + 1 });
    // The revocation of it, and one that means nothing.
    const foreign = await issueRevocation(agents[3]!, { revokes: "statement", target: given.id, now: at(t0) });
    set.add({ statement: foreign, index: set.size, time: t0 });
    follower.follow(viewOf(set, t0));
    expect(follower.vector("tools").score(subject)).toBe(0.9);
    const own = await issueRevocation(issuer, { revokes: "statement", target: given.id, now: at(t0) });
    set.add({ statement: own, index: set.size, time: t0 });
    follower.follow(viewOf(set, t0));
    expect(follower.vector("tools").score(subject)).toBe("unknown");
    expect(follower.work).toEqual({ ...before, edits: before.edits + 2, judgedPairs: before.judgedPairs + 2 });
  });

  it("A-TRUST-09 keep no more than sixteen scopes at a time", () => {
    const set = new StatementSet();
    const follower = new TrustFollower(roots);
    follower.follow(viewOf(set, t0));
    for (let i = 0; i < 40; i++) follower.vector(`scope-${i}`);
    const { builds } = follower.work;
    expect(builds).toBe(40);
    follower.vector("scope-39");
    expect(follower.work.builds).toBe(builds);
    follower.vector("scope-0");
    expect(follower.work.builds).toBe(builds + 1);
  });

  it("A-TRUST-05 tell a policy the ages of evidence and the trusted who report, and nothing by those without weight", async () => {
    const [me, friend, other, target, idle] = agents as [Identity, Identity, Identity, Identity, Identity];
    const set = new StatementSet();
    const log = async (time: number, statement: Promise<Verified<Statement>>) =>
      set.add({ statement: await statement, index: set.size, time: t0 + time });
    const vouch = (from: Identity, to: Identity, more: object = {}) =>
      issueVouch(from, { subject: to.did, scope: ["tools"], confidence: 90, validFrom: at(t0), ...more });
    const report = (from: Identity, evidence: string) =>
      issueReport(from, { subject: target.did, category: "spam", evidence: [tokenDigest(evidence)], now: at(t0) });
    const follower = new TrustFollower([me.did]);
    const standing = (time: number) => {
      follower.follow(viewOf(set, t0 + time));
      return follower.standing(target.did, "tools");
    };
    await log(0, vouch(me, friend));
    // `other` is let in by one voucher and has no power: what it says of the target is no evidence, however old.
    await log(1, vouch(friend, other));
    await log(2, vouch(other, target));
    expect(follower.work.restarts).toBe(0);
    expect(standing(5)).toEqual({ independent_vouchers: 0, reports_from_trusted: 0 });
    await log(10, vouch(friend, target));
    await log(20, vouch(me, target));
    expect(standing(100)).toEqual({
      independent_vouchers: 2,
      newest_evidence_age_seconds: 80,
      oldest_evidence_age_seconds: 90,
      reports_from_trusted: 0,
    });
    // A vouch that was signed and logged ahead is as old as its beginning.
    await log(21, vouch(me, target, { validFrom: at(t0 + 95), confidence: 95 }));
    expect(standing(100)).toMatchObject({ newest_evidence_age_seconds: 5, oldest_evidence_age_seconds: 90 });
    // A stranger's report counts for nothing, one by `friend` does, twice the same is once, and it may be withdrawn.
    await log(101, report(idle, "a"));
    expect(standing(102).reports_from_trusted).toBe(0);
    const complaint = await report(friend, "b");
    await log(103, Promise.resolve(complaint));
    await log(103, report(friend, "c"));
    await log(103, report(other, "d"));
    expect(standing(104).reports_from_trusted).toBe(2);
    expect(follower.vector("tools").score(target.did)).toBe(1);
    const late = await issueRevocation(friend, { revokes: "statement", target: complaint.id, now: at(t0 + 105) });
    await log(105, Promise.resolve(late));
    expect(standing(106).reports_from_trusted).toBe(2);
    const roots1 = new TrustFollower([friend.did]);
    roots1.follow(viewOf(set, t0 + 106));
    // From elsewhere it looks otherwise: `other` has the word of a root there.
    expect(roots1.standing(target.did, "tools").oldest_evidence_age_seconds).toBe(104);
  });
});
