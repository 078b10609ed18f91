import { cpSync } from "node:fs";
import {
  type Digest,
  type ForkEvidence,
  generateIdentity,
  issueVouch,
  LogWatcher,
  MergedNetwork,
  PeerageError,
  type RegistryReader,
  type Verified,
  verifyForkEvidence,
} from "@peerage/core";
import { expect, it } from "vitest";
import { openRegistry, type Registry } from "../../registry/src/index.ts";
import { Random } from "../_fuzz-random.ts";
import { temporaryFolder } from "../_registry.ts";

const seed = Number(process.env["CHAOS_SEED"] ?? Date.now() % 2 ** 31);
const ROUNDS = Number(process.env["CHAOS_ROUNDS"] ?? 60);
console.info(`chaos: CHAOS_SEED=${seed} CHAOS_ROUNDS=${ROUNDS} repeats this run`);

const FOLLOWERS = 4;
const REGISTRIES = 5;
const CADENCE_MS = 20;

/** A registry as the world sees it: one that lies shows another log to some, under the same keys. */
interface Shown {
  readonly registry: Registry;
  twin?: Registry;
  /** Who is shown the twin. */
  readonly deceived: Set<number>;
}

/** Which of two parts hear each other now. */
class Links {
  readonly #cut = new Set<string>();

  set(name: string, isUp: boolean): void {
    if (isUp) this.#cut.delete(name);
    else this.#cut.add(name);
  }

  isUp(name: string): boolean {
    return !this.#cut.has(name);
  }

  heal(): void {
    this.#cut.clear();
  }
}

/** Somebody who follows all registries and compares what it sees with the others whom it reaches. */
class Follower {
  readonly evidence = new Map<string, Verified<ForkEvidence>>();
  /** The newest checkpoint that each registry showed to it. */
  readonly seen: (string | undefined)[] = [];
  readonly merged: MergedNetwork;
  readonly #watchers: readonly LogWatcher[];

  private constructor(merged: MergedNetwork, watchers: readonly LogWatcher[], seen: (string | undefined)[]) {
    this.merged = merged;
    this.#watchers = watchers;
    this.seen = seen;
  }

  static async start(
    me: number,
    registries: readonly Shown[],
    links: Links,
    others: () => readonly (Follower | undefined)[],
  ): Promise<Follower> {
    const seen: (string | undefined)[] = [];
    const readers = registries.map((shown, r) => readerOf(shown, me, r, links, seen));
    const merged = await MergedNetwork.open({ readers });
    const watchers = readers.map((reader, r) => {
      const observers = Array.from({ length: FOLLOWERS }, (_, other) => ({
        name: `follower ${other}`,
        newest: (): Promise<string | undefined> => {
          if (other === me) return Promise.resolve(undefined);
          if (!links.isUp(gossip(me, other))) return Promise.reject(new Error("cut off"));
          return Promise.resolve(others()[other]?.seen[r]);
        },
      }));
      return new LogWatcher({ reader, observers });
    });
    return new Follower(merged, watchers, seen);
  }

  /** One cadence: everything is read again, and what is seen is compared. */
  async look(): Promise<void> {
    await this.merged.refresh().catch(reachable);
    for (const { origin, evidence } of this.merged.sources) if (evidence) this.evidence.set(origin, evidence);
    for (const watcher of this.#watchers) {
      const report = await watcher.check().catch(reachable);
      for (const proof of report?.evidence ?? []) this.evidence.set(report!.origin, proof);
    }
  }
}

/** Only that somebody cannot be reached is to be expected of an honest log. */
function reachable(error: unknown): undefined {
  if (!(error instanceof PeerageError)) throw error;
  expect(["ERR_REGISTRY_UNREACHABLE", "ERR_LOG_FORKED", "ERR_CONSISTENCY_INVALID"]).toContain(error.code);
}

const gossip = (a: number, b: number): string => `gossip ${Math.min(a, b)} ${Math.max(a, b)}`;
const link = (follower: number, registry: number): string => `link ${follower} ${registry}`;

function readerOf(shown: Shown, me: number, r: number, links: Links, seen: (string | undefined)[]): RegistryReader {
  const now = (): RegistryReader => {
    if (!links.isUp(link(me, r))) throw new PeerageError("ERR_REGISTRY_UNREACHABLE", "the network is cut");
    return (shown.deceived.has(me) && shown.twin ? shown.twin : shown.registry).reader;
  };
  return {
    origin: shown.registry.origin,
    logKey: shown.registry.logKey,
    checkpoint: async () => {
      const checkpoint = await now().checkpoint();
      seen[r] = checkpoint.note;
      return checkpoint;
    },
    checkpoints: async function* (...range) {
      yield* now().checkpoints(...range);
    },
    leaves: async function* (...range) {
      yield* now().leaves(...range);
    },
    consistencyProof: async (...range) => now().consistencyProof(...range),
    tile: async (...where) => now().tile(...where),
  };
}

async function publish(registry: Registry, count: number): Promise<Digest[]> {
  const vouches = await Promise.all(
    Array.from({ length: count }, () =>
      issueVouch(generateIdentity(), { subject: generateIdentity().did, scope: ["tools"], confidence: 80 }),
    ),
  );
  const logged = await Promise.all(vouches.map(({ bytes }) => registry.submit(bytes)));
  expect(await registry.published(Math.max(...logged.map(({ index }) => index)))).toBe(true);
  return vouches.map(({ id }) => id);
}

