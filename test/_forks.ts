import { describe, expect, it } from "vitest";
import {
  leafHash,
  type LogLeaf,
  LogWatcher,
  noteSignerFromSeed,
  ProofBuilder,
  type RegistryReader,
  signCheckpoint,
  type SignedCheckpoint,
  TILE_WIDTH,
  tileRoot,
  type Verified,
  verifyCheckpoint,
  verifyForkEvidence,
} from "@peerage/core";

const origin = "log.test";
const log = noteSignerFromSeed(origin, 1, new Uint8Array(32).fill(1));
const witness = noteSignerFromSeed(`${origin}/witness`, 4, new Uint8Array(32).fill(2));
const policy = { origin, logKey: log.key, operatorWitness: witness.key };
const T0 = 1_795_200_000;

/** A log whose leaves are what its holder says they are, signed by the real key whatever that is. */
class AnyLog implements RegistryReader {
  readonly origin = origin;
  readonly logKey = log.key;
  readonly #all: readonly Uint8Array[];
  readonly #hashes: readonly Uint8Array[];
  readonly builder = new ProofBuilder((...at) => this.tile(...at));
  readonly #heads: Verified<SignedCheckpoint>[] = [];
  #newest: Verified<SignedCheckpoint> | undefined;

  constructor(all: readonly Uint8Array[]) {
    this.#all = all;
    this.#hashes = all.map(leafHash);
  }

  get length(): number {
    return this.#all.length;
  }

