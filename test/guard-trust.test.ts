import {
  type Did,
  generateIdentity,
  HttpRegistryReader,
  type Identity,
  issueKeyInit,
  issueKeyRevoke,
  issueReport,
  issueRevocation,
  issueVouch,
  keyDigest,
  loadCel,
  multibaseOf,
  Network,
  parsePolicy,
  type Policy,
  scoreVector,
  tokenDigest,
} from "@peerage/core";
import { createGuard, type NetworkTrust, trustFromNetwork } from "@peerage/mcp-middleware";
import { describe, expect, it } from "vitest";
import { policyOf, signed, stdio, verdict } from "./_guard.ts";
import { startRegistry, type TestRegistry } from "./_registry.ts";

const policy = policyOf([
  { id: "trusted", tools: "write", agents: "*", trust: 0.5 },
  { id: "anyone", tools: "read", agents: "*" },
]);

interface Scene extends AsyncDisposable {
  readonly registry: TestRegistry;
  readonly network: Network;
  /** The guard's clock, in milliseconds ahead of the real one. */
  readonly clock: { ahead: number };
  readonly call: (who: Identity, tool?: string) => Promise<string>;
  readonly scoreOf: (did: Did) => number | "unknown";
  readonly trust: NetworkTrust;
}

async function scene(root: Identity, rules: Policy = policy): Promise<Scene> {
  const registry = await startRegistry();
  const clock = { ahead: 0 };
  const now = (): Date => new Date(Date.now() + clock.ahead);
  const reader = await HttpRegistryReader.connect({ url: registry.url });
  const network = await Network.open({ reader, now });
  const trust = trustFromNetwork(network, { roots: [root.did], maxAgeSeconds: 3_600, now });
  const guard = await createGuard({ identity: generateIdentity(), policy: rules, trust, now });
  return {
    registry,
    network,
    clock,
    trust,
    scoreOf: (did) => trust.score(did, "tools"),
    call: async (who, tool = "write") => {
      return verdict(guard.admit(await signed(who, guard.did, "tools/call", { name: tool }, { now: now() }), stdio()));
    },
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  };
}

