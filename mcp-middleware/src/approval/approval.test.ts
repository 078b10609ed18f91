import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Did,
  generateIdentity,
  type Identity,
  type JsonObject,
  member,
  parseEntry,
  signEntry,
  tokenDigest,
} from "@peerage/core";
import Database from "better-sqlite3";
import { afterEach, describe, expect, it } from "vitest";
import { HISTORY_META, policyOf, replyOf, scene, signed, stdio, verdict } from "../../../test/_guard.ts";
import { AuditLog } from "../audit/audit-log.ts";
import { AuditReader } from "../audit/reader.ts";
import { verifyAudit } from "../audit/verify.ts";
import type { GuardOptions } from "../guard/guard.ts";
import { receiptOf } from "../guard/results.ts";
import { ApprovalStore } from "./approval-store.ts";
import { type ApprovalItem, signAnswer } from "./item.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanups.splice(0).reverse()) await cleanUp();
});

const START = Date.parse("2026-11-20T12:00:00Z");

interface Desk {
  readonly guard: ReturnType<typeof scene>["guard"];
  readonly caller: Identity;
  readonly alice: Identity;
  readonly bob: Identity;
  readonly store: () => ApprovalStore;
  readonly path: string;
  readonly identity: Identity;
  /** Moves the clock, in seconds since the start. */
  readonly at: (seconds: number) => void;
  readonly now: () => Date;
  /** A signed call of `refund`. */
  readonly refund: (
    args?: JsonObject,
    options?: { by?: Identity; tool?: string; history?: readonly string[] },
  ) => Promise<JsonObject>;
  readonly ask: (args?: JsonObject, options?: { by?: Identity }) => Promise<string>;
  /** The one open item. */
  readonly item: () => ApprovalItem;
  readonly answer: (by: Identity, result?: "approved" | "denied", item?: ApprovalItem) => Promise<ApprovalItem>;
  /** A second guard process on the same file. */
  readonly restart: (options?: Partial<GuardOptions>) => ReturnType<typeof scene>["guard"];
}