  async publish(size: number, time: number): Promise<this> {
    const root = await this.builder.root(size);
    const signed = { log, witness, now: new Date(time * 1_000) };
    const head = await verifyCheckpoint(await signCheckpoint({ origin, size, root }, signed), policy);
    // Of one size the first is listed, as by a registry; the newest is shown.
    this.#newest = head;
    if (this.#heads.at(-1)?.size !== size) this.#heads.push(head);
    return this;
  }

  async checkpoint(): Promise<Verified<SignedCheckpoint>> {
    return this.#newest!;
  }

  async *checkpoints(after: number, upTo: number): AsyncGenerator<Verified<SignedCheckpoint>> {
    yield* this.#heads.filter(({ size }) => size > after && size <= upTo);
  }

  async *leaves(from: number, to: number): AsyncGenerator<LogLeaf> {
    for (let index = from; index < Math.min(to, this.length); index++) yield { index, leaf: this.#all[index]! };
  }

  consistencyProof(from: number, to: number): Promise<readonly Uint8Array[]> {
    return this.builder.consistency(from, to);
  }

  async tile(level: number, n: number, width: number): Promise<Uint8Array> {
    const hashes = await Promise.all(
      Array.from({ length: width }, async (_, i) => {
        const at = n * TILE_WIDTH + i;
        if (level === 0) return this.#hashes[at]!;
        return tileRoot(await this.tile(level - 1, at, TILE_WIDTH));
      }),
    );
    return Buffer.concat(hashes);
  }
}

/** What a client is shown: one log, and from some time on another under the same key. */
class Turncoat implements RegistryReader {
  readonly origin = origin;
  readonly logKey = log.key;
  shown: RegistryReader;
  constructor(shown: RegistryReader) {
    this.shown = shown;
  }
  checkpoint = (): ReturnType<RegistryReader["checkpoint"]> => this.shown.checkpoint();
  checkpoints = (...range: [number, number]): ReturnType<RegistryReader["checkpoints"]> =>
    this.shown.checkpoints(...range);
  leaves = (...range: [number, number]): ReturnType<RegistryReader["leaves"]> => this.shown.leaves(...range);
  consistencyProof = (...range: [number, number]): Promise<readonly Uint8Array[]> =>
    this.shown.consistencyProof(...range);
  tile = (...at: [number, number, number]): Promise<Uint8Array> => this.shown.tile(...at);
}

/** The same numbers at every run. */
let state = 20_261_121;
const below = (n: number): number => (state = (state * 48_271) % 2_147_483_647) % n;
const leaf = (n: number | string): Uint8Array => Buffer.from(`"entry ${n}"`);
const LEAVES = Array.from({ length: 320 }, (_, i) => leaf(i));

/**
 * What a liar may do to the first `seen` leaves that somebody saw; it then goes on to `seen` or more. Index `at` is the
 * first that differs.
 */
const lies: Record<string, (seen: number, at: number) => Uint8Array[]> = {
  replace: (_, at) => LEAVES.map((one, i) => (i === at ? leaf("forged") : one)),
  drop: (_, at) => [...LEAVES.slice(0, at), ...LEAVES.slice(at + 1), leaf("more")],
  insert: (_, at) => [...LEAVES.slice(0, at), leaf("slipped in"), ...LEAVES.slice(at)],
  reorder: (seen, at) => {
    const other = at + 1 < seen ? at + 1 : at - 1;
    return LEAVES.map((one, i) => (i === at ? LEAVES[other]! : i === other ? LEAVES[at]! : one));
  },
  "truncate and regrow": (_, at) => [...LEAVES.slice(0, at), ...LEAVES.slice(at).map((_one, i) => leaf(`new ${i}`))],
  "roll back and regrow": (_, at) => [...LEAVES.slice(0, at), ...LEAVES.slice(at + 1), leaf("last"), leaf("more")],
};

/** A client follows the honest log to `size` leaves. */
async function client(size: number): Promise<{ reader: Turncoat; watcher: LogWatcher; honest: AnyLog }> {
  const honest = await new AnyLog(LEAVES).publish(size, T0);
  const reader = new Turncoat(honest);
  const watcher = new LogWatcher({ reader, now: () => new Date((T0 + 30) * 1_000) });
  await watcher.check();
  return { reader, watcher, honest };
}

/** Every lie so many times, and so many honest logs. */
export function describeForks({ rounds, honestLogs }: { rounds: number; honestLogs: number }): void {
  describe("a log that lies to a client who watches it", () => {
    for (const [name, lie] of Object.entries(lies)) {
      it(`A-LOG-02 is convicted by evidence each time that it would ${name}: ${rounds} forks`, async () => {
        let proven = 0;
        for (let round = 0; round < rounds; round++) {
          const seen = 2 + below(300);
          const { reader, watcher } = await client(seen);
          const forged = new AnyLog(lie(seen, below(seen)));
          reader.shown = await forged.publish(seen + below(Math.min(12, forged.length - seen + 1)), T0 + 10);
          const report = await watcher.check();
          expect(report).toMatchObject({ size: seen, error: { code: "ERR_LOG_FORKED" } });
          await verifyForkEvidence(JSON.parse(JSON.stringify(report.evidence[0])), policy);
          proven++;
        }
        expect(proven).toBe(rounds);
      });
    }

    it(`A-LOG-02 is convicted when it shows every client its own log and they compare: ${rounds} splits`, async () => {
      for (let round = 0; round < rounds; round++) {
        const [a, b] = [2 + below(300), 2 + below(300)];
        const at = below(Math.min(a, b));
        const other = new AnyLog(LEAVES.map((one, i) => (i === at ? leaf(`for ${round}`) : one)));
        const [mine, theirs] = [await new AnyLog(LEAVES).publish(a, T0), await other.publish(b, T0)];
        // Whoever holds the larger tree can show where it parts from the other's head.
        const [large, small] = a >= b ? [mine, theirs] : [theirs, mine];
        const note = (await small.checkpoint()).note;
        const observers = [{ name: "another client", newest: async () => note }];
        const report = await new LogWatcher({ reader: large, observers }).check();
        expect(report.observations).toMatchObject([{ status: "forked" }]);
        await verifyForkEvidence(report.evidence[0], policy);
      }
    });

    it(`A-LOG-02 accuses none of ${honestLogs} honest logs, whatever was seen before and by whom`, async () => {
      let accused = 0;
      for (let round = 0; round < honestLogs; round++) {
        const seen = 1 + below(300);
        const { reader, watcher, honest } = await client(seen);
        const later = seen + below(20);
        reader.shown = await honest.publish(later, T0 + 10);
        const stale = await new AnyLog(LEAVES).publish(1 + below(later), T0 - 100);
        const observed = new LogWatcher({
          reader: honest,
          observers: [{ name: "who saw less", newest: async () => (await stale.checkpoint()).note }],
        });
        const [again, report] = [await watcher.check(), await observed.check()];
        if (again.error || again.evidence.length > 0 || again.size !== later) accused++;
        if (report.evidence.length > 0 || report.observations[0]?.status !== "consistent") accused++;
      }
      expect(accused).toBe(0);
    });

    it("A-LOG-03 gains nothing by an old head: the newest stays, its age grows, and who saw more tells", async () => {
      for (let round = 0; round < 50; round++) {
        const seen = 10 + below(200);
        const { reader, watcher, honest } = await client(seen);
        reader.shown = await new AnyLog(LEAVES).publish(1 + below(seen - 1), T0 - 1_000);
        const report = await watcher.check();
        expect(report).toMatchObject({ size: seen, time: T0, ageSeconds: 30, evidence: [] });
        const newcomer = new LogWatcher({
          reader: reader.shown,
          observers: [{ name: "a witness", newest: async () => (await honest.checkpoint()).note }],
          now: () => new Date((T0 + 30) * 1_000),
        });
        expect(await newcomer.check()).toMatchObject({
          ageSeconds: 1_030,
          observations: [{ status: "ahead", size: seen }],
        });
      }
    });
  });
}