describe("a guard that follows a registry", () => {
  it("A-TRUST-02 refuses a stranger, admits it once a root vouched, and no longer once the vouch is revoked", async () => {
    const [root, bob] = [generateIdentity(), generateIdentity()];
    await using it = await scene(root);
    expect(it.scoreOf(bob.did)).toBe("unknown");
    expect([await it.call(bob), await it.call(bob, "read")]).toEqual(["ERR_TRUST_INSUFFICIENT", "admitted"]);
    const vouch = await issueVouch(root, { subject: bob.did, scope: ["tools"], confidence: 90 });
    await it.registry.publish(vouch.bytes);
    expect(await it.call(bob)).toBe("ERR_TRUST_INSUFFICIENT");
    await it.network.refresh();
    expect(await it.call(bob)).toBe("admitted");
    expect(it.scoreOf(bob.did)).toBeGreaterThanOrEqual(0.5);
    await it.registry.publish((await issueRevocation(root, { revokes: "statement", target: vouch.id })).bytes);
    await it.network.refresh();
    expect(await it.call(bob)).toBe("ERR_TRUST_INSUFFICIENT");
    expect(await it.call(root)).toBe("admitted");
  });

  it("A-TRUST-06 ends a vouch by its own clock while the registry is silent, and then decides nothing at all", async () => {
    const [root, bob] = [generateIdentity(), generateIdentity()];
    await using it = await scene(root);
    const validUntil = new Date(Date.now() + 1_800_000);
    await it.registry.publish(
      (await issueVouch(root, { subject: bob.did, scope: ["tools"], confidence: 90, validUntil })).bytes,
    );
    await it.network.refresh();
    expect(await it.call(bob)).toBe("admitted");
    it.clock.ahead = 1_801_000;
    expect([await it.call(bob), await it.call(bob, "read")]).toEqual(["ERR_TRUST_INSUFFICIENT", "admitted"]);
    it.clock.ahead = 3_700_000;
    expect([await it.call(root), await it.call(bob, "read")]).toEqual(["ERR_REGISTRY_STALE", "ERR_REGISTRY_STALE"]);
  });

  it("A-TRUST-05 lets a policy ask for independent vouchers, fresh evidence and no reports by the trusted", async () => {
    const [root, other, bob, liar] = Array.from({ length: 4 }, () => generateIdentity()) as [
      Identity,
      Identity,
      Identity,
      Identity,
    ];
    const when =
      "standing.tools.independent_vouchers >= 2 && standing.tools.reports_from_trusted == 0 && " +
      "standing.tools.oldest_evidence_age_seconds < 86400.0";
    const rules = parsePolicy(
      JSON.stringify({
        apiVersion: "peerage.dev/v1",
        kind: "Policy",
        allow: [{ tools: "write", agents: "*", trust: 0.1, when }],
      }),
      {},
      { compileWhen: await loadCel() },
    );
    await using it = await scene(root, rules);
    const vouch = async (from: Identity, to: Identity) =>
      it.registry.publish((await issueVouch(from, { subject: to.did, scope: ["tools"], confidence: 90 })).bytes);
    const seen = async () => {
      await it.network.refresh();
      return it.call(bob);
    };
    await vouch(root, bob);
    expect(await seen()).toBe("ERR_POLICY_DENIED");
    await vouch(root, other);
    await vouch(other, bob);
    expect(it.network.view.size).toBe(1);
    // Both ways to bob begin at the one root, but no agent between is on both.
    expect(await seen()).toBe("admitted");
    const report = { subject: bob.did, category: "spam", evidence: [tokenDigest("proof")] } as const;
    await it.registry.publish((await issueReport(liar, report)).bytes);
    expect(await seen()).toBe("admitted");
    await it.registry.publish((await issueReport(other, report)).bytes);
    expect(await seen()).toBe("ERR_POLICY_DENIED");
    expect(it.scoreOf(bob.did)).toBeGreaterThan(0.5);
  });

  it("A-TRUST-06 A-TRUST-09 follows vouches, revocations, key events and its own clock step by step, and is as built anew", async () => {
    const people = Array.from({ length: 5 }, () => generateIdentity()) as [
      Identity,
      Identity,
      Identity,
      Identity,
      Identity,
    ];
    const [root, a, b, c, spare] = people;
    await using it = await scene(root);
    const seen = async (statement: Promise<{ readonly bytes: Uint8Array }>): Promise<(number | "unknown")[]> => {
      await it.registry.publish((await statement).bytes);
      await it.network.refresh();
      const scores = people.map(({ did }) => it.scoreOf(did));
      const anew = scoreVector(it.network.view.at(Math.floor(Date.now() / 1000)).graph("tools"), [root.did]);
      expect(scores).toEqual(people.map(({ did }) => anew.score(did)));
      return scores;
    };
    const vouch = (from: Identity, to: Identity, confidence: number) =>
      issueVouch(from, { subject: to.did, scope: ["tools"], confidence });
    expect((await seen(vouch(root, a, 90)))[1]).toBe(0.9);
    await seen(vouch(root, b, 80));
    await seen(vouch(a, c, 100));
    const given = await vouch(b, c, 60);
    const [, , , both] = await seen(Promise.resolve(given));
    expect(both).toBe(0.966);
    const init = await issueKeyInit(a, { next: keyDigest(multibaseOf(spare.did)) });
    expect((await seen(Promise.resolve(init)))[3]).toBe(both);
    // Its key is suspended: what it gave counts no more.
    expect((await seen(issueKeyRevoke(a, { prev: init })))[3]).toBe(0.336);
    expect((await seen(issueRevocation(b, { revokes: "statement", target: given.id })))[3]).toBe("unknown");
    expect(it.trust.work).toMatchObject({ restarts: 1, builds: 1, edits: 3 + 2 + 1 });
    const { edits } = it.trust.work;
    // A hundred days later by its own clock the last vouches have ended, without a new view.
    it.clock.ahead = 100 * 86_400_000;
    expect(it.scoreOf(b.did)).toBe("unknown");
    expect(it.trust.work).toMatchObject({ restarts: 1, builds: 1, edits: edits + 1 });
  });

  it("A-SESS-06 refuses a key that burnt itself, from the next view on", async () => {
    const [root, bob] = [generateIdentity(), generateIdentity()];
    await using it = await scene(root);
    expect(await it.call(bob, "read")).toBe("admitted");
    await it.registry.publish((await issueRevocation(bob, { revokes: "self" })).bytes);
    await it.network.refresh();
    expect(await it.call(bob, "read")).toBe("ERR_KEY_REVOKED");
    expect(await it.call(root, "read")).toBe("admitted");
  });
});