function desk(approval: JsonObject = {}, options: Partial<GuardOptions> = {}): Desk {
  const folder = mkdtempSync(join(tmpdir(), "peerage-approval-"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "audit.db");
  const [identity, caller, alice, bob] = [
    generateIdentity(),
    generateIdentity(),
    generateIdentity(),
    generateIdentity(),
  ];
  let seconds = 0;
  const now = (): Date => new Date(START + seconds * 1000);
  const policy = policyOf(
    [{ id: "refunds", tools: ["refund", "pay"], agents: "*", approval: { by: [alice.did, bob.did], ...approval } }],
    { open: true },
  );
  const restart: Desk["restart"] = (more = {}) => {
    const audit = new AuditLog({ path, identity, now });
    const made = scene({ identity, policy, audit, now, approvals: { waitSeconds: 0 }, ...options, ...more }).guard;
    cleanups.push(() => made[Symbol.asyncDispose]());
    return made;
  };
  const guard = restart();
  let store: ApprovalStore | undefined;
  const self: Desk = {
    guard,
    caller,
    alice,
    bob,
    path,
    identity,
    restart,
    now,
    at: (to) => (seconds = to),
    store: () => {
      if (!store) {
        const opened = (store = new ApprovalStore(path, { now }));
        cleanups.push(() => opened[Symbol.dispose]());
      }
      return store;
    },
    refund: async (args = { cents: 5 }, { by = caller, tool = "refund", history } = {}) => {
      const head = history ? tips(history) : undefined;
      const meta = history ? { [HISTORY_META]: [...history] } : {};
      return signed(
        by,
        guard.did,
        "tools/call",
        { name: tool, arguments: args },
        { now: now(), meta, ...(head ? { head } : {}) },
      );
    },
    ask: async (args, more) => verdict(guard.admit(await self.refund(args, more), stdio())),
    item: () => {
      const [item, ...rest] = self.store().list();
      if (!item || rest.length > 0) throw new Error("expected one open item");
      return self.store().show(item.id);
    },
    answer: async (by, result = "approved", item = self.item()) =>
      self.store().submit(item.id, await signAnswer(by, item, result, { now: now() })),
  };
  return self;
}

function tips(history: readonly string[]): `sha256:${string}`[] {
  const prev = new Set(history.flatMap((token) => parseEntry(token).prev));
  return history.map(tokenDigest).filter((digest) => !prev.has(digest));
}

describe("a call that a person must approve", () => {
  it("is asked about, approved in another process over the same file, and then runs once", async () => {
    const { guard, caller, alice, item, answer, ask, refund } = desk();
    const reply = await replyOf(guard.admit(await refund(), stdio()));
    const { id, request, state, caller: asker } = item();
    expect([state, asker]).toEqual(["open", caller.did]);
    expect(request).toEqual({ method: "tools/call", params: { name: "refund", arguments: { cents: 5 } } });
    expect(reply).toMatchObject({ result: { isError: true } });
    expect(JSON.stringify(member(reply, "result"))).toContain(`peerage approvals show ${id}`);
    const receipt = parseEntry(receiptOf(reply!));
    expect(receipt).toMatchObject({
      issuer: guard.did,
      step: "approval_request",
      result: "pending",
      audience: caller.did,
    });
    expect(await ask()).toBe("ERR_APPROVAL_REQUIRED");
    expect((await answer(alice)).state).toBe("approved");
    const admitted = await guard.admit(await refund(), stdio());
    expect(admitted).toMatchObject({ admitted: true, decision: { rule: "refunds" } });
    if (!admitted.admitted) throw new Error("refused");
    const settled = await guard.settle(admitted.decision, { jsonrpc: "2.0", id: 1, result: {} });
    expect(parseEntry(receiptOf(settled)).sub).toMatchObject({ used: [expect.stringMatching(/^sha256:/)] });
    expect(await ask()).toBe("ERR_APPROVAL_REQUIRED");
  });

  it("A-APPR-01 refuses a retry with the first proof, and keeps the approval for a proper one", async () => {
    const { guard, alice, answer, ask, refund } = desk();
    const first = await refund();
    expect(await verdict(guard.admit(first, stdio()))).toBe("ERR_APPROVAL_REQUIRED");
    await answer(alice);
    expect(await verdict(guard.admit(first, stdio()))).toBe("ERR_PROOF_REPLAYED");
    expect(await ask()).toBe("admitted");
  });

  it("A-APPR-02 takes other arguments or another tool for a new request; the approved one stays usable", async () => {
    const { guard, alice, caller, answer, ask, refund, now } = desk();
    await ask();
    await answer(alice);
    expect(await ask({ cents: 6 })).toBe("ERR_APPROVAL_REQUIRED");
    expect(await verdict(guard.admit(await refund({ cents: 5 }, { tool: "pay" }), stdio()))).toBe(
      "ERR_APPROVAL_REQUIRED",
    );
    const params = { name: "refund", arguments: { cents: 5 }, inputResponses: { other: { action: "accept" } } };
    const other = await signed(caller, guard.did, "tools/call", params, { now: now() });
    expect(await verdict(guard.admit(other, stdio()))).toBe("ERR_APPROVAL_REQUIRED");
    expect(await ask()).toBe("admitted");
  });

  it("A-APPR-03 admits exactly one of 50 parallel retries, also over two processes", async () => {
    const { guard, alice, answer, ask, refund, restart } = desk();
    await ask();
    await answer(alice);
    const other = restart();
    const messages = await Promise.all(Array.from({ length: 50 }, () => refund()));
    const verdicts = await Promise.all(
      messages.map((message, i) => verdict((i % 2 === 0 ? guard : other).admit(message, stdio()))),
    );
    expect(verdicts.filter((one) => one === "admitted")).toHaveLength(1);
    expect(new Set(verdicts)).toEqual(new Set(["admitted", "ERR_APPROVAL_REQUIRED"]));
  });

  it("A-APPR-04 A-APPR-05 takes no answer for another caller, guard, request or policy, nor by who may not give it", async () => {
    const { alice, caller, item, ask, now, store, answer } = desk();
    const stranger = generateIdentity();
    await ask();
    const open = item();
    const wrong: readonly (readonly [Identity, Partial<ApprovalItem>, string])[] = [
      [alice, { caller: stranger.did }, "caller"],
      [alice, { guard: stranger.did }, "guard"],
      [alice, { req: `sha256:${"0".repeat(64)}` }, "request"],
      [alice, { policy: `sha256:${"0".repeat(64)}` }, "policy"],
      [alice, { run: "A".repeat(22) }, "order"],
      [alice, { prev: [] }, "order"],
      [stranger, {}, "approver"],
      [caller, {}, "approver"],
    ];
    for (const [by, change, detail] of wrong) {
      const token = await signAnswer(by, { ...open, ...change }, "approved", { now: now() });
      expect(() => store().submit(open.id, token)).toThrow(
        expect.objectContaining({ code: "ERR_APPROVAL_INVALID", detail }),
      );
    }
    expect(() => store().submit(open.id, "x.y.z")).toThrow(expect.objectContaining({ detail: "signature" }));
    expect(() => store().submit("guessed", "x.y.z")).toThrow(expect.objectContaining({ code: "ERR_NOT_FOUND" }));
    expect(await ask()).toBe("ERR_APPROVAL_REQUIRED");
    await answer(alice);
    expect(await ask({ cents: 5 }, { by: stranger })).toBe("ERR_APPROVAL_REQUIRED");
    expect(await ask()).toBe("admitted");
  });

  it("A-APPR-05 takes no caller's own answer, where anybody else may give one", async () => {
    const { bob, caller, item, ask, answer } = desk({ by: "*" });
    await ask();
    const own = { code: "ERR_APPROVAL_INVALID", detail: "approver" };
    await expect(answer(caller)).rejects.toMatchObject(own);
    await expect(answer(caller, "denied")).rejects.toMatchObject(own);
    expect(item().answers).toEqual([]);
    await answer(bob);
    expect(await ask()).toBe("admitted");
  });

  it("A-APPR-04 refuses an approval of another caller that is presented as one's own", async () => {
    const { guard, alice, ask, item, refund, now } = desk();
    const stranger = generateIdentity();
    await ask({ cents: 5 }, { by: stranger });
    const token = await signEntry(alice, {
      run: "A".repeat(22),
      prev: [],
      step: "human_approval",
      result: "approved",
      req: item().req,
      aud: guard.did,
      sub: { caller: stranger.did },
      exp: Math.floor(now().getTime() / 1000) + 600,
      now: now(),
    });
    expect(await verdict(guard.admit(await refund({ cents: 5 }, { history: [token] }), stdio()))).toBe(
      "ERR_APPROVAL_INVALID",
    );
  });

  it("A-APPR-05 asks k of n for k distinct keys", async () => {
    const { alice, bob, answer, ask, item } = desk({ count: 2 });
    await ask();
    expect((await answer(alice)).state).toBe("open");
    expect((await answer(alice, "approved", item())).state).toBe("open");
    expect(await ask()).toBe("ERR_APPROVAL_REQUIRED");
    expect((await answer(bob)).state).toBe("approved");
    expect(await ask()).toBe("admitted");
  });

  it("A-APPR-05 counts no approval whose key was revoked meanwhile", async () => {
    const revoked = new Set<Did>();
    const keyState = (did: Did): "burnt" | "active" => (revoked.has(did) ? "burnt" : "active");
    const trust = { score: () => 1, keyState, ageSeconds: () => 0, maxAgeSeconds: 60 } as const;
    const { alice, bob, answer, ask } = desk({}, { trust });
    await ask();
    await answer(alice);
    revoked.add(alice.did);
    expect(await ask()).toBe("ERR_APPROVAL_INVALID");
    await answer(bob);
    expect(await ask()).toBe("admitted");
  });

  it("A-APPR-08 refuses an approval that has expired or lives too long, and lets a later denial win", async () => {
    const late = desk();
    await late.ask();
    await late.answer(late.alice);
    late.at(901);
    expect(await late.ask()).toBe("ERR_APPROVAL_EXPIRED");

    const long = desk();
    await long.ask();
    const { now } = long;
    const item = long.item();
    await expect(signAnswer(long.alice, item, "approved", { lifetimeSeconds: 86_401 })).rejects.toThrow(RangeError);
    const token = await signEntry(long.alice, {
      run: item.run,
      prev: item.prev,
      step: "human_approval",
      result: "approved",
      req: item.req,
      aud: item.guard,
      sub: { caller: item.caller, policy: item.policy },
      exp: Math.floor(now().getTime() / 1000) + 86_401,
      now: now(),
    });
    expect(() => long.store().submit(item.id, token)).toThrow(expect.objectContaining({ detail: "lifetime" }));

    const denied = desk({ timeout: "10m" });
    await denied.ask();
    const asked = denied.item();
    await denied.answer(denied.alice);
    expect((await denied.answer(denied.bob, "denied", asked)).state).toBe("denied");
    expect(await denied.ask()).toBe("ERR_APPROVAL_DENIED");
    denied.at(599);
    expect(await denied.ask()).toBe("ERR_APPROVAL_DENIED");
    denied.at(600);
    expect(await denied.ask()).toBe("ERR_APPROVAL_REQUIRED");
    await denied.answer(denied.alice);
    expect(await denied.ask()).toBe("admitted");
  });

  it("A-APPR-10 keeps the approval when nothing was sent, and when the guard is gone in between", async () => {
    const { guard, alice, answer, ask, refund, restart } = desk();
    await ask();
    await answer(alice);
    const lost = await guard.admit(await refund(), stdio());
    if (!lost.admitted) throw new Error("refused");
    guard.abandon(lost.decision, "unsent");
    await guard[Symbol.asyncDispose]();
    const next = restart();
    expect(await verdict(next.admit(await refund(), stdio()))).toBe("admitted");
    expect(await verdict(next.admit(await refund(), stdio()))).toBe("ERR_APPROVAL_REQUIRED");
  });

  it("A-APPR-09 joins equal questions and caps the open ones at 20 a caller", async () => {
    const { ask, store } = desk();
    for (let i = 0; i < 3; i++) await ask({ cents: 0 });
    expect(store().list()).toHaveLength(1);
    for (let cents = 1; cents < 20; cents++) expect(await ask({ cents })).toBe("ERR_APPROVAL_REQUIRED");
    expect(await ask({ cents: 20 })).toBe("ERR_RATE_LIMITED");
    expect(store().list()).toHaveLength(20);
    expect(await ask({ cents: 20 }, { by: generateIdentity() })).toBe("ERR_APPROVAL_REQUIRED");
  });

  it("records a question, its answer and a timeout as signed entries in the audit log", async () => {
    const { guard, alice, answer, ask, at, path } = desk({ timeout: "10m" });
    await ask({ cents: 1 });
    await answer(alice);
    await ask({ cents: 2 });
    at(601);
    await ask({ cents: 3 });
    await guard[Symbol.asyncDispose]();
    expect((await verifyAudit(path)).defect).toBeUndefined();
    using reader = new AuditReader(path);
    const events = [...reader.records()].flatMap((record) => (record.kind === "approval" ? [record] : []));
    expect(events.map(({ event }) => event)).toEqual(["asked", "approved", "asked", "timeout", "asked"]);
    expect(events[1]?.by).toBe(alice.did);
    const timeout = parseEntry(reader.entry(events[3]!.entry));
    expect(timeout).toMatchObject({ issuer: guard.did, step: "approval_request", result: "timeout" });
  });

  it("A-APPR-09 shows no request that was swapped under its digest, and keeps the file private", async () => {
    const { ask, item, store, path } = desk();
    await ask();
    const { id } = item();
    for (const suffix of ["", "-wal"]) expect(statSync(path + suffix).mode & 0o077).toBe(0);
    const database = new Database(path);
    database.prepare("UPDATE item SET request = replace(request, '5', '6') WHERE id = ?").run(id);
    database.close();
    expect(() => store().show(id)).toThrow(expect.objectContaining({ code: "ERR_STORE_CORRUPT" }));
  });

  it("forgets the arguments of a request once it is closed", async () => {
    const { alice, answer, ask, item, store } = desk();
    await ask({ cents: 1 });
    const { id } = item();
    await answer(alice, "denied");
    expect(store().show(id)).toMatchObject({ state: "denied" });
    expect(store().show(id).request).toBeUndefined();
  });

  it("is refused where no audit log is there, and admitted under no presented approval alone", async () => {
    const { alice, refund, guard, now, identity } = desk();
    await guard.admit(await refund(), stdio());
    const policy = policyOf([{ tools: "refund", agents: "*", approval: { by: alice.did } }]);
    const bare = scene({ identity, policy, now }).guard;
    expect(await replyOf(bare.admit(await refund(), stdio()))).toMatchObject({ result: { isError: true } });
    expect(await verdict(bare.admit(await refund(), stdio()))).toBe("ERR_APPROVAL_REQUIRED");
  });

  it("waits for an answer when it is repeated, and runs as soon as there is one", async () => {
    const { guard, alice, answer, ask, refund } = desk({}, { approvals: { waitSeconds: 50 } });
    await ask();
    const waiting = guard.admit(await refund(), stdio());
    await answer(alice);
    expect(await verdict(waiting)).toBe("admitted");
  });

  it("ends the wait when the call is cancelled, and does not make it any more", async () => {
    const { guard, alice, answer, ask, refund } = desk({}, { approvals: { waitSeconds: 50 } });
    await ask();
    const abort = new AbortController();
    const waiting = guard.admit(await refund(), { ...stdio(), signal: abort.signal });
    abort.abort();
    expect(await verdict(waiting)).toBe("ERR_APPROVAL_REQUIRED");
    await answer(alice);
    expect(await ask()).toBe("admitted");
  });
});
