import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import { identityFromSeed } from "../did/identity.ts";
import { multibaseOf } from "../did/did-key.ts";
import type { Digest } from "../json/digest.ts";
import { keyDigest } from "../statement/key-event.ts";
import type { KeyEvent, RecoverySet, Revocation } from "../statement/types.ts";
import { keyHistoryAt } from "./key-state.ts";
import { type Logged, StatementSet } from "./statement-set.ts";

const DAY = 86_400;
const identities = Array.from({ length: 9 }, (_, i) => identityFromSeed(new Uint8Array(32).fill(i + 1)));
const keys = identities.map(({ did }) => multibaseOf(did));
const digests = keys.map(keyDigest);
const agent = identities[0]!.did;

/** An event without its document and signature, which the state does not look at. */
type Made = Omit<KeyEvent, "document" | "bytes" | "createdAt" | "issuedAt" | "kind" | "issuer"> & { time: number };
type Burn = { id: Digest; keys: Revocation["keys"]; time: number };

const logged = (event: Made): Logged =>
  ({
    statement: { kind: "KeyEvent", issuer: agent, ...event },
    index: event.time,
    time: event.time,
  }) as unknown as Logged;
const burnt = (burn: Burn): Logged =>
  ({
    statement: { kind: "Revocation", issuer: agent, revokes: "self", target: agent, ...burn },
    index: burn.time,
    time: burn.time,
  }) as unknown as Logged;

function historyOf(all: readonly Logged[], t: number) {
  const set = new StatementSet();
  for (const one of all) set.add(one);
  return keyHistoryAt(agent, set.agent(agent), t);
}

/** The rules of registry.md section 5 said a second time: slowly, recursively, without any care for speed. */
class Model {
  readonly #events: readonly Made[];
  readonly #burns: readonly Burn[];
  readonly #t: number;

  constructor(events: readonly Made[], burns: readonly Burn[], t: number) {
    this.#events = events.filter(({ time }) => time <= t);
    this.#burns = burns.filter(({ time }) => time <= t);
    this.#t = t;
  }

  inits(): Made[] {
    const all = this.#events.filter((e) => e.event === "init" && e.keys.length === 1 && e.keys[0] === keys[0]);
    const earliest = all.filter((e) => all.every((other) => e.time <= other.time));
    return earliest.filter((e, i) => earliest.findIndex((other) => other.id === e.id) === i);
  }

  /** From init to the event, or undefined if any step on the way is not allowed. */
  chain(event: Made): Made[] | undefined {
    if (event.event === "init") return this.inits().some((init) => init.id === event.id) ? [event] : undefined;
    const before = this.#events.find((e) => e.id === event.prev);
    const chain = before && this.chain(before);
    if (!chain || this.inits().length > 1 || event.seq !== before.seq + 1) return undefined;
    return this.#allowed(event, chain) ? [...chain, event] : undefined;
  }

  at(chain: readonly Made[]): number {
    return Math.max(...chain.map(({ time }) => time));
  }

