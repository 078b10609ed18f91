import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateIdentity, type Identity, type JsonObject, type JsonValue } from "@peerage/core";
import fc from "../../../test/_properties.ts";
import { afterEach, describe, expect, it } from "vitest";
import { policyOf, replyOf, scene, signed, stdio, unsigned, verdict, withToken } from "../../../test/_guard.ts";
import type { GuardOptions } from "../guard/guard.ts";
import { RateLimited, RateLimiter } from "../guard/rates.ts";
import { AuditLog } from "./audit-log.ts";
import { SqliteCounters } from "./counters.ts";
import { openGuardDatabase } from "./database.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanups.splice(0).reverse()) await cleanUp();
});

const START = Date.parse("2026-11-20T12:00:00Z");
const DAY = 86_400;

interface Counted {
  readonly pay: (cents: JsonValue, by?: Identity) => Promise<string>;
  readonly at: (seconds: number) => void;
  readonly guard: () => ReturnType<typeof scene>["guard"];
  readonly caller: Identity;
  readonly message: (cents: JsonValue, by?: Identity) => Promise<JsonObject>;
  /** Stops the guard and starts another on the same file. */
  readonly restart: (rule?: JsonObject) => Promise<void>;
}

function counting(rule: JsonObject, options: Partial<GuardOptions> = {}): Counted {
  const folder = mkdtempSync(join(tmpdir(), "peerage-counters-"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const [identity, caller] = [generateIdentity(), generateIdentity()];
  let seconds = 0;
  const now = (): Date => new Date(START + seconds * 1000);
  const start = (what: JsonObject): ReturnType<typeof scene>["guard"] => {
    const audit = new AuditLog({ path: join(folder, "audit.db"), identity, now });
    const args = { cents: { ">=": 0 } };
    const policy = policyOf([{ id: "pay", tools: "*", agents: "*", args, ...what }]);
    return scene({ identity, policy, audit, now, ...options }).guard;
  };
  let guard = start(rule);
  cleanups.push(() => guard[Symbol.asyncDispose]());
  const message: Counted["message"] = (cents, by = caller) =>
    signed(by, identity.did, "tools/call", { name: "pay", arguments: { cents } }, { now: now() });
  return {
    caller,
    message,
    guard: () => guard,
    at: (to) => (seconds = to),
    pay: async (cents, by) => verdict(guard.admit(await message(cents, by), stdio())),
    restart: async (next = rule) => {
      await guard[Symbol.asyncDispose]();
      guard = start(next);
    },
  };
}

describe("a budget", () => {
  it("sums what is admitted in windows aligned to the epoch, and says when the next one begins", async () => {
    const { pay, at, guard, message } = counting({ budget: { sum: "cents", max: 100, per: "1d" } });
    expect([await pay(60), await pay(41), await pay(40), await pay(1)]).toEqual([
      "admitted",
      "ERR_RATE_LIMITED",
      "admitted",
      "ERR_RATE_LIMITED",
    ]);
    const reply = await replyOf(guard().admit(await message(1), stdio()));
    expect(JSON.stringify(reply)).toContain('"retryAfterSeconds":43200');
    at(43_199);
    expect(await pay(1)).toBe("ERR_RATE_LIMITED");
    at(43_200);
    expect([await pay(100), await pay(0), await pay(1)]).toEqual(["admitted", "admitted", "ERR_RATE_LIMITED"]);
  });

  it("refuses amounts that are negative, broken or missing, and reserves nothing for them", async () => {
    const { pay } = counting({ args: { cents: { ">=": 0 } }, budget: { sum: "cents", max: 10, per: "1h" } });
    for (const cents of [-1, 0.5, "5", null, [5], { cents: 5 }, Number.MAX_SAFE_INTEGER]) {
      expect(await pay(cents)).not.toBe("admitted");
    }
    expect(await pay(10)).toBe("admitted");
  });

  it("is given back only if nothing was sent", async () => {
    const { pay, guard, message } = counting({ budget: { cost: 1, max: 1, per: "1d" } });
    for (const outcome of ["unsent", "unsent", "cancelled"] as const) {
      const admission = await guard().admit(await message(0), stdio());
      if (!admission.admitted) throw new Error(`refused after ${outcome}`);
      guard().abandon(admission.decision, outcome);
    }
    expect(await pay(0)).toBe("ERR_RATE_LIMITED");
  });

  it("outlives a restart, an edit of its numbers and a clock that is set back", async () => {
    const { pay, at, restart } = counting({ budget: { sum: "cents", max: 100, per: "1d" } });
    expect(await pay(100)).toBe("admitted");
    await restart();
    expect(await pay(1)).toBe("ERR_RATE_LIMITED");
    await restart({ budget: { sum: "cents", max: 110, per: "7d" } });
    expect([await pay(10), await pay(1)]).toEqual(["admitted", "ERR_RATE_LIMITED"]);
    at(-3 * DAY);
    await restart({ budget: { sum: "cents", max: 110, per: "7d" } });
    expect(await pay(1)).toBe("ERR_RATE_LIMITED");
  });

  it("belongs to one agent, or to all of them", async () => {
    const other = generateIdentity();
    const own = counting({ budget: { cost: 1, max: 1, per: "1d" } });
    expect([await own.pay(0), await own.pay(0), await own.pay(0, other)]).toEqual([
      "admitted",
      "ERR_RATE_LIMITED",
      "admitted",
    ]);
    const shared = counting({ budget: { cost: 1, max: 1, per: "1d", of: "all" } });
    expect([await shared.pay(0), await shared.pay(0, other)]).toEqual(["admitted", "ERR_RATE_LIMITED"]);
  });

  it("refuses where no audit log can keep it", async () => {
    const policy = policyOf([{ tools: "pay", agents: "*", budget: { cost: 1, max: 10, per: "1d" } }]);
    const { guard, caller } = scene({ policy });
    const message = await signed(caller, guard.did, "tools/call", { name: "pay", arguments: {} });
    expect(await verdict(guard.admit(message, stdio()))).toBe("ERR_AUDIT_UNAVAILABLE");
  });

  it("is exact over 50 parallel calls", async () => {
    const { guard, message } = counting({ budget: { sum: "cents", max: 70, per: "1d" } });
    const messages = await Promise.all(Array.from({ length: 50 }, () => message(7)));
    const verdicts = await Promise.all(messages.map((one) => verdict(guard().admit(one, stdio()))));
    expect(verdicts.filter((one) => one === "admitted")).toHaveLength(10);
  });
});

describe("a rate limit in the guard's file", () => {
  it("outlives a restart, and a refused call draws from nothing", async () => {
    const { pay, at, restart } = counting({
      limit: [
        { calls: 2, per: "1m" },
        { calls: 100, per: "1m", of: "all" },
      ],
      budget: { sum: "cents", max: 3, per: "1d" },
    });
    expect([await pay(1), await pay(5), await pay(1), await pay(1)]).toEqual([
      "admitted",
      "ERR_RATE_LIMITED",
      "admitted",
      "ERR_RATE_LIMITED",
    ]);
    await restart();
    expect(await pay(1)).toBe("ERR_RATE_LIMITED");
    at(30);
    expect([await pay(1), await pay(0)]).toEqual(["admitted", "ERR_RATE_LIMITED"]);
  });

  it("A-RATE-01 is not touched by who only claims to be its owner", async () => {
    const { pay, guard, message, caller } = counting({ limit: { calls: 1, per: "1h" } });
    const mallory = generateIdentity();
    const forged = withToken(await message(1, mallory), broken(await messageToken(message, caller)));
    for (let i = 0; i < 20; i++) {
      expect(await verdict(guard().admit(unsigned(i), stdio()))).toBe("ERR_PROOF_MISSING");
      expect(await verdict(guard().admit({ ...forged, id: i + 100 }, stdio()))).not.toBe("admitted");
    }
    expect([await pay(1), await pay(1)]).toEqual(["admitted", "ERR_RATE_LIMITED"]);
  });

  it("A-RATE-05 refuses when its store is down, and does not wave calls through", async () => {
    const { pay, guard } = counting({ limit: { calls: 100, per: "1h" } });
    expect(await pay(1)).toBe("admitted");
    await guard()[Symbol.asyncDispose]();
    expect(await pay(1)).toBe("ERR_AUDIT_UNAVAILABLE");
  });

  it("decides like the limiter in memory, whatever the order of calls and keys", () => {
    const folder = mkdtempSync(join(tmpdir(), "peerage-counters-"));
    cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
    let files = 0;
    const event = fc.record({
      key: fc.constantFrom("a", "b"),
      wait: fc.integer({ min: -5, max: 30 }),
      calls: fc.constantFrom(2, 3),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        const database = openGuardDatabase(join(folder, `${++files}.db`));
        const [memory, file] = [new RateLimiter(), new SqliteCounters(database)];
        let seconds = 0;
        for (const { key, wait, calls } of events) {
          seconds += wait;
          const now = new Date(START + seconds * 1000);
          const limits = [{ key, calls, perSeconds: 60 }];
          const take = database.transaction(() => void file.take(limits, [], now));
          expect(waitOf(() => take())).toBe(waitOf(() => memory.take(limits, now)));
        }
        database.close();
      }),
      { numRuns: 30 },
    );
  });
});

async function messageToken(message: Counted["message"], by: Identity): Promise<string> {
  const params = (await message(1, by))["params"] as { _meta: Record<string, string> };
  return params._meta["dev.peerage/call"] ?? "";
}

/** The token with one character of its signature changed. */
function broken(token: string): string {
  const at = token.length - 10;
  return token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
}

function waitOf(take: () => void): number {
  try {
    take();
    return 0;
  } catch (error) {
    if (error instanceof RateLimited) return error.retryAfterSeconds;
    throw error;
  }
}
