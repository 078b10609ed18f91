import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import { dids } from "../../../test/_policy-world.ts";
import { completeInput } from "./complete-input.ts";
import { decide } from "./decide.ts";
import { parsePolicy } from "./load.ts";
import { suggestPolicy } from "./suggest.ts";

const [a, b] = dids;
const call = (did: typeof a, target: string, method = "tools/call") =>
  completeInput({ caller: { did }, method, target });

describe("suggestPolicy", () => {
  it("names who used what, one rule for what the same agents used, the most used first", () => {
    const { rules, left, document } = suggestPolicy([
      call(a, "search"),
      call(a, "read"),
      call(b, "read"),
      call(b, "read"),
      call(a, "find"),
      call(a, "a*b"),
      call(a, "file:///x", "resources/read"),
    ]);
    expect(rules).toEqual([
      { rule: { id: "seen-1", tools: "read", agents: [a, b].sort() }, calls: 3 },
      { rule: { id: "seen-2", tools: ["find", "search"], agents: a }, calls: 2 },
      { rule: { id: "seen-3", resources: "file:///x", agents: a }, calls: 1 },
    ]);
    expect(left).toBe(1);
    expect(parsePolicy(JSON.stringify(document)).warnings).toEqual([]);
    expect(parsePolicy(JSON.stringify(suggestPolicy([]).document)).document.allow).toEqual([]);
  });

  it("admits every call that it was made from, and no other agent or target", () => {
    const one = fc.record({
      did: fc.constantFrom(...dids),
      tool: fc.constantFrom("read", "write", "a/b", "ä", "constructor", "__proto__", "..", "%2e"),
    });
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 12 }), one, (calls, other) => {
        const policy = parsePolicy(JSON.stringify(suggestPolicy(calls.map((c) => call(c.did, c.tool))).document));
        const effect = (c: typeof other) => decide(policy, call(c.did, c.tool)).effect;
        expect(calls.map(effect)).toEqual(calls.map(() => "allow"));
        const isKnown = calls.some((c) => c.did === other.did && c.tool === other.tool);
        expect(effect(other)).toBe(isKnown ? "allow" : "deny");
      }),
      { numRuns: 100 },
    );
  });
});
