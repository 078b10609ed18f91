import { describe, expect, it } from "vitest";
import { parseCallProof, signCall } from "../call/proof.ts";
import { keyIdOf, multibaseOf } from "../did/did-key.ts";
import { generateIdentity, type Identity, identityFromSeed } from "../did/identity.ts";
import { isPeerageError } from "../errors.ts";
import { parseEntry, signEntry } from "../history/entry.ts";
import { digest } from "../json/digest.ts";
import {
  issueKeyInit,
  issueKeyRecover,
  issueKeyRevoke,
  issueKeyRotate,
  issueProfile,
  issueReport,
  issueRevocation,
  issueVouch,
} from "../statement/issue.ts";
import { keyDigest } from "../statement/key-event.ts";
import type { KeyEvent, Statement } from "../statement/types.ts";
import { verifyStatement } from "../statement/verify.ts";
import { trustScore } from "../index.ts";
import type { Verified } from "../verified.ts";
import { checkSigningKey } from "./key-state.ts";
import { StatementSet } from "./statement-set.ts";
import { View } from "./view.ts";

const DAY = 86_400;
const t0 = Date.parse("2026-11-20T12:00:00Z") / 1000;
const seconds = (t: number) => new Date(t * 1000);
const seed = (n: number) => new Uint8Array(32).fill(n);
/** The agent as it signs with its nth key; the first names it. */
const agent = (n: number): Identity => identityFromSeed(seed(n), { did: identityFromSeed(seed(1)).did });
const commitment = (n: number) => keyDigest(multibaseOf(identityFromSeed(seed(n)).did));
const recoverySet = (...seeds: number[]) => ({ threshold: 2, keys: seeds.map(commitment) });
const root = generateIdentity();
const friend = generateIdentity();

/** A log: what was witnessed when. */
type Timeline = readonly (readonly [time: number, statement: Verified<Statement>])[];

function viewAt(time: number, timeline: Timeline): View {
  const set = new StatementSet();
  timeline.forEach(([at, statement], index) => set.add({ statement, index, time: at }));
  const head = { origin: "test", size: timeline.length, root: new Uint8Array(32), witnessed: false, note: "" };
  return new View(set, { ...head, time });
}

const vouch = (from: Identity, to: Identity["did"], at: number, more: object = {}) =>
  issueVouch(from, { subject: to, scope: ["tools"], confidence: 80, validFrom: seconds(at), ...more });
const start = (more: object = {}) =>
  issueKeyInit(agent(1), { next: commitment(2), recovery: recoverySet(11, 12, 13), now: seconds(t0), ...more });
const rotate = (to: number, prev: KeyEvent, at: number, more: object = {}) =>
  issueKeyRotate(agent(to), { prev, next: commitment(to + 1), now: seconds(at), ...more });
const recover = (to: number, prev: KeyEvent, at: number, more: object = {}) =>
  issueKeyRecover(agent(to), [agent(11), agent(13)], { prev, next: commitment(to + 1), now: seconds(at), ...more });
const scoreOf = (view: View) => trustScore(view.graph("tools"), { roots: [root.did], target: friend.did }).score;

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (!isPeerageError(error)) throw error;
    return error.code;
  }
}

