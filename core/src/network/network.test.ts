import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import { generateIdentity, type Identity, identityFromSeed } from "../did/identity.ts";
import { isPeerageError } from "../errors.ts";
import { issueKeyInit, issueProfile, issueRevocation, issueVouch, keyDigest, trustScore } from "../index.ts";
import type { Statement } from "../statement/types.ts";
import {
  CompactRange,
  leafHash,
  LogForkedError,
  noteSignerFromSeed,
  ProofBuilder,
  signCheckpoint,
  type SignedCheckpoint,
  tileRoot,
  TILE_WIDTH,
  verifyCheckpoint,
} from "../tlog/index.ts";
import type { Verified } from "../verified.ts";
import { concat } from "../encoding/bytes.ts";
import { Network } from "./network.ts";
import type { LogLeaf, RegistryReader } from "./reader.ts";
import { StatementSet } from "./statement-set.ts";
import { View } from "./view.ts";

const t0 = Date.parse("2026-11-20T12:00:00Z") / 1000;
const seconds = (t: number) => new Date(t * 1000);
const alice = identityFromSeed(new Uint8Array(32).fill(1));
const bob = identityFromSeed(new Uint8Array(32).fill(2));
const carol = identityFromSeed(new Uint8Array(32).fill(3));

const vouch = (from: Identity, to: Identity, validFrom = t0, more: object = {}) =>
  issueVouch(from, { subject: to.did, scope: ["tools"], confidence: 80, validFrom: seconds(validFrom), ...more });

/** A log with real keys, held in memory. It signs whatever it is told to, so it can also lie. */
class MemoryLog implements RegistryReader {
  readonly origin = "log.test/peerage";
  readonly log = noteSignerFromSeed(this.origin, 1, new Uint8Array(32).fill(21));
  readonly witness = noteSignerFromSeed(`${this.origin}/witness`, 4, new Uint8Array(32).fill(22));
  readonly logKey = this.log.key;
  leavesOf: Uint8Array[] = [];
  published: Verified<SignedCheckpoint>[] = [];

  append(...statements: readonly Statement[]): void {
    this.leavesOf.push(...statements.map((s) => s.bytes));
  }

  async publish(time: number, leaves = this.leavesOf): Promise<void> {
    const range = CompactRange.empty();
    for (const leaf of leaves) range.append(leafHash(leaf));
    const head = { origin: this.origin, size: range.size, root: range.root() };
    const note = await signCheckpoint(head, { log: this.log, witness: this.witness, now: seconds(time) });
    const policy = { origin: this.origin, logKey: this.logKey, operatorWitness: this.witness.key };
    this.published.push(await verifyCheckpoint(note, policy, { now: seconds(time) }));
  }

  async checkpoint(): Promise<Verified<SignedCheckpoint>> {
    return this.published.at(-1)!;
  }

  async *checkpoints(after: number, upTo: number): AsyncGenerator<Verified<SignedCheckpoint>> {
    for (const c of this.published) if (c.size > after && c.size <= upTo) yield c;
  }

  async *leaves(from: number, to: number): AsyncGenerator<LogLeaf> {
    for (let index = from; index < to; index++) yield { index, leaf: this.leavesOf[index]! };
  }

  consistencyProof(from: number, to: number): Promise<readonly Uint8Array[]> {
    return new ProofBuilder((...at) => this.tile(...at)).consistency(from, to);
  }

  async tile(level: number, n: number, width: number): Promise<Uint8Array> {
    if (level === 0) {
      return concat(...this.leavesOf.slice(n * TILE_WIDTH, n * TILE_WIDTH + width).map(leafHash));
    }
    const below = Array.from({ length: width }, (_, i) => this.tile(level - 1, n * TILE_WIDTH + i, TILE_WIDTH));
    return concat(...(await Promise.all(below)).map(tileRoot));
  }
}

async function codeOf(action: Promise<unknown>): Promise<string | undefined> {
  try {
    await action;
    return undefined;
  } catch (error) {
    if (!isPeerageError(error)) throw error;
    return error.code;
  }
}

function viewOf(statements: readonly Verified<Statement>[], time = t0, logged: (i: number) => number = () => t0): View {
  const set = new StatementSet();
  statements.forEach((statement, index) => set.add({ statement, index, time: logged(index) }));
  const head = { origin: "test", size: statements.length, root: new Uint8Array(32), witnessed: false, note: "" };
  return new View(set, { ...head, time });
}

const score = (view: View, scope = "tools") =>
  trustScore(view.graph(scope), { roots: [alice.did], target: bob.did }).score;

