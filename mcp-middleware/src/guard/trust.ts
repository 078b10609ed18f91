import {
  type Did,
  type Digest,
  emptyRoot,
  type FollowerWork,
  judgePresented,
  type KeyStatus,
  LruMap,
  type MultibaseKey,
  type Network,
  type PairChange,
  type Score,
  type Standing,
  standingOf,
  StatementSet,
  toHex,
  TrustFollower,
  unixSeconds,
  type Verified,
  View,
  type Vouch,
} from "@peerage/core";

/**
 * What this guard knows of others, from statements that it verified itself: a local snapshot, refreshed in the
 * background, so that no method waits.
 */
export interface TrustSource {
  /** The score of an agent from this guard's roots in a scope, in [0, 1]; a stranger is `"unknown"`, never a number. */
  score(did: Did, scope: string): Score;
  /** What stands behind a DID now: only an `active` key may call. */
  keyState(did: Did): KeyStatus;
  /** The key that speaks for a DID now; without this its own first key does. */
  currentKey?(did: Did): MultibaseKey;
  /** Every key that has spoken for a DID, so that a retired one is refused by its name; without this its own only. */
  keysOf?(did: Did): readonly MultibaseKey[];
  /**
   * True if a key stood behind a DID at a time, Unix seconds; without this an entry counts only while its key is the one
   * that stands now.
   */
  keyStoodAt?(did: Did, key: MultibaseKey, time: number): boolean;
  /** From when on a thief may have signed with a key, Unix seconds; undefined of a key that was never lost. */
  keyLostSince?(did: Did, key: MultibaseKey): number | undefined;
  /** What stands behind a score; asked only where the policy needs it. */
  standing?(did: Did, scope: string): Standing;
  /** How old the snapshot is, in seconds. */
  ageSeconds(): number;
  /** Names the snapshot, for the audit: log, size and root. */
  snapshot?(): string;
  /** The same for one call, with vouches that its caller presents beside what is known; see {@link judgePresented}. */
  withVouches?(vouches: readonly Verified<Vouch>[]): VouchedTrust | undefined;
  /** Older than this it decides nothing any more. */
  readonly maxAgeSeconds: number;
}

/** What is known, and vouches that were presented. To be used at once. */
export interface VouchedTrust extends TrustSource {
  /** The presented vouches that count in some scopes, because trust reaches who signed them; by id, ascending. */
  counted(scopes: Iterable<string>): readonly Digest[];
}

/** Answers with presented vouches that are kept for a view. */
const MOST_ANSWERS = 4_096;

/** From whom trust starts, and how old what it rests on may be. */
export interface TrustFromNetworkOptions {
  /** From whom this guard starts to trust; without roots everyone is unknown. */
  readonly roots: Iterable<Did>;
  /** 24 h by default. */
  readonly maxAgeSeconds?: number;
  readonly now?: () => Date;
}

/** Trust from a network, with what it cost so far. */
export interface NetworkTrust extends TrustSource {
  readonly work: FollowerWork;
}

/**
 * Trust from the log that a {@link Network} follows. The scores of a scope are computed once, then follow from view to view
 * at the cost of what changed, and are looked up for each call; a vouch that begins or ends between two checkpoints counts
 * by this guard's own clock.
 */
export function trustFromNetwork(
  network: Pick<Network, "view" | "ageSeconds">,
  options: TrustFromNetworkOptions,
): NetworkTrust {
  const follower = new TrustFollower(options.roots);
  const now = options.now ?? ((): Date => new Date());
  let source: View | undefined;
  let view: View | undefined;
  let scores = new LruMap<string, Score>(MOST_ANSWERS);

  function current(): View {
    const time = unixSeconds(now());
    const newest = network.view;
    if (view && source === newest && time < follower.changesAt) return view;
    source = newest;
    view = time > newest.time ? newest.at(time) : newest;
    follower.follow(view);
    scores = new LruMap(MOST_ANSWERS);
    return view;
  }

  function following(): TrustFollower {
    current();
    return follower;
  }

  function vouched(vouches: readonly Verified<Vouch>[]): VouchedTrust {
    const view = current();
    // What is followed stays the same until something in it changes; what is presented ends by the clock alone.
    const time = unixSeconds(now());
    const at = time > view.time ? view.at(time) : view;
    const { changes } = judgePresented(at, vouches);
    const name = changes.map(({ before, after }) => `${idsOf(before)}>${idsOf(after)}`).join(" ");
    return {
      ...known,
      counted: (scopes) => [...new Set([...scopes].flatMap((scope) => follower.reached(scope, changes)))].sort(),
      score: (did, scope) => {
        const key = `${scope} ${did} ${name}`;
        const score = scores.get(key) ?? follower.asking(scope, changes, (vector) => vector.score(did));
        scores.set(key, score);
        return score;
      },
      standing: (did, scope) => follower.asking(scope, changes, (vector) => standingOf(at, vector, did)),
    };
  }

  const known: TrustSource = {
    maxAgeSeconds: options.maxAgeSeconds ?? 86_400,
    ageSeconds: () => network.ageSeconds(),
    snapshot() {
      const { origin, size, root } = current();
      return `${origin} ${size} ${toHex(root)}`;
    },
    keyState: (did) => current().keyState(did).status,
    currentKey: (did) => current().keyState(did).current,
    keysOf: (did) => current().keysOf(did),
    keyStoodAt: (did, key, time) => current().keyStoodAt(did, key, time),
    keyLostSince: (did, key) => current().keyLostSince(did, key),
    score: (did, scope) => following().vector(scope).score(did),
    standing: (did, scope) => following().standing(did, scope),
    withVouches: vouched,
  };
  return {
    ...known,
    get work() {
      return follower.work;
    },
  };
}

function idsOf(records: PairChange["after"]): string {
  return records.map(({ statement, scopes }) => `${statement.id}:${scopes.join(",")}`).join(";");
}

/**
 * Trust from nothing but the roots and what callers present, for a guard that follows no registry: no revocation is known
 * to it, so the time that each vouch holds is all that limits it.
 */
export function trustWithoutRegistry(options: TrustFromNetworkOptions): NetworkTrust {
  const head = { origin: "none", size: 0, root: emptyRoot, time: 0, witnessed: false, note: "" };
  return trustFromNetwork({ view: new View(new StatementSet(), head), ageSeconds: () => 0 }, options);
}
