import { generateIdentity, generateRun, HISTORY_META, type Identity, signEntry, tokenDigest } from "@peerage/core";
import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import { scene, signed, stdio, verdict } from "../../../test/_guard.ts";
import { type Limit, RateLimited, RateLimiter } from "./rates.ts";

const at = (seconds: number): Date => new Date(1_795_200_000_000 + seconds * 1000);
const limit = (key: string, calls: number, perSeconds: number): Limit => ({ key, calls, perSeconds });

/** True, or after how many seconds to come back. */
function take(limiter: RateLimiter, limits: readonly Limit[], seconds: number): true | number {
  try {
    limiter.take(limits, at(seconds));
    return true;
  } catch (error) {
    if (error instanceof RateLimited) return error.retryAfterSeconds;
    throw error;
  }
}

describe("a rate limit", () => {
  it("lets a full bucket through at once and then one call for each part of the time", () => {
    const limiter = new RateLimiter();
    const limits = [limit("a", 3, 60)];
    expect([0, 0, 0, 0].map((seconds) => take(limiter, limits, seconds))).toEqual([true, true, true, 20]);
    expect([19, 20, 20, 80, 80, 80, 80].map((seconds) => take(limiter, limits, seconds))).toEqual([
      1,
      true,
      20,
      true,
      true,
      true,
      20,
    ]);
  });

  it("of several takes all or none, so a refused call uses up nothing", () => {
    const limiter = new RateLimiter();
    const both = [limit("mine", 5, 60), limit("all", 1, 3_600)];
    expect(take(limiter, both, 0)).toBe(true);
    for (let i = 0; i < 10; i++) expect(take(limiter, both, 0)).toBe(3_600);
    expect([1, 1, 1, 1, 1].map((seconds) => take(limiter, [both[0]!], seconds))).toEqual([true, true, true, true, 11]);
  });

  it("A-RATE-02 of one counter is touched by no other, whatever the order", () => {
    const event = fc.record({ key: fc.constantFrom("read", "write"), wait: fc.integer({ min: 0, max: 20 }) });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const [together, alone] = [new RateLimiter(), new RateLimiter()];
        let now = 0;
        for (const { key, wait } of events) {
          now += wait;
          const limits = [limit(key, 3, 60)];
          const got = take(together, limits, now);
          if (key === "write") expect(take(alone, limits, now)).toBe(got);
        }
      }),
    );
  });

  it("gains nothing by a clock that goes back, or by an edit", () => {
    const limiter = new RateLimiter();
    expect([0, 0].map((seconds) => take(limiter, [limit("a", 2, 60)], seconds))).toEqual([true, true]);
    expect(take(limiter, [limit("a", 2, 60)], -3_600)).toBe(30);
    expect(take(limiter, [limit("a", 2, 60)], 0)).toBe(30);
    expect(take(limiter, [limit("a", 3, 60)], 0)).toBe(true);
    expect(take(limiter, [limit("a", 3, 60)], 0)).toBe(20);
  });

  it("A-RATE-05 keeps a bounded number of counters, drops full ones only, and refuses beyond", () => {
    const limiter = new RateLimiter();
    for (let i = 0; i < 100_000; i++) limiter.take([limit(`k${i}`, 2, 60)], at(0));
    expect(take(limiter, [limit("one more", 2, 60)], 0)).toBe(60);
    expect(take(limiter, [limit("k5", 2, 60)], 0)).toBe(true);
    expect(take(limiter, [limit("k5", 2, 60)], 0)).toBe(30);
    expect(take(limiter, [limit("one more", 2, 60)], 31)).toBe(true);
  });
});

it("A-RATE-05 checks only so many new history entries of a caller in a minute, known ones without end, and others' still", async () => {
  const now = at(0);
  const { guard, caller } = scene({ now: () => now });
  const call = async (by: Identity, history: readonly string[]): Promise<string> => {
    const more = { now, meta: { [HISTORY_META]: [...history] }, head: [tokenDigest(history.at(-1)!)] };
    return verdict(guard.admit(await signed(by, guard.did, "tools/call", { name: "echo" }, more), stdio()));
  };
  const history = async (by: Identity, length: number): Promise<string[]> => {
    const run = generateRun();
    const tokens: string[] = [];
    for (let i = 0; i < length; i++) {
      const prev = tokens.slice(-1).map(tokenDigest);
      tokens.push(await signEntry(by, { run, prev, step: "step", result: "done", now }));
    }
    return tokens;
  };
  const first = await history(caller, 250);
  for (const tokens of [first, await history(caller, 250), await history(caller, 250), await history(caller, 250)])
    expect(await call(caller, tokens)).toBe("admitted");
  expect(await call(caller, await history(caller, 1))).toBe("ERR_RATE_LIMITED");
  expect(await call(caller, first)).toBe("admitted");
  const other = generateIdentity();
  expect(await call(other, await history(other, 250))).toBe("admitted");
});
