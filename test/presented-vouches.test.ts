import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  buildTrustGraph,
  type Did,
  generateIdentity,
  HttpRegistryReader,
  identityFromSeed,
  type Identity,
  issueRevocation,
  issueVouch,
  judgePresented,
  loadCel,
  parsePolicy,
  randomBytes,
  type JsonObject,
  Network,
  TrustFollower,
  trustScore,
  type Verified,
  verifyVouchNow,
  type Vouch,
} from "@peerage/core";
import { createGuard, trustFromNetwork, trustWithoutRegistry, VOUCHES_META } from "@peerage/mcp-middleware";
import { describe, expect, it } from "vitest";
import { recordInput } from "../mcp-middleware/src/audit/recorded-input.ts";
import { BIN, Home, openTestRegistry } from "./_cli.ts";
import { policyOf, signed, stdio, verdict } from "./_guard.ts";
import { startRegistry } from "./_registry.ts";

const policy = policyOf([{ id: "trusted", tools: "write", agents: "*", trust: 0.5 }]);

async function vouch(issuer: Identity, subject: Did, confidence = 90, more: object = {}): Promise<JsonObject> {
  return (await issueVouch(issuer, { subject, scope: ["tools"], confidence, ...more })).document;
}

type Guard = Awaited<ReturnType<typeof createGuard>>;

async function call(guard: Guard, who: Identity, vouches: unknown, now = new Date()): ReturnType<typeof verdict> {
  const meta = { [VOUCHES_META]: vouches } as JsonObject;
  return verdict(guard.admit(await signed(who, guard.did, "tools/call", { name: "write" }, { now, meta }), stdio()));
}

/** A guard that trusts one root and follows no registry. */
async function guardOf(root: Identity, options: object = {}): Promise<Guard> {
  const trust = trustWithoutRegistry({ roots: [root.did] });
  return createGuard({ identity: generateIdentity(), policy, trust, presentedVouches: true, ...options });
}