/** True if two who hear each other were shown the two sides of one lie, in checkpoints that say so. */
function isExposed(liar: Shown, index: number, links: Links, followers: readonly Follower[]): boolean {
  if (!liar.twin) return false;
  const side = (f: number): boolean => liar.deceived.has(f);
  return followers.some((one, a) =>
    followers.some(
      (other, b) =>
        side(a) &&
        !side(b) &&
        links.isUp(gossip(a, b)) &&
        [a, b].every((f) => links.isUp(link(f, index))) &&
        one.seen[index] !== undefined &&
        other.seen[index] !== undefined,
    ),
  );
}

it.each([
  [seed, "turns its coat"],
  [seed + 1, "shows two logs from the beginning"],
  [seed + 2, "shows two logs from the beginning"],
])(
  "A-LOG-02 five registries, partitions and one liar: alarm within two cadences, nobody honest accused, all converge (seed %i: it %s)",
  async (own, lie) => {
    const isSplit = lie.includes("two logs");
    const random = new Random(own, "chaos");
    const links = new Links();
    await using stack = new AsyncDisposableStack();
    const folders = Array.from({ length: REGISTRIES + 1 }, () => stack.use(temporaryFolder()));
    const open = (n: number): Promise<Registry> => openRegistry({ dataDir: folders[n]!.path, cadenceMs: CADENCE_MS });

    // The liar's two logs begin as one.
    const liarIndex = random.below(REGISTRIES);
    const base = await open(liarIndex);
    await publish(base, 2 + random.below(4));
    await base[Symbol.asyncDispose]();
    cpSync(folders[liarIndex]!.path, folders[REGISTRIES]!.path, { recursive: true });
    const shown: Shown[] = [];
    for (let n = 0; n < REGISTRIES; n++) shown.push({ registry: stack.use(await open(n)), deceived: new Set() });
    const twin = stack.use(await open(REGISTRIES));
    const liar = shown[liarIndex]!;
    const acknowledged: Digest[] = [];
    for (const { registry } of shown)
      if (registry !== liar.registry) acknowledged.push(...(await publish(registry, 2)));

    const followers: Follower[] = [];
    for (let me = 0; me < FOLLOWERS; me++) followers.push(await Follower.start(me, shown, links, () => followers));

    // From the first round on, nobody is ever shown both of its logs, and only what others saw can tell.
    const liesFrom = isSplit ? 0 : Math.floor(ROUNDS / 4) + random.below(Math.ceil(ROUNDS / 4));
    const knows = (): Follower[] => followers.filter(({ evidence }) => evidence.has(liar.registry.origin));
    let exposedFor = 0;
    let alarms = 0;
    for (let round = 0; round < ROUNDS; round++) {
      // Who cannot hear whom changes all the time; a third of all links is cut.
      for (let a = 0; a < FOLLOWERS; a++) {
        for (let r = 0; r < REGISTRIES; r++) if (random.oneIn(3)) links.set(link(a, r), !random.oneIn(3));
        for (let b = 0; b < a; b++) if (random.oneIn(3)) links.set(gossip(a, b), !random.oneIn(3));
      }
      if (round === liesFrom) {
        liar.twin = twin;
        liar.deceived.add(random.below(FOLLOWERS));
        await publish(twin, 1 + random.below(3));
        await publish(liar.registry, 1 + random.below(3));
      }
      if (!isSplit && round > liesFrom && random.oneIn(6)) liar.deceived.add(random.below(FOLLOWERS));
      for (const one of shown) {
        if (!random.oneIn(2)) continue;
        const ids = await publish(one.registry, 1 + random.below(2));
        if (one !== liar) acknowledged.push(...ids);
      }
      if (liar.twin && random.oneIn(2)) await publish(twin, 1 + random.below(2));
      await Promise.all(followers.map((one) => one.look()));
      if (knows().length > 0) alarms ||= round;
      // Both sides of the lie were in hearing of each other, and still nobody has said so.
      exposedFor = knows().length === 0 && isExposed(liar, liarIndex, links, followers) ? exposedFor + 1 : 0;
      expect(exposedFor, `round ${round}: the alarm is late`).toBeLessThan(2);
      for (const { evidence } of followers)
        expect([...evidence.keys()].filter((origin) => origin !== liar.registry.origin)).toEqual([]);
    }

    links.heal();
    // Two cadences with everybody in hearing of everybody.
    liar.deceived.clear();
    liar.deceived.add(0);
    for (let cadence = 0; cadence < 2; cadence++) {
      await publish(liar.registry, 1);
      await publish(twin, 1);
      await Promise.all(followers.map((one) => one.look()));
    }
    expect(knows().length, "somebody has the proof").toBeGreaterThan(0);
    for (const { evidence } of knows()) {
      const proof = evidence.get(liar.registry.origin);
      // Whoever has it can show it to anybody.
      await verifyForkEvidence(JSON.parse(JSON.stringify(proof)), {
        origin: liar.registry.origin,
        logKey: liar.registry.logKey,
      });
    }
    for (const [me, { merged, evidence }] of followers.entries()) {
      expect([...evidence.keys()].filter((origin) => origin !== liar.registry.origin)).toEqual([]);
      const missing = acknowledged.filter((id) => merged.view.statement(id) === undefined);
      expect(missing, `follower ${me} lacks what honest registries acknowledged`).toEqual([]);
      const honest = merged.sources.filter(({ origin }) => origin !== liar.registry.origin);
      expect(honest.map(({ error }) => error)).toEqual(honest.map(() => undefined));
    }
    console.info(`chaos: seed ${own}: the lie began in round ${liesFrom}, the first proof was in round ${alarms}`);
  },
);