  #allowed(event: Made, chain: readonly Made[]): boolean {
    const at = this.at([...chain, event]);
    const next = chain.findLast((e) => e.event !== "revoke")!.next;
    const recovery = this.recovery(chain, at);
    if (event.event === "rotate") {
      return event.keys.length === 1 && event.keys[0] === event.key && keyDigest(event.key!) === next;
    }
    if (event.event === "revoke") {
      const by = event.keys[0]!;
      const committed = keyDigest(by);
      return (
        event.keys.length === 1 &&
        (by === this.current(chain) || committed === next || recovery?.keys.includes(committed) === true)
      );
    }
    const others = event.keys.filter((key) => key !== event.key).map(keyDigest);
    if (others.length === event.keys.length || !recovery || others.length < recovery.threshold) return false;
    if (!others.every((other) => recovery.keys.includes(other))) return false;
    const siblings = this.#events.filter((e) => e.prev === event.prev && e.id !== event.id);
    return siblings.every((sibling) => {
      if (sibling.event === "recover" && this.at([...chain, sibling]) >= at) return true;
      const whole = this.chain(sibling);
      return !whole || at - this.at(whole) <= 7 * DAY;
    });
  }

  recovery(chain: readonly Made[], t: number): RecoverySet | undefined {
    return chain.findLast((e, i) => e.recovery && (i === 0 || t > this.at(chain.slice(0, i + 1)) + 7 * DAY))?.recovery;
  }

  current(chain: readonly Made[]): string {
    return chain.findLast((e) => e.key !== undefined)?.key ?? keys[0]!;
  }

  children(event: Made): Made[] {
    return this.#events.filter((e) => e.prev === event.id && this.chain(e));
  }

  recoversBelow(event: Made): number[] {
    return this.children(event).flatMap((child) => [
      ...(child.event === "recover" ? [this.at(this.chain(child)!)] : []),
      ...this.recoversBelow(child),
    ]);
  }

  follow(event: Made): { path: Made[]; disputed: boolean } {
    const children = this.children(event);
    const at = (e: Made): number => this.at(this.chain(e)!);
    for (const rank of ["recover", "rotate", "revoke"]) {
      let rivals = children.filter((child) => child.event === rank);
      if (rank === "rotate") {
        rivals = rivals.filter(
          (rotate) =>
            !rivals.some(
              (other) =>
                at(other) < at(rotate) &&
                this.children(other).some((after) => after.event !== "revoke" && at(after) <= at(rotate)),
            ),
        );
      }
      if (rivals.length === 0) continue;
      if (rivals.length > 1) {
        const soonest = Math.min(...rivals.flatMap((rival) => this.recoversBelow(rival)));
        rivals = rivals.filter((rival) => this.recoversBelow(rival).includes(soonest));
        if (rivals.length !== 1) return { path: [event], disputed: true };
      }
      const rest = this.follow(rivals[0]!);
      return { ...rest, path: [event, ...rest.path] };
    }
    return { path: [event], disputed: false };
  }

  path(): { path: Made[]; disputed: boolean } {
    const inits = this.inits();
    if (inits.length === 0) return { path: [], disputed: false };
    return inits.length > 1 ? { path: [], disputed: true } : this.follow(inits[0]!);
  }

  /** The key that stood at a time, or none while it was revoked. */
  keyAt(t: number): string | undefined {
    const { path } = this.path();
    const last = path.findLast((_, i) => i > 0 && this.at(path.slice(0, i + 1)) <= t);
    return last?.event === "revoke" ? undefined : (last?.key ?? keys[0]);
  }

  burnt(): boolean {
    const { path } = this.path();
    const recovers = path.flatMap((e, i) => (e.event === "recover" ? [this.at(path.slice(0, i + 1))] : []));
    return this.#burns.some(({ keys: [by], time }) => {
      const before = path.slice(0, 1 + path.findLastIndex((_, i) => this.at(path.slice(0, i + 1)) <= time));
      const set = before.length > 0 ? this.recovery(before, time) : undefined;
      const may = by === this.keyAt(time) || (set?.threshold === 1 && set.keys.includes(keyDigest(by!)));
      return may && !recovers.some((at) => at >= time && at <= time + 7 * DAY);
    });
  }

  status(): string {
    if (this.burnt()) return "burnt";
    const { path, disputed } = this.path();
    if (disputed) return "disputed";
    return path.at(-1)?.event === "revoke" ? "suspended" : "active";
  }

  compromised(time: number): boolean {
    const { path } = this.path();
    return path.some((e, i) => {
      const at = this.at(path.slice(0, i + 1));
      return e.since !== undefined && time < at && time >= Math.min(at, Math.max(e.since, at - 30 * DAY));
    });
  }

  get t(): number {
    return this.#t;
  }
}