describe("a guard that takes presented vouches", () => {
  it("admits by a vouch that came with the call, with no registry at all, and passes none of it on", async () => {
    const [root, bob] = [generateIdentity(), generateIdentity()];
    const guard = await guardOf(root);
    const vouches = [await vouch(root, bob.did)];
    expect(await call(guard, bob, [])).toBe("ERR_TRUST_INSUFFICIENT");
    const meta = { [VOUCHES_META]: vouches, other: 1 };
    const admission = await guard.admit(
      await signed(bob, guard.did, "tools/call", { name: "write" }, { meta }),
      stdio(),
    );
    expect(admission).toMatchObject({ admitted: true, caller: { score: 0.9 } });
    expect(admission.admitted && admission.message["params"]).toEqual({ name: "write", _meta: { other: 1 } });
    // For that call only.
    expect(await call(guard, bob, [])).toBe("ERR_TRUST_INSUFFICIENT");
    // Who has not asked for it does not look at them.
    expect(await call(await guardOf(root, { presentedVouches: false }), bob, vouches)).toBe("ERR_TRUST_INSUFFICIENT");
    expect(await call(await guardOf(root, { presentedVouches: false }), root, "junk")).toBe("admitted");
  });

  it("tells its policy which vouches count, and its audit log too", async () => {
    const [root, bob] = [generateIdentity(), generateIdentity()];
    const rule = { id: "asks", tools: "write", agents: "*", when: "has(caller.vouches) && size(caller.vouches) == 1" };
    const document = { apiVersion: "peerage.dev/v1", kind: "Policy", allow: [rule] };
    const asking = parsePolicy(JSON.stringify(document), {}, { compileWhen: await loadCel() });
    const guard = await guardOf(root, { policy: asking });
    expect(await call(guard, bob, [await vouch(root, bob.did)])).toBe("admitted");
    // One by somebody without trust counts for nothing, though it is in force.
    expect(await call(guard, bob, [await vouch(bob, root.did)])).toBe("ERR_POLICY_DENIED");
    expect(await call(guard, bob, [])).toBe("ERR_POLICY_DENIED");
    const vouches = [`sha256:${"0".repeat(64)}`];
    const caller = { did: bob.did, binding: "message", scheme: "peerage-call", vouches } as const;
    const input = {
      v: 1,
      method: "tools/call",
      target: "write",
      server: guard.did,
      now: "",
      trust: {},
      caller,
    } as const;
    expect(recordInput(input, "digest", [])).toMatchObject({ vouches });
  });

  it("lets chains of presented vouches pass trust on as the metric does", async () => {
    const [root, a, b, c, d, bob] = Array.from({ length: 6 }, () => generateIdentity()) as Identity[] & { length: 6 };
    if (!root || !a || !b || !c || !d || !bob) throw new Error("six agents");
    const guard = await guardOf(root);
    const line = [await vouch(root, a.did, 100), await vouch(a, b.did, 100), await vouch(b, bob.did, 100)];
    expect(await call(guard, b, line)).toBe("admitted");
    // One vouch may let an agent in; to pass trust on it needs others, independent of it.
    expect(await call(guard, bob, line)).toBe("ERR_TRUST_INSUFFICIENT");
    const others = [c, d].flatMap((one) => [vouch(root, one.did, 100), vouch(one, b.did, 100)]);
    expect(await call(guard, bob, [...line, ...(await Promise.all(others))])).toBe("admitted");
    expect(await call(guard, bob, [...line.slice(1), ...(await Promise.all(others.slice(1)))])).not.toBe("admitted");
  });

  it("refuses what is forged, and what is no list of at most sixteen vouches", async () => {
    const [root, bob, mallory] = [generateIdentity(), generateIdentity(), generateIdentity()];
    const guard = await guardOf(root);
    const genuine = await vouch(root, bob.did, 40);
    expect(await call(guard, bob, [genuine])).toBe("ERR_TRUST_INSUFFICIENT");
    const subject = genuine["credentialSubject"] as JsonObject;
    const proof = genuine["proof"] as JsonObject;
    const foreign = await vouch(mallory, bob.did);
    const forged: unknown[] = [
      [{ ...genuine, credentialSubject: { ...subject, confidence: 90 } }],
      [{ ...genuine, credentialSubject: { ...subject, id: mallory.did } }],
      [{ ...foreign, issuer: root.did }],
      [{ ...genuine, proof: { ...proof, proofValue: (foreign["proof"] as JsonObject)["proofValue"] } }],
      [{ ...genuine, extra: 1 }],
      [(await issueRevocation(root, { revokes: "subject", target: bob.did })).document],
      [genuine, 7],
      ["text"],
      {},
      "text",
      null,
      Array.from({ length: 17 }, () => genuine),
      Array.from({ length: 16 }, (_, i) => ({ ...genuine, more: "x".repeat(2_100), i })),
    ];
    for (const [i, vouches] of forged.entries())
      expect(await call(guard, bob, vouches), String(i)).toBe("ERR_STATEMENT_INVALID");
    expect(await call(guard, bob, [await vouch(root, bob.did, 90)])).toBe("admitted");
  });

  it("takes no more than 32 KiB of genuine vouches with a call", async () => {
    const [root, bob] = [generateIdentity(), generateIdentity()];
    const guard = await guardOf(root);
    const evidence = Array.from({ length: 16 }, (_, i) => `sha256:${String(i).padStart(64, "0")}`);
    const scope = Array.from({ length: 15 }, (_, i) => `s${String(i).padStart(62, "0")}`);
    const large = (confidence: number): Promise<JsonObject> =>
      vouch(root, bob.did, confidence, { evidence, scope: [...scope, "tools"] });
    const vouches = await Promise.all(Array.from({ length: 16 }, (_, i) => large(90 - i)));
    expect(JSON.stringify(vouches[0]).length).toBeGreaterThan(2_048);
    expect(await call(guard, bob, vouches)).toBe("ERR_STATEMENT_INVALID");
    expect(await call(guard, bob, vouches.slice(0, 1))).toBe("admitted");
  });

  it("counts no vouch for another, from nobody, from the past, or for another scope", async () => {
    const [root, bob, mallory] = [generateIdentity(), generateIdentity(), generateIdentity()];
    const ring = await Promise.all([vouch(mallory, bob.did, 100), vouch(bob, mallory.did, 100)]);
    const day = 86_400_000;
    const [early, late] = [new Date(Date.now() - 40 * day), new Date(Date.now() - 10 * day)];
    const guard = await guardOf(root);
    expect(await call(guard, mallory, [await vouch(root, bob.did)])).toBe("ERR_TRUST_INSUFFICIENT");
    expect(await call(guard, mallory, ring)).toBe("ERR_TRUST_INSUFFICIENT");
    // Signed in the root's name by a key that was never the root's: the signature holds, and counts for nothing.
    const usurper = identityFromSeed(randomBytes(32), { did: root.did });
    expect(await call(guard, mallory, [await vouch(usurper, mallory.did)])).toBe("ERR_TRUST_INSUFFICIENT");
    expect(await call(guard, bob, [await vouch(root, bob.did, 90, { validFrom: early, validUntil: late })])).toBe(
      "ERR_TRUST_INSUFFICIENT",
    );
    expect(await call(guard, bob, [await vouch(root, bob.did, 90, { scope: ["code"] })])).toBe(
      "ERR_TRUST_INSUFFICIENT",
    );
    expect(await call(guard, bob, [await vouch(root, bob.did)])).toBe("admitted");
  });

  it("begins and ends to count by the guard's own clock, with a log that is silent and with none", async () => {
    await using registry = await startRegistry();
    const [root, bob] = [generateIdentity(), generateIdentity()];
    await registry.publish(
      (await issueVouch(root, { subject: generateIdentity().did, scope: ["tools"], confidence: 9 })).bytes,
    );
    const clock = { ahead: 0 };
    const now = (): Date => new Date(Date.now() + clock.ahead * 1_000);
    const network = await Network.open({ reader: await HttpRegistryReader.connect({ url: registry.url }), now });
    const options = { roots: [root.did], now };
    const [validFrom, validUntil] = [new Date(Date.now() + 3_600_000), new Date(Date.now() + 7_200_000)];
    const later = await vouch(root, bob.did, 90, { validFrom, validUntil });
    for (const trust of [trustWithoutRegistry(options), trustFromNetwork(network, options)]) {
      const guard = await guardOf(root, { trust, now });
      for (const [ahead, said] of [
        [0, "ERR_TRUST_INSUFFICIENT"],
        [3_700, "admitted"],
        [7_100, "admitted"],
        [7_300, "ERR_TRUST_INSUFFICIENT"],
      ] as const) {
        clock.ahead = ahead;
        expect(await call(guard, bob, [later], now()), String(ahead)).toBe(said);
      }
      clock.ahead = 0;
    }
  });

  it("checks only so many new signatures of a caller in a minute, and each vouch once", async () => {
    const [root, bob, carol] = [generateIdentity(), generateIdentity(), generateIdentity()];
    const start = Math.ceil(Date.now() / 60_000) * 60_000;
    const now = (): Date => new Date(start);
    const guard = await guardOf(root, { now, trust: trustWithoutRegistry({ roots: [root.did], now }) });
    const kept = [await vouch(root, bob.did)];
    for (let i = 0; i < 4; i++) expect(await call(guard, bob, kept, now())).toBe("admitted");
    const said: string[] = [];
    for (let i = 0; i < 63; i++) {
      const many = await Promise.all(Array.from({ length: 16 }, () => vouch(carol, generateIdentity().did)));
      said.push(await call(guard, bob, many, now()));
    }
    expect(said.slice(0, 62)).toEqual(Array.from({ length: 62 }, () => "ERR_TRUST_INSUFFICIENT"));
    expect(said[62]).toBe("ERR_RATE_LIMITED");
    expect(await call(guard, bob, kept, now())).toBe("admitted");
  });

  it("counts them beside a log, whose word on a vouch, its revocations and its keys is the last", async () => {
    await using registry = await startRegistry();
    const [root, bob] = [generateIdentity(), generateIdentity()];
    const [kept, whole, replayed] = await Promise.all([
      issueVouch(root, { subject: bob.did, scope: ["tools"], confidence: 90 }),
      issueVouch(root, { subject: bob.did, scope: ["tools"], confidence: 91 }),
      issueVouch(root, { subject: bob.did, scope: ["tools"], confidence: 92 }),
    ]);
    await registry.publish(replayed.bytes);
    const network = await Network.open({ reader: await HttpRegistryReader.connect({ url: registry.url }) });
    const trust = trustFromNetwork(network, { roots: [root.did] });
    const guard = await createGuard({ identity: generateIdentity(), policy, trust, presentedVouches: true });
    expect(await call(guard, bob, [])).toBe("admitted");
    await registry.publish((await issueRevocation(root, { revokes: "statement", target: replayed.id })).bytes);
    await network.refresh();
    expect(await call(guard, bob, [])).toBe("ERR_TRUST_INSUFFICIENT");
    expect(await call(guard, bob, [replayed.document])).toBe("ERR_TRUST_INSUFFICIENT");
    expect(await call(guard, bob, [kept.document])).toBe("admitted");
    // One that is only revoked in the log, and one of a subject whom its issuer has given up, was never in it.
    await registry.publish((await issueRevocation(root, { revokes: "statement", target: kept.id })).bytes);
    await network.refresh();
    expect(await call(guard, bob, [kept.document])).toBe("ERR_TRUST_INSUFFICIENT");
    expect(await call(guard, bob, [whole.document])).toBe("admitted");
    await registry.publish((await issueRevocation(root, { revokes: "subject", target: bob.did })).bytes);
    await network.refresh();
    expect(await call(guard, bob, [whole.document])).toBe("ERR_TRUST_INSUFFICIENT");
    expect(await call(guard, root, [])).toBe("admitted");
  });
});