describe("a key that rotates", () => {
  it("keeps the name and what it has, and speaks with the new key from the witnessed time on", async () => {
    const init = await start();
    const next = await rotate(2, init, t0 + 10);
    const timeline: Timeline = [
      [t0, init],
      [t0, await vouch(root, agent(1).did, t0)],
      [t0 + 5, await vouch(agent(1), friend.did, t0)],
      [t0 + 10, next],
      [t0 + 20, await issueProfile(agent(2), { role: "server", now: seconds(t0 + 20) })],
    ];
    expect(scoreOf(viewAt(t0 + 30, timeline))).toBeGreaterThan(0.4);
    const state = viewAt(t0 + 30, timeline).keyState(agent(1).did);
    expect(state).toMatchObject({ status: "active", current: multibaseOf(identityFromSeed(seed(2)).did), seq: 1 });
    expect(viewAt(t0 + 9, timeline).keyState(agent(1).did).current).toBe(multibaseOf(agent(1).did));
    expect(viewAt(t0 + 30, timeline).agent(agent(1).did)?.profile?.statement.role).toBe("server");
  });

  it("A-STMT-12 log time decides: a retired key cannot date a statement back, what it said in its time stays", async () => {
    const init = await start();
    const early = await vouch(agent(1), friend.did, t0);
    const late = await vouch(agent(1), friend.did, t0 + 1, { confidence: 99 });
    const forged = await vouch(agent(2), friend.did, t0 + 2, { confidence: 98 });
    const timeline: Timeline = [
      [t0, await vouch(root, agent(1).did, t0)],
      [t0, init],
      [t0 + 5, early],
      [t0 + 9, forged],
      [t0 + 10, await rotate(2, init, t0 + 10)],
      [t0 + 10, late],
    ];
    const view = viewAt(t0 + 20, timeline);
    expect(view.vouch(early.id)?.status).toBe("in-force");
    expect(view.vouch(late.id)?.status).toBe("wrong-key");
    expect(view.vouch(forged.id)?.status).toBe("wrong-key");
    // The same document by the key that stands: one statement, and it counts.
    const genuine = await vouch(agent(2), friend.did, t0 + 1, { confidence: 99 });
    expect(genuine.id).toBe(late.id);
    expect(viewAt(t0 + 20, [...timeline, [t0 + 15, genuine]]).vouch(genuine.id)?.status).toBe("in-force");
  });

  it("A-STMT-12 a revoked or burnt key says nothing more, and a burn by a retired key burns nobody", async () => {
    const init = await start();
    const revoked = await issueKeyRevoke(agent(1), { prev: init, now: seconds(t0 + 10) });
    const after = await vouch(agent(1), friend.did, t0 + 1);
    const suspended = viewAt(t0 + 20, [
      [t0, init],
      [t0 + 10, revoked],
      [t0 + 11, after],
    ]);
    expect(suspended.keyState(agent(1).did)).toMatchObject({ status: "suspended", since: t0 + 10 });
    expect(suspended.vouch(after.id)?.status).toBe("wrong-key");
    const own = multibaseOf(agent(1).did);
    expect(suspended.keyLostSince(agent(1).did, own)).toBe(t0 + 10);
    expect(viewAt(t0 + 9, [[t0, init]]).keyLostSince(agent(1).did, own)).toBeUndefined();
    const resumed = await rotate(2, revoked, t0 + 30);
    const whole: Timeline = [
      [t0, init],
      [t0 + 10, revoked],
      [t0 + 11, after],
      [t0 + 30, resumed],
    ];
    expect(viewAt(t0 + 40, whole).keyState(agent(1).did).status).toBe("active");
    expect(viewAt(t0 + 40, whole).vouch(after.id)?.status).toBe("wrong-key");

    const burn = await issueRevocation(agent(1), { revokes: "self", now: seconds(t0 + 5) });
    expect(viewAt(t0 + 40, [...whole, [t0 + 31, burn]]).keyState(agent(1).did).status).toBe("active");
    // Of one that goes on with another key, the first is a retired one.
    expect(viewAt(t0 + 40, whole).keyLostSince(agent(1).did, own)).toBeUndefined();
    const end = await issueRevocation(agent(2), { revokes: "self", now: seconds(t0 + 35) });
    expect(viewAt(t0 + 40, [...whole, [t0 + 35, end]]).keyState(agent(1).did).status).toBe("burnt");
  });

  it("A-STMT-12 a suspended key stays lost when a recovery key burns the agent afterwards; a retired one is none", async () => {
    const init = await start({ recovery: { threshold: 1, keys: [commitment(11)] } });
    const rotated = await rotate(2, init, t0 + 5);
    const revoked = await issueKeyRevoke(agent(2), { prev: rotated, now: seconds(t0 + 10) });
    const burn = await issueRevocation(agent(11), { revokes: "self", now: seconds(t0 + 20) });
    const view = viewAt(t0 + 30, [
      [t0, init],
      [t0 + 5, rotated],
      [t0 + 10, revoked],
      [t0 + 20, burn],
    ]);
    expect(view.keyState(agent(1).did)).toMatchObject({ status: "burnt", since: t0 + 20 });
    const lostSince = (n: number): number | undefined =>
      view.keyLostSince(agent(1).did, multibaseOf(identityFromSeed(seed(n)).did));
    expect([lostSince(1), lostSince(2)]).toEqual([undefined, t0 + 10]);
  });
});

