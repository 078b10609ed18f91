import { explainTrust, formatExplanation, TrustFollower } from "@peerage/core";
import { trustFromNetwork } from "@peerage/mcp-middleware";
import { beforeAll, describe, expect, it } from "vitest";
import { cast, HostileLog, hostileVouches, saidRevocation, saidVouch } from "./_hostile.ts";
import { didOf } from "./_trust.ts";

/** test/slow/trust-hostile.test.ts plays the same with a million edges at the hub. */
const fans = 4_000;
const { root, one, hub, victim, firstFake } = cast;
const vouches = [...hostileVouches(fans)];
/** One agent that everything leads through, seen by all layers: what one change may look at. */
const reach = 6 * (2 * fans + 100);
let log: HostileLog;

/** A guard whose network serves the newest view of the log. */
function guardOf(of: HostileLog) {
  let view = of.view;
  const trust = trustFromNetwork(
    {
      get view() {
        return view;
      },
      ageSeconds: () => 0,
    },
    { roots: [didOf(root)], now: () => new Date(of.time * 1000) },
  );
  return { trust, refresh: () => void (view = of.view) };
}

beforeAll(() => {
  log = new HostileLog().add(...vouches);
});

describe("a graph made to be slow", () => {
  it("A-TRUST-09 A-TRUST-01 costs a guard one build and then what changes; the hub's gain stays within its bound", () => {
    const { trust, refresh } = guardOf(log);
    expect(trust.score(didOf(hub), "tools")).toBe(1);
    expect(trust.work).toEqual({ restarts: 1, builds: 1, edits: 0, judgedPairs: vouches.length });
    // Two fooled vouchers: power 0.7, and all of it goes to the fans in equal parts.
    const score = trust.score(didOf(firstFake), "tools") as number;
    expect(score * fans).toBeLessThanOrEqual(0.7 * 30 * 0.7 + fans * 1e-6);
    expect(trust.score(didOf(firstFake + fans + 5), "tools")).toBe("unknown");
    // A thousand calls look nothing up but a number.
    const { work } = trust;
    for (let i = 0; i < 1_000; i++) trust.score(didOf(firstFake + i), "tools");
    expect(trust.work).toEqual(work);
    // Each further vouch or revocation at the hub is judged by itself.
    for (let i = 0; i < 10; i++) log.add(saidVouch(hub, 1_000_000 + i));
    log.add(saidRevocation(hub, didOf(firstFake)));
    refresh();
    const diluted = trust.score(didOf(1_000_001), "tools") as number;
    expect(diluted).toBeGreaterThan(0);
    expect(diluted).toBeLessThanOrEqual(score);
    expect(trust.score(didOf(firstFake), "tools")).toBe("unknown");
    expect(trust.work).toEqual({ restarts: 1, builds: 1, edits: 11, judgedPairs: work.judgedPairs + 11 });
    // Without the root's word everything that came through it is gone.
    log.add(saidRevocation(root, didOf(one)));
    refresh();
    expect(trust.score(didOf(firstFake + 1), "tools")).toBe("unknown");
    expect(trust.work.builds).toBe(1);
    log = new HostileLog().add(...vouches);
  });

  it("A-TRUST-09 an update looks at no more than the vouches around what changed, in memory that it states", () => {
    const follower = new TrustFollower([didOf(root)]);
    follower.follow(log.view);
    const { graph, state } = follower.vector("tools");
    expect(graph.edges.byteLength + state.byteLength).toBeLessThanOrEqual(
      24 * graph.vouchCount + 66 * graph.agentCount,
    );
    for (let i = 0; i < 20; i++) {
      const before = state.steps;
      log.add(saidVouch(firstFake + i, firstFake + i + 1));
      follower.follow(log.view);
      expect(state.steps - before).toBeLessThanOrEqual(reach);
    }
    // The overlay holds the runs that were touched, each once.
    expect(graph.edges.overlayEdges).toBeLessThanOrEqual(2 * graph.vouchCount);
  });

  it("A-TRUST-08 A-TRUST-06 statements again, in another order and in other parts are the same graph", () => {
    const shuffled = new HostileLog();
    const follower = new TrustFollower([didOf(root)]);
    for (let part = 0; part < 4; part++) {
      shuffled.add(...vouches.filter((_, i) => i % 4 === 3 - part).reverse());
      shuffled.add(...vouches.filter((_, i) => i % 8 === 7 - part));
      follower.follow(shuffled.view);
      follower.graph("tools");
    }
    const plain = new TrustFollower([didOf(root)]);
    plain.follow(new HostileLog().add(...vouches).view);
    expect(follower.graph("tools").digest).toBe(plain.graph("tools").digest);
    expect([...follower.vector("tools").scores()].sort()).toEqual([...plain.vector("tools").scores()].sort());
    // What was there already is no arrival.
    const { work } = follower;
    follower.follow(shuffled.add(...vouches).view);
    expect(follower.work).toEqual(work);
  });

  it("A-TRUST-09 ten thousand revocations by strangers, of nothing, or of one vouch over and over are looked at once", () => {
    const it = new HostileLog().add(...vouches);
    const follower = new TrustFollower([didOf(root)]);
    follower.follow(it.view);
    const scores = [...follower.vector("tools").scores()];
    const before = follower.work;
    const given = saidVouch(one, victim);
    for (let i = 0; i < 5_000; i++) {
      it.add(saidRevocation(firstFake + (i % fans), given.id, i), saidRevocation(one, saidVouch(9, 9, 1, i).id));
    }
    follower.follow(it.view);
    expect([...follower.vector("tools").scores()]).toEqual(scores);
    expect(follower.work).toEqual(before);
    for (let i = 0; i < 1_000; i++) it.add(saidRevocation(one, given.id, i));
    follower.follow(it.view);
    expect(follower.work).toEqual({ ...before, edits: before.edits + 1, judgedPairs: before.judgedPairs + 1 });
    expect(follower.vector("tools").score(didOf(victim))).not.toBe(new Map(scores).get(didOf(victim)));
  });

  it("A-TRUST-06 thousands of vouches of one agent for another are judged together; of the newest there is none alone", () => {
    const it = new HostileLog().add(saidVouch(root, one));
    for (let i = 0; i < 5_000; i++) it.add(saidVouch(one, victim, 50, i));
    const follower = new TrustFollower([didOf(root)]);
    follower.follow(it.view);
    expect(follower.vector("tools").score(didOf(victim))).toBe("unknown");
    expect(follower.work.judgedPairs).toBe(2);
  });

  it("A-TRUST-09 an explanation lists a thousand of all contributions, adds up, and looks at a bounded number of vouches", () => {
    const follower = new TrustFollower([didOf(root)]);
    follower.follow(new HostileLog().add(...vouches).view);
    const vector = follower.vector("tools");
    const before = vector.state.steps;
    const explanation = explainTrust(vector.graph, {
      roots: [didOf(root)],
      target: didOf(hub),
      threshold: 1,
      vector,
      notCounted: Array.from({ length: 3_000 }, (_, i) => ({ vouch: saidVouch(i + 20, hub), reason: "expired" })),
    });
    const { contributions, powerless, notCounted, unlisted, evidence } = explanation;
    expect(contributions.length + powerless.length).toBeLessThanOrEqual(2_000);
    expect(notCounted.length).toBe(1_000);
    expect(unlisted?.notCounted).toBe(2_000);
    expect(contributions.length + powerless.length + unlisted!.contributions + unlisted!.powerless).toBe(fans + 2);
    const sum = contributions.reduce((total, { value }) => total + value, 0) + unlisted!.value;
    expect(Math.abs(sum - evidence)).toBeLessThan(1e-9);
    expect(vector.state.steps - before).toBeLessThanOrEqual(5_000_000);
    expect(JSON.stringify(explanation).length).toBeLessThan(2_000_000);
    const text = formatExplanation(explanation);
    expect(text.length).toBeLessThan(1_000_000);
    let micro = 0;
    for (const [, amount] of text.matchAll(/^ {2}(\d\.\d{6}) {2}(?!evidence)/gm))
      micro += Math.round(Number(amount) * 1e6);
    expect((micro / 1e6).toFixed(6)).toBe(evidence.toFixed(6));
  });

  it("A-TRUST-09 a policy's question about an agent that thousands vouch for and report is answered once a view", () => {
    const { trust } = guardOf(new HostileLog().add(...vouches));
    const standing = trust.standing!(didOf(victim), "tools");
    expect(standing).toMatchObject({
      newest_evidence_age_seconds: 60,
      oldest_evidence_age_seconds: 60,
      reports_from_trusted: 0,
    });
    expect(trust.standing!(didOf(victim), "tools")).toBe(standing);
  });
});