/** Events that mostly fit somewhere: of the honest owner, of thieves with some of the keys, and a few that fit nowhere. */
const worlds = fc
  .array(
    fc.record({
      event: fc.constantFrom<KeyEvent["event"]>("rotate", "rotate", "rotate", "revoke", "recover", "recover", "init"),
      prev: fc.nat(11),
      newest: fc.boolean(),
      days: fc.nat(4),
      hours: fc.constantFrom(0, 0, 1),
      next: fc.integer({ min: 1, max: 4 }),
      key: fc.integer({ min: 1, max: 4 }),
      signers: fc.subarray([5, 6, 7, 8], { minLength: 1 }),
      recovery: fc.option(fc.subarray([5, 6, 7, 8], { minLength: 1 }), { nil: undefined, freq: 3 }),
      threshold: fc.integer({ min: 1, max: 2 }),
      since: fc.option(fc.nat(60), { nil: undefined, freq: 3 }),
      by: fc.constantFrom("current", "next", "recovery"),
      stray: fc.nat(19),
      burn: fc.nat(9),
    }),
    { minLength: 1, maxLength: 11 },
  )
  .map((recipes) => {
    const id = (n: number): Digest => `sha256:${String(n).padStart(64, "0")}`;
    const events: Made[] = [];
    const burns: Burn[] = [];
    const currentOf = new Map<Digest, number>();
    const nextOf = new Map<Digest, number>();
    let time = 0;
    recipes.forEach((r, n) => {
      time += r.days * DAY + r.hours * 3_600;
      const prev = r.newest ? events.at(-1) : events[r.prev % Math.max(1, events.length)];
      const recovery = r.recovery && {
        threshold: Math.min(r.threshold, r.recovery.length),
        keys: r.recovery.map((k) => digests[k]!).sort(),
      };
      const base = { id: id(n), time, ...(recovery ? { recovery } : {}), next: digests[r.next]! };
      if (!prev || r.event === "init") {
        events.push({ ...base, event: "init", seq: 0, keys: [keys[r.stray === 0 ? 3 : 0]!] });
        currentOf.set(base.id, 0);
        nextOf.set(base.id, r.next);
        return;
      }
      const current = currentOf.get(prev.id)!;
      const committed = r.stray === 1 ? r.key : nextOf.get(prev.id)!;
      const link = {
        prev: prev.id,
        seq: prev.seq + (r.stray === 2 ? 2 : 1),
        ...(r.since === undefined ? {} : { since: time - r.since * DAY, reason: "compromised" as const }),
      };
      if (r.event === "revoke") {
        const by = { current, next: committed, recovery: r.signers[0]! }[r.by];
        const { id: own } = base;
        events.push({ id: own, time, event: "revoke", ...link, keys: [keys[by]!] });
        currentOf.set(own, current);
        nextOf.set(own, nextOf.get(prev.id)!);
      } else if (r.event === "rotate") {
        events.push({ ...base, ...link, event: "rotate", key: keys[committed]!, keys: [keys[committed]!] });
        currentOf.set(base.id, committed);
        nextOf.set(base.id, r.next);
      } else {
        const signers = r.signers.map((k) => keys[k]!);
        events.push({ ...base, ...link, event: "recover", key: keys[r.key]!, keys: [keys[r.key]!, ...signers] });
        currentOf.set(base.id, r.key);
        nextOf.set(base.id, r.next);
      }
      if (r.burn === 0) burns.push({ id: id(100 + n), keys: [keys[r.by === "recovery" ? 5 : current]!], time });
    });
    return { events, burns };
  });

const seen = new Map<string, number>();