describe("a thief of keys", () => {
  it("A-STMT-09 cannot rotate the owner out with the current key, a wrong prev, or another's event", async () => {
    const init = await start();
    const events = [
      await issueKeyRotate(agent(9), { prev: init, next: commitment(8), now: seconds(t0 + 1) }),
      await rotate(2, { ...init, id: digest("another") }, t0 + 1),
      await rotate(2, { ...init, seq: 1 }, t0 + 1),
      await issueKeyRotate(generateIdentity(), { prev: init, next: commitment(8), now: seconds(t0 + 1) }),
      await issueKeyRecover(agent(9), [agent(11)], { prev: init, next: commitment(8), now: seconds(t0 + 1) }),
      await issueKeyRecover(agent(9), [agent(11), agent(14)], {
        prev: init,
        next: commitment(8),
        now: seconds(t0 + 1),
      }),
      await issueKeyRevoke(agent(9), { prev: init, compromisedSince: seconds(t0), now: seconds(t0 + 1) }),
    ];
    for (const event of events) {
      const state = viewAt(t0 + 5, [
        [t0, init],
        [t0 + 1, event],
      ]).keyState(agent(1).did);
      expect(state).toMatchObject({ status: "active", events: 1, current: multibaseOf(agent(1).did) });
    }
    // Unsigned, the flag does not verify at all.
    const revoke = await issueKeyRevoke(agent(1), { prev: init, compromisedSince: seconds(t0), now: seconds(t0 + 1) });
    const text = new TextDecoder().decode(revoke.bytes).replace('12:00:00Z","type', '11:00:00Z","type');
    await expect(verifyStatement(text)).rejects.toMatchObject({ code: "ERR_STATEMENT_INVALID" });
    // The honest rotation beside them works, and undoes a suspension by the thief.
    const honest = await rotate(2, init, t0 + 3);
    const both = viewAt(t0 + 5, [
      [t0, init],
      [t0 + 1, revoke],
      [t0 + 3, honest],
    ]);
    expect(both.keyState(agent(1).did)).toMatchObject({ status: "active", seq: 1 });
  });

  it("A-STMT-10 with the committed key disputes the agent until it recovers; a retired or foreign key cannot", async () => {
    const init = await start();
    const given = await vouch(agent(1), friend.did, t0);
    const base: Timeline = [
      [t0, await vouch(root, agent(1).did, t0)],
      [t0, init],
      [t0 + 1, given],
    ];
    const one = await rotate(2, init, t0 + 10);
    const two = await issueKeyRotate(agent(2), { prev: init, next: commitment(9), now: seconds(t0 + 20) });
    const disputed: Timeline = [...base, [t0 + 10, one], [t0 + 20, two]];
    expect(scoreOf(viewAt(t0 + 19, disputed))).toBeGreaterThan(0.4);
    expect(viewAt(t0 + 20, disputed).keyState(agent(1).did)).toMatchObject({ status: "disputed", since: t0 + 20 });
    expect(scoreOf(viewAt(t0 + 20, disputed))).toBe("unknown");
    const recovered = await recover(5, one, t0 + 30);
    const healed = viewAt(t0 + 40, [...disputed, [t0 + 30, recovered]]);
    expect(healed.keyState(agent(1).did)).toMatchObject({ status: "active", last: recovered.id });
    expect(scoreOf(healed)).toBeGreaterThan(0.4);

    const three = await rotate(3, one, t0 + 15);
    const late = viewAt(t0 + 40, [...base, [t0 + 10, one], [t0 + 15, three], [t0 + 20, two]]);
    expect(late.keyState(agent(1).did)).toMatchObject({ status: "active", last: three.id });
  });

  it("A-STMT-11 with the next key loses to a recovery in the window; the set it brought waits 7 days", async () => {
    const init = await start();
    const theft = await rotate(2, init, t0 + DAY, { recovery: { threshold: 1, keys: [commitment(21)] } });
    const byThief = await issueKeyRecover(agent(22), [agent(21)], {
      prev: theft,
      next: commitment(23),
      now: seconds(t0 + 2 * DAY),
    });
    const stolen: Timeline = [
      [t0, init],
      [t0 + DAY, theft],
      [t0 + 2 * DAY, byThief],
    ];
    expect(viewAt(t0 + 2 * DAY, stolen).keyState(agent(1).did)).toMatchObject({ last: theft.id, pendingRecovery: {} });
    const rescue = await recover(5, init, t0 + 8 * DAY, { compromisedSince: seconds(t0 + DAY) });
    const mine = viewAt(t0 + 8 * DAY, [...stolen, [t0 + 8 * DAY, rescue]]).keyState(agent(1).did);
    expect(mine).toMatchObject({ status: "active", last: rescue.id, compromises: 1 });
    const tooLate = viewAt(t0 + 9 * DAY, [...stolen, [t0 + 8 * DAY + 1, rescue]]).keyState(agent(1).did);
    expect(tooLate.last).toBe(theft.id);
    // A burn is undone in the same window, and no later.
    const burn = await issueRevocation(agent(1), { revokes: "self", now: seconds(t0 + 1) });
    const back = await recover(6, init, t0 + 7 * DAY);
    for (const [at, status] of [
      [t0 + 7 * DAY + 1, "active"],
      [t0 + 7 * DAY + 2, "burnt"],
    ] as const) {
      const view = viewAt(t0 + 8 * DAY, [
        [t0, init],
        [t0 + 1, burn],
        [at, back],
      ]);
      expect(view.keyState(agent(1).did).status).toBe(status);
    }
  });

  it("A-STMT-13 bounds a declared compromise to 30 days, voids what was given, and holds back what was received", async () => {
    const init = await start();
    const at = t0 + 60 * DAY;
    const old = await vouch(agent(1), friend.did, t0);
    const recent = await vouch(agent(1), root.did, at - 5 * DAY);
    const asked = await vouch(root, agent(1).did, at - 5 * DAY);
    const taken = await issueRevocation(agent(1), { revokes: "statement", target: old.id, now: seconds(at - 5 * DAY) });
    const next = await rotate(2, init, at, { compromisedSince: seconds(t0 - 300 * DAY) });
    const timeline: Timeline = [
      [t0, init],
      [at - 31 * DAY, old],
      [at - 5 * DAY, recent],
      [at - 5 * DAY, asked],
      [at, next],
    ];
    const view = viewAt(at + 1, timeline);
    expect(view.vouch(old.id)?.status).toBe("in-force");
    expect(view.vouch(recent.id)?.status).toBe("compromised");
    expect(view.vouch(asked.id)?.status).toBe("quarantined");
    expect(view.keyState(agent(1).did).compromises).toBe(1);
    const again = await vouch(root, agent(1).did, at + 10);
    expect(viewAt(at + 20, [...timeline, [at + 11, again]]).vouch(again.id)?.status).toBe("in-force");
    // To trust less is never undone: a revocation from the doubtful time stands.
    expect(viewAt(at + 1, [...timeline, [at - 5 * DAY, taken]]).vouch(old.id)?.status).toBe("revoked");
  });
});

