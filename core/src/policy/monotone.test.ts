import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import {
  denyRule,
  document,
  historyDocument,
  input,
  load,
  members,
  compileWhen,
  toolInput,
  underPolicy,
} from "../../../test/_policy-world.ts";
import type { EntryDocument } from "../history/describe.ts";
import { isPeerageError } from "../errors.ts";
import { decide } from "./decide.ts";
import { trustOf, unknownOf, type AllowRule, type PolicyDocument } from "./document.ts";
import type { PolicyInput } from "./input.ts";
import { parsePolicy } from "./load.ts";

// What never admits, whatever else a policy and a call hold.

const unspent = { spent: () => false };
const runs = { numRuns: 200 };
const anyDocument = fc.oneof(document, historyDocument);

/** The rule that admits a call; undefined if none does. */
function admits(one: PolicyDocument, call: PolicyInput): AllowRule | undefined {
  const policy = load(one);
  const decision = decide(policy, underPolicy(call, policy), unspent);
  if (decision.effect !== "allow") return undefined;
  return one.allow[Number(/\d+/.exec(decision.rule)?.[0])];
}

const asksHistory = (rule: AllowRule | undefined): boolean =>
  rule !== undefined && (rule.require !== undefined || rule.approval !== undefined);

describe("P-EVAL-02 a deny rule", () => {
  it("that is added never admits, and what it is met by is refused", () => {
    fc.assert(
      fc.property(anyDocument, denyRule, fc.nat(2), fc.oneof(input, toolInput), (one, extra, at, call) => {
        const deny = [...(one.deny ?? [])];
        deny.splice(at, 0, extra);
        if (admits(one, call) === undefined) expect(admits({ ...one, deny }, call)).toBeUndefined();
        const everything = { ...one, deny: [...deny, { tools: "*" }] };
        if (call.method === "tools/call") expect(admits(everything, call)).toBeUndefined();
      }),
      runs,
    );
  });
});

describe("P-REQ-07 history", () => {
  it("that is removed never admits: with none at all no rule that asks for some does", () => {
    let asked = 0;
    fc.assert(
      fc.property(historyDocument, toolInput, (one, call) => {
        if (asksHistory(admits(one, call))) asked++;
        const { history: _h, held: _d, ...bare } = call;
        const rule = admits(one, bare);
        expect(asksHistory(rule)).toBe(false);
      }),
      { numRuns: 500 },
    );
    expect(asked).toBeGreaterThan(0);
  });

  it("that speaks for a call is never in its way: without any part of it no call is admitted that was not", () => {
    let taken = 0;
    fc.assert(
      fc.property(historyDocument, toolInput, fc.nat(255), (written, call, which) => {
        // `signers` asks something of every entry, so there an entry can be in the way.
        const one = { ...written, allow: written.allow.map(({ signers: _, ...rule }) => rule) };
        const isHarmless = (entry: EntryDocument): boolean => !isAgainst(one, entry);
        const keep = (entries: readonly EntryDocument[] = []): EntryDocument[] =>
          entries.filter((entry, place) => !isHarmless(entry) || ((which >> (place % 8)) & 1) === 0);
        const fewer = { ...call, history: keep(call.history), held: keep(call.held) };
        if (fewer.history.length < (call.history?.length ?? 0)) taken++;
        if (admits(one, call) === undefined) expect(admits(one, fewer)).toBeUndefined();
      }),
      { numRuns: 500 },
    );
    expect(taken).toBeGreaterThan(10);
  });
});

/** True if some requirement could take an entry as standing against it. */
function isAgainst({ allow }: PolicyDocument, { step, result }: EntryDocument): boolean {
  if (step === "human_approval" && result !== "approved") return true;
  const needs = allow.flatMap((rule) => rule.require ?? []).filter((need) => need.step === step);
  return needs.some(
    (need) => need.sub !== undefined || ![need.result ?? ["approved", "passed"]].flat().includes(result),
  );
}

describe("P-LOAD-02 an unknown key", () => {
  it("never loads, wherever it stands", () => {
    const names = fc.constantFrom("alow", "agent", "Tools", "deny ", "maxage", "gt", "x", "constructor", "allow2", "");
    let places = 0;
    fc.assert(
      fc.property(anyDocument, names, fc.nat(), fc.jsonValue(), (one, name, at, value) => {
        const copy = JSON.parse(JSON.stringify(one)) as PolicyDocument;
        const closed = closedObjects(copy);
        const object = closed[at % closed.length]!;
        if (Object.hasOwn(object, name)) return;
        object[name] = value;
        places = Math.max(places, closed.length);
        let error: unknown;
        try {
          parsePolicy(JSON.stringify(copy), members, { compileWhen });
        } catch (thrown) {
          error = thrown;
        }
        expect(isPeerageError(error, "ERR_POLICY_INVALID"), JSON.stringify(copy)).toBe(true);
      }),
      runs,
    );
    expect(places).toBeGreaterThan(0);
  });
});

/** Every object but those whose keys are names of the author's: groups, and arguments. */
function closedObjects(value: unknown, key = ""): Record<string, unknown>[] {
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((one) => closedObjects(one));
  const inner = Object.entries(value).flatMap(([name, one]) => closedObjects(one, name));
  return ["groups", "args", "sub"].includes(key) ? inner : [value as Record<string, unknown>, ...inner];
}

describe("P-EVAL-08 an expired clock", () => {
  const later = (time: string, seconds: number): string =>
    new Date(Date.parse(time) + seconds * 1000).toISOString().replace(".000Z", "Z");

  it("never admits by evidence that has run out", () => {
    let had = 0;
    fc.assert(
      fc.property(historyDocument, toolInput, fc.nat(100_000), (one, call, more) => {
        if (asksHistory(admits(one, call))) had++;
        const ends = (entries: readonly EntryDocument[] = []): EntryDocument[] =>
          entries.map((entry) => ({ ...entry, expires: later(entry.timestamp, 900) }));
        const times = [...(call.history ?? []), ...(call.held ?? [])].map(({ timestamp }) => Date.parse(timestamp));
        const now = later(new Date(Math.max(Date.parse(call.now), ...times)).toISOString(), 900 + more);
        const expired = { ...call, now, history: ends(call.history), held: ends(call.held) };
        expect(asksHistory(admits(one, expired))).toBe(false);
      }),
      runs,
    );
    expect(had).toBeGreaterThan(0);
  });

  it("never admits by a rule before `from` or from `until` on", () => {
    fc.assert(
      fc.property(anyDocument, fc.oneof(input, toolInput), fc.integer({ min: 0, max: 10_000 }), (one, call, more) => {
        const over = one.allow.map((rule) => ({
          ...rule,
          from: "2026-01-01T00:00:00Z",
          until: later(call.now, -more),
        }));
        expect(admits({ ...one, allow: over }, call)).toBeUndefined();
        const early = one.allow.map(({ until: _, ...rule }) => ({ ...rule, from: later(call.now, 1 + more) }));
        expect(admits({ ...one, allow: early }, call)).toBeUndefined();
      }),
      runs,
    );
  });

  it("never admits by trust whose data is too old", () => {
    fc.assert(
      fc.property(document, input, fc.nat(1000), (one, call, more) => {
        const old = { ...call, trust_age_seconds: 86_400 + more };
        const rule = admits(one, old);
        if (rule === undefined || trustOf(rule, one.defaults) === undefined) return;
        // What admits then is the rule for callers that are unknown.
        expect(unknownOf(rule, one.defaults)).not.toBe("deny");
      }),
      runs,
    );
  });
});