it("scores the union as if all of it stood in the log, and leaves nothing behind", async () => {
  await using registry = await startRegistry();
  const agents = Array.from({ length: 12 }, () => generateIdentity());
  const all: Verified<Vouch>[] = [];
  for (const [i, issuer] of agents.entries())
    for (const step of [1, 2, 5]) {
      const subject = agents[(i + step) % agents.length]!.did;
      all.push(
        verifyVouchNow((await issueVouch(issuer, { subject, scope: ["tools"], confidence: 40 + i * step })).bytes),
      );
    }
  const presented = all.filter((_, i) => i % 4 === 3);
  await Promise.all(all.filter((_, i) => i % 4 !== 3).map(({ bytes }) => registry.publish(bytes)));
  const network = await Network.open({ reader: await HttpRegistryReader.connect({ url: registry.url }) });
  const roots = [agents[0]!.did, agents[1]!.did];
  const follower = new TrustFollower(roots);
  const view = network.view.at(Math.ceil(Date.now() / 1000));
  follower.follow(view);
  const { changes, inForce } = judgePresented(view, presented);
  expect(inForce).toEqual(presented.map(({ id }) => id).sort());
  const union = buildTrustGraph(all, { scope: "tools" });
  for (let i = 0; i < 50; i++)
    for (const { did } of agents) {
      const plain = follower.vector("tools").score(did);
      const asked = follower.asking("tools", changes, (vector) => vector.score(did));
      if (i === 0) expect(asked).toBe(trustScore(union, { roots, target: did }).score);
      expect(follower.vector("tools").score(did)).toBe(plain);
      expect(plain).toBe(trustScore(view.graph("tools"), { roots, target: did }).score);
    }
  // The graph is built anew now and then, so that what was asked leaves no memory behind.
  expect(follower.work.builds).toBeGreaterThan(1);
});

