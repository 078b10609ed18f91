import { describe, expect, it } from "vitest";
import { completeInput } from "../complete-input.ts";
import { askAdapters, type AdapterAnswer, type PolicyAdapter } from "./adapter.ts";

const input = completeInput({ tool: "pay" });

async function answer(ask: PolicyAdapter["ask"], timeoutMs = 20_000): Promise<AdapterAnswer> {
  const [one] = await askAdapters(["x"], { x: { version: "x 1", ask: ask } }, input, timeoutMs);
  return one!;
}

describe("askAdapters", () => {
  it("A-POL-09 P-ALSO-02 allows by `allow: true` in an answer of the known form and by nothing else", async () => {
    for (const right of [
      { allow: true },
      { allow: true, reasons: ["fine"], obligations: [] },
      { allow: true, id: "7" },
    ]) {
      expect((await answer(() => right)).allow, JSON.stringify(right)).toBe(true);
      expect((await answer(async () => right)).allow, JSON.stringify(right)).toBe(true);
    }
    const inherited: unknown = Object.create({ allow: true });
    for (const wrong of [
      { allow: false },
      {},
      { allow: "true" },
      { allow: 1 },
      { allow: [true] },
      { allow: null },
      { allow: true, reasons: "fine" },
      { allow: true, reasons: [1] },
      { allow: true, id: 7 },
      { allow: true, obligations: [{ redact: "iban" }] },
      { allow: true, obligations: "log" },
      { allow: true, until: "tomorrow" },
      [{ allow: true }],
      true,
      "allow",
      null,
      undefined,
      () => true,
      inherited,
    ]) {
      expect((await answer(() => wrong)).allow, String(wrong)).toBe(false);
      // Naive: an answer that is there, or one whose `allow` is truthy.
      if (wrong && typeof wrong === "object" && "allow" in wrong && wrong.allow !== false && wrong.allow !== null) {
        expect(Boolean(wrong.allow)).toBe(true);
      }
    }
  });

  it("A-POL-09 denies where an adapter throws, rejects, is late or is not there, and says so", async () => {
    const fails = async (ask: () => unknown, reason: string, timeoutMs?: number) =>
      expect(await answer(ask, timeoutMs)).toMatchObject({
        adapter: "x",
        version: "x 1",
        allow: false,
        reasons: [reason],
      });
    await fails(() => {
      throw new Error("down");
    }, "down");
    await fails(() => Promise.reject(new Error("gone")), "gone");
    await fails(() => {
      const text: unknown = "text";
      throw text;
    }, "the adapter failed");
    await fails(() => new Promise(() => undefined), "no answer within 20 ms", 20);
    expect(await askAdapters(["toString", "x"], {}, input)).toMatchObject([
      { adapter: "toString", allow: false },
      { adapter: "x", allow: false },
    ]);
    expect(await askAdapters([], {}, input)).toEqual([]);
  });

  it("tells an adapter that is late to stop, and keeps its words short", async () => {
    let stopped: AbortSignal | undefined;
    const waits = (_: unknown, signal: AbortSignal): Promise<never> => {
      stopped = signal;
      return new Promise(() => undefined);
    };
    await answer(waits, 10);
    expect(stopped?.aborted).toBe(true);
    const long = await answer(() => ({ allow: false, reasons: Array.from({ length: 50 }, () => "y".repeat(900)) }));
    expect(long.reasons).toHaveLength(16);
    expect(Math.max(...long.reasons.map(({ length }) => length))).toBe(200);
  });
});