describe("the key state machine", () => {
  it("A-STMT-10 A-STMT-11 A-STMT-12 agrees with a naive model on random histories of owners and thieves", () => {
    fc.assert(
      fc.property(worlds, fc.integer({ min: -2, max: 12 }), ({ events, burns }, later) => {
        const all = [...events.map(logged), ...burns.map(burnt)];
        const end = Math.max(...all.map(({ time }) => time));
        for (const t of [end, end + later * DAY]) {
          const model = new Model(events, burns, t);
          const history = historyOf(all, t);
          const { path } = model.path();
          expect(history.state.status).toBe(model.status());
          seen.set(history.state.status, (seen.get(history.state.status) ?? 0) + 1);
          expect(history.state.last).toBe(path.at(-1)?.id);
          if (path.length > 0) {
            expect(history.state.current).toBe(model.current(path));
            expect(history.state.recovery).toEqual(model.recovery(path, t));
          }
          for (const { time } of all) {
            expect(history.voids(time)).toBe(model.compromised(time));
            for (const key of keys) {
              const stood = time <= t && model.keyAt(time) === key;
              if (time <= t) expect(history.stoodAt(key, time), `${key} at ${time}`).toBe(stood);
            }
          }
          for (const event of events) {
            if (event.time <= t) expect(history.extends(event.id)).toBe(model.chain(event) !== undefined);
          }
        }
      }),
      { numRuns: 600 },
    );
    // The worlds must reach every state, or agreement means little.
    expect([...seen.keys()].sort()).toEqual(["active", "burnt", "disputed", "suspended"]);
    for (const count of seen.values()) expect(count).toBeGreaterThan(20);
  });

  it("A-TRUST-06 does not depend on order, repetition or how the statements were divided among logs", () => {
    fc.assert(
      fc.property(worlds, fc.infiniteStream(fc.nat(1_000)), ({ events, burns }, dice) => {
        const all = [...events.map(logged), ...burns.map(burnt)];
        const roll = (): number => dice.next().value as number;
        const t = Math.max(...all.map(({ time }) => time));
        const shuffled = [...all, ...all.filter(() => roll() % 3 === 0)]
          .map((one) => [roll(), one] as const)
          .sort(([a], [b]) => a - b)
          .map(([, one]) => one);
        const parts = [new StatementSet(), new StatementSet(), new StatementSet()];
        for (const one of shuffled) parts[roll() % 3]!.add(one);
        // One copy was witnessed later elsewhere: the earliest time stays.
        const [again] = shuffled;
        if (again) parts[roll() % 3]!.add({ ...again, time: again.time + DAY, index: 999 });
        const whole = new StatementSet();
        for (const part of [parts[roll() % 3]!, ...parts]) whole.union(part);
        if (again) whole.add(again);
        const merged = keyHistoryAt(agent, whole.agent(agent), t);
        const expected = historyOf(all, t);
        expect(merged.state).toEqual(expected.state);
        expect(merged.periods).toEqual(expected.periods);
      }),
      { numRuns: 500 },
    );
  });

  it("follows a chain of 20,000 rotations, and as many rivals of one event, without a deep stack", () => {
    const init: Made = {
      id: `sha256:${"0".repeat(64)}`,
      event: "init",
      seq: 0,
      next: digests[1]!,
      keys: [keys[0]!],
      time: 0,
    };
    const rotate = (n: number, prev: Made, time: number): Made => ({
      id: `sha256:${String(n).padStart(64, "0")}`,
      event: "rotate",
      seq: prev.seq + 1,
      prev: prev.id,
      key: keys[1]!,
      keys: [keys[1]!],
      next: digests[1]!,
      reason: "routine",
      time,
    });
    const chain = [init];
    for (let n = 1; n <= 20_000; n++) chain.push(rotate(n, chain[n - 1]!, n));
    expect(historyOf(chain.map(logged), 20_000).state).toMatchObject({ status: "active", events: 20_001 });
    const rivals = [init, ...Array.from({ length: 20_000 }, (_, n) => rotate(n + 1, init, n))];
    expect(historyOf(rivals.map(logged), 20_000).state).toMatchObject({ status: "disputed", events: 1 });
  });
});