it("lets two strangers who met by links call one another's servers while the registry is down", async () => {
  await using one = await Home.make();
  await using other = await Home.make();
  const echo = fileURLToPath(new URL("./fixtures/modern-server.ts", import.meta.url));
  const file = join(one.path, "from-other.vouch");
  {
    await using registry = await openTestRegistry();
    await one.call(["init", "one", "--registry", registry.url]);
    await other.call(["init", "other"]);
    const { link } = JSON.parse((await one.call(["whoami", "--share", "--json"])).stdout).data;
    expect((await other.call(["vouch", link, "--out", file])).code).toBe(0);
  }
  const root = await other.did();
  await one.call(["config", "set", "registry"]);
  await one.call(["init", "gate"]);
  const gate = await one.did("gate");
  const rules = join(one.path, "policy.yaml");
  const rule = `{ tools: echo, agents: "*", trust: 0.25 }`;
  await writeFile(rules, `apiVersion: peerage.dev/v1\nkind: Policy\nallow:\n  - ${rule}\n`);
  // A wrapped command gets none of our own variables, but finds the same folders by these.
  const folders = ["CONFIG", "DATA", "STATE", "CACHE"].map((name) => [`XDG_${name}_HOME`, one.path] as const);
  const env = { ...Object.fromEntries(folders), PEERAGE_HOME: undefined };
  const guard = [process.execPath, BIN, "--identity", "gate", "guard", "--root", root, "--policy", rules];
  const ask = async (present: string[], taking: string[]): Promise<unknown> => {
    const argv = [
      "--identity",
      "one",
      "call",
      "echo",
      "--audience",
      gate,
      "--arg",
      "message=hi",
      ...present,
      "--json",
      "--",
    ];
    const ran = await one.run([...argv, ...guard, ...taking, "--", process.execPath, echo, "stdio"], { env });
    return JSON.parse(ran.stdout).data.reason ?? ran.code;
  };
  const taking = ["--presented-vouches"];
  expect(await ask(["--present", file], taking)).toBe(0);
  expect(await ask(["--present", file], [])).toBe("ERR_TRUST_INSUFFICIENT");
  // Without a registry a vouch is a file, and nothing else.
  const [early, foreign] = [join(one.path, "again.vouch"), join(one.path, "foreign.vouch")];
  expect((await other.call(["vouch", await one.did("one"), "--out", early])).code).toBe(0);
  expect((await other.call(["vouch", await one.did("gate"), "--out", foreign])).code).toBe(0);
  expect((await other.call(["vouch", await one.did("one")])).code).toBe(2);
  expect(await ask(["--present", early, "--present", foreign], taking)).toBe(0);
  const junk = await one.call(["--identity", "one", "call", "echo", "--present", rules, "--", "true"]);
  expect([junk.code, junk.stderr]).toEqual([6, expect.stringContaining("something else than vouches")]);
});
