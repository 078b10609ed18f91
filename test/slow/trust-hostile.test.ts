import {
  explainTrust,
  generateIdentity,
  type Identity,
  issueRevocation,
  issueVouch,
  TrustFollower,
} from "@peerage/core";
import { trustFromNetwork } from "@peerage/mcp-middleware";
import { expect, it } from "vitest";
import { cast, HostileLog, hostileVouches, saidRevocation, saidVouch } from "../_hostile.ts";
import { startRegistry } from "../_registry.ts";
import { didOf } from "../_trust.ts";

const { root, hub, victim, firstFake } = cast;

it("A-TRUST-09 a hub with a million edges, a long chain and a clique cost a guard one build and then what changes", () => {
  const fans = 500_000;
  const log = new HostileLog();
  let count = 0;
  for (const vouch of hostileVouches(fans)) {
    log.add(vouch);
    count++;
  }
  let view = log.view;
  const network = {
    get view() {
      return view;
    },
    ageSeconds: () => 0,
  };
  const trust = trustFromNetwork(network, { roots: [didOf(root)], now: () => new Date(log.time * 1000) });
  const said: string[] = [];
  const timed = <T>(what: string, action: () => T): T => {
    const start = performance.now();
    const result = action();
    said.push(`${what}: ${(performance.now() - start).toFixed(1)} ms`);
    return result;
  };
  expect(timed("judge and build", () => trust.score(didOf(hub), "tools"))).toBe(1);
  expect(trust.work).toEqual({ restarts: 1, builds: 1, edits: 0, judgedPairs: count });
  expect(trust.score(didOf(firstFake), "tools")).toBeLessThanOrEqual((0.7 * 30 * 0.7) / fans + 1e-6);
  const { work } = trust;
  for (let i = 0; i < 10; i++) {
    log.add(i % 2 === 0 ? saidVouch(hub, 5_000_000 + i) : saidRevocation(hub, didOf(firstFake + i)));
    view = log.view;
    timed("one change at the hub", () => trust.score(didOf(firstFake), "tools"));
  }
  expect(trust.work).toEqual({ ...work, edits: 10, judgedPairs: work.judgedPairs + 10 });
  timed("standing of an agent for whom five thousand fakes vouch", () => trust.standing!(didOf(victim), "tools"));

  const follower = new TrustFollower([didOf(root)]);
  follower.follow(view);
  const vector = follower.vector("tools");
  const { graph, state } = vector;
  const bytes = graph.edges.byteLength + state.byteLength;
  said.push(`graph and scores: ${(bytes / 2 ** 20).toFixed(0)} MiB for ${count} vouches`);
  expect(bytes).toBeLessThanOrEqual(24 * graph.vouchCount + 66 * graph.agentCount);
  const before = state.steps;
  const explained = timed("explanation of the hub", () =>
    explainTrust(graph, { roots: [didOf(root)], target: didOf(hub), threshold: 1, vector }),
  );
  // One trial at a hub may look at all of its vouches in every layer; then the limit holds.
  expect(state.steps - before).toBeLessThanOrEqual(4_000_000 + 20 * 2 * fans);
  expect(explained.contributions.length + explained.powerless.length).toBeLessThanOrEqual(2_000);
  timed("explanation of the victim", () =>
    explainTrust(graph, { roots: [didOf(root)], target: didOf(victim), threshold: 1, vector }),
  );
  said.push(`heap: ${(process.memoryUsage().heapUsed / 2 ** 20).toFixed(0)} MiB, statements included`);
  console.log(said.join("\n"));
});

it("A-TRUST-09 ten megabytes of revocations change no score of a registry and none of its answers' size", async () => {
  await using registry = await startRegistry();
  const [start, friend, target, stranger] = Array.from({ length: 4 }, () => generateIdentity()) as [
    Identity,
    Identity,
    Identity,
    Identity,
  ];
  const vouch = async (from: Identity, to: Identity) =>
    registry.publish((await issueVouch(from, { subject: to.did, scope: ["tools"], confidence: 90 })).bytes);
  await vouch(start, friend);
  const { id } = await vouch(friend, target);
  const ask = (what: string) => registry.json(`/v1/${what}?from=${start.did}&to=${target.did}&scope=tools`);
  const before = await ask("score");
  expect(before.score).toBe(0.567);
  const now = Math.floor(Date.now() / 1000);
  let bytes = 0;
  for (let i = 0; bytes < 10_000_000; i++) {
    const batch = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        issueRevocation(stranger, {
          revokes: "statement",
          // Half name the vouch itself, half nothing that exists.
          target: n % 2 === 0 ? (id as `sha256:${string}`) : `sha256:${String(i * 100 + n).padStart(64, "0")}`,
          now: new Date((now - i) * 1000 - n),
        }),
      ),
    );
    bytes += batch.reduce((sum, statement) => sum + statement.bytes.length, 0);
    // A kept connection may close just as it is used again; the same statement may be posted again.
    const post = async (body: Uint8Array, tries = 5): Promise<Response> =>
      registry.post(body).catch((error: unknown) => {
        if (tries === 1) throw error;
        return post(body, tries - 1);
      });
    const answers = await Promise.all(batch.map((statement) => post(statement.bytes)));
    expect(answers.every(({ status }) => status < 500)).toBe(true);
    await Promise.all(answers.map((answer) => answer.arrayBuffer()));
  }
  const after = await ask("score");
  expect(after.score).toBe(before.score);
  expect(after.provenance.edges).toBe(before.provenance.edges);
  const explained = await ask("explain");
  expect(explained.explanation.score).toBe(before.score);
  expect(JSON.stringify(explained).length).toBeLessThan(20_000);
  expect((await ask("score")).checkpoint.size).toBeGreaterThan(2);
});
