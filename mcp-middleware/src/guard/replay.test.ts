import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateIdentity, isPeerageError } from "@peerage/core";
import { afterEach, describe, expect, it } from "vitest";
import { MemoryReplayStore, type Nonce, type ReplayLimits, type ReplayStore } from "./replay.ts";
import { SqliteReplayStore } from "./replay-sqlite.ts";

const T = 1_795_200_000;
const at = (seconds: number): Date => new Date(seconds * 1000);
const did = generateIdentity().did;
let serial = 0;

function nonce(change: Partial<Nonce> = {}): Nonce {
  return { issuer: did, audience: "did:key:zGuard", jti: `jti-${++serial}`, issuedAt: T, expiresAt: T + 60, ...change };
}

/** `ok`, or the code with which an insert is refused. */
function insert(store: ReplayStore, what: Nonce, seconds: number): string {
  try {
    store.insert(what, at(seconds));
    return "ok";
  } catch (error) {
    if (isPeerageError(error)) return error.code;
    throw error;
  }
}

const folders: string[] = [];
function file(): string {
  const folder = mkdtempSync(join(tmpdir(), "replay-"));
  folders.push(folder);
  return join(folder, "replay.db");
}
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const stores: readonly { kind: string; make: (limits?: ReplayLimits) => ReplayStore }[] = [
  { kind: "in memory", make: (limits = {}) => new MemoryReplayStore({ ...limits, startedAt: at(T - 1000) }) },
  { kind: "in SQLite", make: (limits) => new SqliteReplayStore(file(), limits) },
];

describe.each(stores)("a replay store $kind", ({ make }) => {
  it("A-CALL-08 takes a proof once, and the same jti of another caller or audience as well", () => {
    using store = make();
    const once = nonce();
    expect(insert(store, once, T)).toBe("ok");
    expect(insert(store, once, T)).toBe("ERR_PROOF_REPLAYED");
    expect(insert(store, { ...once, issuer: generateIdentity().did }, T)).toBe("ok");
    expect(insert(store, { ...once, audience: "https://other.example/mcp" }, T)).toBe("ok");
  });

  it("A-CALL-09 keeps a proof for its lifetime and the skew, edge by edge", () => {
    for (const last of [T, T + 59, T + 60, T + 61, T + 89, T + 90]) {
      using store = make();
      const once = nonce();
      insert(store, once, T);
      // Other traffic makes the store remove what has expired.
      insert(store, nonce({ issuedAt: last, expiresAt: last + 60 }), last);
      expect(insert(store, once, last)).toBe("ERR_PROOF_REPLAYED");
      expect(store.size).toBe(2);
    }
  });

  it("A-CALL-09 refuses a proof that it has forgotten when the clock is set back", () => {
    using store = make();
    const once = nonce();
    insert(store, once, T);
    insert(store, nonce({ issuedAt: T + 120, expiresAt: T + 180 }), T + 120);
    expect(store.size).toBe(1);
    expect(insert(store, once, T + 10)).toBe("ERR_PROOF_REPLAYED");
    expect(insert(store, nonce({ issuedAt: T + 110, expiresAt: T + 170 }), T + 110)).toBe("ok");
  });

  it("A-CALL-10 caps one DID without evicting anything, and others are admitted", () => {
    using store = make({ maxEntriesPerDid: 3 });
    const mine = [nonce(), nonce(), nonce()];
    for (const entry of mine) expect(insert(store, entry, T)).toBe("ok");
    expect(insert(store, nonce(), T)).toBe("ERR_REPLAY_STORE_FULL");
    for (const entry of mine) expect(insert(store, entry, T)).toBe("ERR_PROOF_REPLAYED");
    expect(insert(store, nonce({ issuer: generateIdentity().did }), T)).toBe("ok");
    expect(insert(store, nonce({ issuedAt: T + 91, expiresAt: T + 151 }), T + 101)).toBe("ok");
  });

  it("A-CALL-10 refuses when it is full, and makes room by time only", () => {
    using store = make({ maxEntries: 2 });
    const [first, second] = [nonce(), nonce({ issuer: generateIdentity().did })];
    insert(store, first, T);
    insert(store, second, T);
    const late = nonce({ issuer: generateIdentity().did, issuedAt: T + 80, expiresAt: T + 140 });
    expect(insert(store, late, T + 90)).toBe("ERR_REPLAY_STORE_FULL");
    expect(insert(store, first, T + 90)).toBe("ERR_PROOF_REPLAYED");
    expect(insert(store, late, T + 91)).toBe("ok");
    expect(store.size).toBe(1);
  });
});

describe("the replay store in memory", () => {
  it("A-CALL-09 refuses proofs that were issued before it was made, and takes those of the same second", () => {
    using store = new MemoryReplayStore({ startedAt: at(T) });
    expect(insert(store, nonce({ issuedAt: T - 1 }), T)).toBe("ERR_PROOF_REPLAYED");
    expect(insert(store, nonce({ issuedAt: T }), T)).toBe("ok");
  });
});

describe("the replay store in SQLite", () => {
  it("A-CALL-09 refuses after a restart what was used before it", () => {
    const path = file();
    const used = nonce();
    {
      using store = new SqliteReplayStore(path);
      insert(store, used, T);
    }
    using store = new SqliteReplayStore(path);
    expect(insert(store, used, T)).toBe("ERR_PROOF_REPLAYED");
    expect(insert(store, nonce(), T)).toBe("ok");
  });

  it("A-CALL-08 is one memory for two processes on one file", () => {
    const path = file();
    using one = new SqliteReplayStore(path);
    using two = new SqliteReplayStore(path, { maxEntriesPerDid: 2 });
    const used = nonce();
    expect(insert(one, used, T)).toBe("ok");
    expect(insert(two, used, T)).toBe("ERR_PROOF_REPLAYED");
    expect(insert(one, nonce(), T)).toBe("ok");
    expect(insert(two, nonce(), T)).toBe("ERR_REPLAY_STORE_FULL");
  });

  it("is readable by its owner only", () => {
    const path = file();
    using store = new SqliteReplayStore(path);
    insert(store, nonce(), T);
    for (const name of [path, `${path}-wal`]) expect(statSync(name).mode & 0o777).toBe(0o600);
  });

  it("A-CLI-04 is never made anew over a damaged file, nor opened through a link", () => {
    const path = file();
    writeFileSync(path, "this is no database, but it is long enough to be taken for one".repeat(20));
    expect(() => new SqliteReplayStore(path)).toThrow(expect.objectContaining({ code: "ERR_STORE_CORRUPT" }));
    const link = file();
    symlinkSync(path, link);
    expect(() => new SqliteReplayStore(link)).toThrow(expect.objectContaining({ code: "ERR_STORE_CORRUPT" }));
  });

  it("counts exactly through refusals and expiry", () => {
    using store = new SqliteReplayStore(file(), { maxEntriesPerDid: 5 });
    const others = Array.from({ length: 4 }, () => generateIdentity().did);
    for (const issuer of others) for (let i = 0; i < 7; i++) insert(store, nonce({ issuer }), T);
    expect(store.size).toBe(20);
    insert(store, nonce({ issuedAt: T + 200, expiresAt: T + 260 }), T + 200);
    expect(store.size).toBe(1);
  });
});