describe("reports", () => {
  it("A-STMT-13 A-TRUST-05 stand beside vouches, one for each issuer and evidence, and change no score", async () => {
    const evidence = [digest("a receipt")];
    const about = (more: object = {}) =>
      issueReport(root, { subject: friend.did, category: "malware", evidence, now: seconds(t0), ...more });
    const first = await about();
    const timeline: Timeline = [
      [t0, await vouch(root, friend.did, t0)],
      [t0, first],
      [t0 + 1, await about({ category: "spam", now: seconds(t0 - 50 * DAY) })],
      [t0 + 1, first],
    ];
    const view = viewAt(t0 + 5, timeline);
    expect(scoreOf(view)).toBeCloseTo(0.8);
    expect(view.agent(friend.did)?.reports.map(({ statement }) => statement.id)).toEqual([first.id]);
    const withdrawal = await issueRevocation(root, { revokes: "statement", target: first.id, now: seconds(t0 + 2) });
    const [shown] = viewAt(t0 + 5, [...timeline, [t0 + 2, withdrawal]]).agent(friend.did)!.reports;
    expect(shown?.withdrawnBy?.statement.id).toBe(withdrawal.id);
  });
});

describe("calls and entries after a rotation", () => {
  it("A-SESS-06 are signed by the key that stands, and by no retired, revoked or foreign one", async () => {
    const init = await start();
    const timeline: Timeline = [
      [t0, init],
      [t0 + 10, await rotate(2, init, t0 + 10)],
    ];
    const view = viewAt(t0 + 20, timeline);
    const keysOf = view.keysOf.bind(view);
    const call = (n: number) =>
      signCall(agent(n), { audience: "https://host/mcp", message: { method: "ping" }, now: seconds(t0 + 20) });
    const current = parseCallProof(await call(2), { keysOf });
    expect(current).toMatchObject({ issuer: agent(1).did, kid: agent(2).kid });
    const state = view.keyState(agent(1).did);
    checkSigningKey(current.kid, state);
    expect(codeOf(() => checkSigningKey(keyIdOf(agent(1).did), state))).toBe("ERR_KEY_SUPERSEDED");
    // Without a followed log the first key is the only one, and a stranger's is nobody's.
    const rotated = await call(2);
    expect(codeOf(() => parseCallProof(rotated))).toBe("ERR_PROOF_MALFORMED");
    const stranger = await call(9);
    expect(codeOf(() => parseCallProof(stranger, { keysOf }))).toBe("ERR_PROOF_MALFORMED");
    const revoked = await issueKeyRevoke(agent(2), { prev: timeline[1]![1] as KeyEvent, now: seconds(t0 + 30) });
    const after = viewAt(t0 + 40, [...timeline, [t0 + 30, revoked]]).keyState(agent(1).did);
    expect(codeOf(() => checkSigningKey(current.kid, after))).toBe("ERR_KEY_REVOKED");

    const entry = await signEntry(agent(2), {
      run: "AAAAAAAAAAAAAAAAAAAAAA",
      prev: [],
      step: "test",
      result: "passed",
    });
    expect(parseEntry(entry, { keysOf }).issuer).toBe(agent(1).did);
    // The cache remembers that the signature holds, and nothing about whose key it is.
    expect(codeOf(() => parseEntry(entry))).toBe("ERR_PROOF_MALFORMED");
  });
});