describe("what counts", () => {
  it("A-STMT-01 a revoked vouch stays revoked however often it is posted again", async () => {
    const given = await vouch(alice, bob);
    const revocation = await issueRevocation(alice, { revokes: "statement", target: given.id, now: seconds(t0) });
    expect(score(viewOf([given]))).toBeCloseTo(0.8);
    expect(score(viewOf([given, revocation]))).toBe("unknown");
    expect(score(viewOf([given, revocation, given]))).toBe("unknown");
    expect(viewOf([given, revocation]).vouch(given.id)).toMatchObject({ status: "revoked", scopes: [] });
  });

  it("A-STMT-08 a revocation by anyone else changes nothing; one that comes first waits for its target", async () => {
    const given = await vouch(alice, bob);
    const foreign = await issueRevocation(carol, { revokes: "statement", target: given.id, now: seconds(t0) });
    const own = await issueRevocation(alice, { revokes: "statement", target: given.id, now: seconds(t0) });
    expect(score(viewOf([given, foreign]))).toBeCloseTo(0.8);
    expect(score(viewOf([own, given]))).toBe("unknown");
  });

  it("A-STMT-01 revoking a subject voids what was given before and not what is given after", async () => {
    const old = await vouch(alice, bob, t0 - 100);
    const revocation = await issueRevocation(alice, { revokes: "subject", target: bob.did, now: seconds(t0) });
    const fresh = await vouch(alice, bob, t0 + 1, { confidence: 40 });
    expect(score(viewOf([old, revocation]))).toBe("unknown");
    expect(score(viewOf([revocation, old, fresh], t0 + 2))).toBeCloseTo(0.4);
  });

  it("A-TRUST-06 an expired or burnt vouch is not counted, whatever came when", async () => {
    const given = await vouch(alice, bob, t0, { validUntil: seconds(t0 + 100) });
    expect(score(viewOf([given], t0 + 99))).toBeCloseTo(0.8);
    expect(score(viewOf([given], t0 + 100))).toBe("unknown");
    const burn = await issueRevocation(bob, { revokes: "self", now: seconds(t0) });
    expect(score(viewOf([given, burn]))).toBe("unknown");
    expect(viewOf([burn]).keyState(bob.did).status).toBe("burnt");
    expect(score(viewOf([given, burn], t0, (i) => (i === 1 ? t0 + 50 : t0)))).toBeCloseTo(0.8);
  });

  it("A-STMT-06 the newest vouch of a pair counts once; two different ones of one second cancel out", async () => {
    const first = await vouch(alice, bob, t0 - 10);
    const second = await vouch(alice, bob, t0, { confidence: 30 });
    const rival = await vouch(alice, bob, t0, { confidence: 31 });
    expect(score(viewOf([first, second]))).toBeCloseTo(0.3);
    expect(viewOf([first, second]).vouch(first.id)?.status).toBe("superseded");
    expect(score(viewOf([second, rival]))).toBe("unknown");
    expect(viewOf([second, rival]).vouch(rival.id)?.status).toBe("conflicting");
  });

  it("A-STMT-07 a vouch counts in the scopes that it names and in no other", async () => {
    const view = viewOf([await vouch(alice, bob, t0, { scope: ["code", "general"] })]);
    expect(score(view, "code")).toBeCloseTo(0.8);
    expect(score(view, "payments")).toBe("unknown");
    expect([...view.scopes().keys()]).toEqual(["code", "general"]);
  });

  it("A-STMT-10 two first key events of one time freeze the agent; a later second one is void", async () => {
    const given = await vouch(alice, bob);
    const digest = (n: number) => keyDigest(identityFromSeed(new Uint8Array(32).fill(n)).did.slice(8) as never);
    const one = await issueKeyInit(bob, { next: digest(8), now: seconds(t0) });
    const two = await issueKeyInit(bob, { next: digest(9), now: seconds(t0) });
    expect(score(viewOf([given, one]))).toBeCloseTo(0.8);
    expect(score(viewOf([given, one, two]))).toBe("unknown");
    expect(score(viewOf([given, one, two], t0 + 9, (i) => t0 + i))).toBeCloseTo(0.8);
  });

  it("A-TRUST-06 the answer does not depend on the order or number of arrivals", async () => {
    const given = await vouch(alice, bob, t0 - 10);
    const all: Verified<Statement>[] = [
      given,
      await vouch(alice, bob, t0, { confidence: 55 }),
      await vouch(alice, carol),
      await vouch(carol, bob, t0, { confidence: 60 }),
      await issueRevocation(alice, { revokes: "statement", target: given.id, now: seconds(t0) }),
      await issueProfile(bob, { role: "agent", now: seconds(t0) }),
    ];
    const expected = score(viewOf(all));
    expect(expected).toBeGreaterThan(0.5);
    fc.assert(
      fc.property(
        fc.shuffledSubarray(all, { minLength: all.length }),
        fc.array(fc.nat(all.length - 1)),
        (order, again) => {
          expect(score(viewOf([...order, ...again.map((i) => all[i]!)]))).toBe(expected);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("following a log", () => {
  async function honestLog() {
    const log = new MemoryLog();
    log.append(await vouch(alice, bob), await vouch(alice, carol));
    await log.publish(t0);
    return { log, network: await Network.open({ reader: log, now: () => seconds(t0) }) };
  }

  it("gives every statement the time of the first checkpoint that covers it", async () => {
    const { log, network } = await honestLog();
    log.append(await vouch(carol, bob));
    await log.publish(t0 + 10);
    log.append(await issueProfile(bob, { role: "agent", now: seconds(t0) }));
    await log.publish(t0 + 20);
    const view = await network.refresh();
    expect(view.size).toBe(4);
    expect(view.agent(bob.did)?.received.map((v) => v.time)).toEqual([t0, t0 + 10]);
    expect(view.agent(bob.did)?.profile?.time).toBe(t0 + 20);
    const late = await Network.open({ reader: log, now: () => seconds(t0 + 30) });
    expect(late.view.agent(bob.did)?.received.map((v) => v.time)).toEqual([t0, t0 + 10]);
  });

  it("A-LOG-02 stops on the last good view when the log is rewritten, with evidence to show", async () => {
    const { log, network } = await honestLog();
    log.leavesOf = [(await vouch(alice, bob, t0, { confidence: 1 })).bytes, ...log.leavesOf.slice(1)];
    await log.publish(t0 + 10);
    await expect(network.refresh()).rejects.toBeInstanceOf(LogForkedError);
    log.append(await vouch(carol, bob));
    await log.publish(t0 + 20);
    await expect(network.refresh()).rejects.toBeInstanceOf(LogForkedError);
    expect(network.view.size).toBe(2);
    expect(score(network.view)).toBeCloseTo(0.8);
  });

  it("A-LOG-01 refuses leaves that are not those under the signed root", async () => {
    const { log, network } = await honestLog();
    log.append(await vouch(carol, bob));
    await log.publish(t0 + 10);
    const honest = log.leavesOf;
    for (const lie of [
      [...honest.slice(0, 2), (await vouch(bob, carol)).bytes],
      [honest[0]!, honest[2]!, honest[1]!],
    ]) {
      log.leavesOf = lie;
      expect(await codeOf(network.refresh())).toMatch(/^ERR_(REGISTRY_RESPONSE|CONSISTENCY_INVALID)$/);
      expect(network.view.size).toBe(2);
    }
    log.leavesOf = honest;
    expect((await network.refresh()).size).toBe(3);
  });

  it("A-LOG-03 keeps the last good view when an older checkpoint is served, and its age grows", async () => {
    const { log } = await honestLog();
    log.append(await vouch(carol, bob));
    await log.publish(t0 + 10);
    let now = t0 + 10;
    const network = await Network.open({ reader: log, now: () => seconds(now) });
    log.published.push(log.published[0]!);
    now += 1_000;
    expect((await network.refresh()).size).toBe(3);
    expect(network.ageSeconds()).toBe(1_000);
  });

  it("A-TRUST-07 counts a leaf that does not verify for nothing, and says so", async () => {
    const { log, network } = await honestLog();
    const genuine = await vouch(carol, bob, t0, { confidence: 90 });
    const forged = new TextEncoder().encode(new TextDecoder().decode(genuine.bytes).replace(":90", ":99"));
    log.leavesOf.push(forged);
    await log.publish(t0 + 10);
    const view = await network.refresh();
    expect(network.rejected).toEqual([{ index: 2, code: "ERR_STATEMENT_INVALID" }]);
    expect(view.agent(bob.did)?.received).toHaveLength(1);
    log.append(genuine);
    await log.publish(t0 + 20);
    expect((await network.refresh()).agent(bob.did)?.received).toHaveLength(2);
  });

  it("shows an agent that only appears as a stranger as unknown", async () => {
    const { network } = await honestLog();
    expect(network.view.agent(generateIdentity().did)).toBeUndefined();
  });
});
