import { setTimeout as sleep } from "node:timers/promises";
import {
  equalBytes,
  isPeerageError,
  PeerageError,
  ProofBuilder,
  type SignedCheckpoint,
  verifyCheckpoint,
} from "@peerage/core";
import type { HeadFile } from "../keys/head-file.ts";
import { type LogKeys, ownPolicy } from "../keys/log-keys.ts";
import type { Head, StoredCheckpoint } from "../store/log-store.ts";
import { connectPostgres, type LogState, type OpenPostgresOptions, type PostgresLogStore } from "../store/postgres.ts";
import { Intake } from "./intake.ts";
import { openEdge } from "./open-edge.ts";
import type { OpenLog, OpenLogOptions } from "./open-log.ts";
import { Publisher } from "./publisher.ts";
import { TileSource } from "./tile-source.ts";
import { TreeWriter } from "./tree-writer.ts";

export interface SharedLogOptions extends OpenLogOptions {
  readonly url: string;
  readonly keys: LogKeys;
  readonly headFile: HeadFile;
  readonly mustExist: boolean;
  readonly postgres?: Omit<OpenPostgresOptions, "mustExist">;
}

const BATCH = 1_024;
/** How often the head is looked at while nothing waits, and while something does. */
const IDLE_MS = 250;
const WAITING_MS = 20;
/** A database that is away is asked again after this long. */
const RETRY_MS = 500;
/** Silence for so long means that nothing can be submitted now. */
const SILENT_MS = 5_000;
/** At the start: for a database, and for the process that writes to publish something. */
const OPENING_MS = 30_000;

/** What the process that holds the lease has, and no other. */
interface Leader {
  readonly tree: TreeWriter;
  readonly publisher: Publisher;
  renewAt: number;
}

/**
 * One process of a log in PostgreSQL. Each hands statements in and shows what is published; the one that holds the lease
 * orders and publishes. A lease that is lost, or a write of which the outcome is unknown, makes it one of the others
 * again: what is in the database decides, never what a process remembers.
 */
export class SharedLog implements OpenLog {
  readonly hooks: OpenLog["hooks"] = {};
  readonly reads: PostgresLogStore;
  readonly tiles: TileSource;
  readonly writer: NonNullable<OpenLog["writer"]>;
  readonly #options: SharedLogOptions;
  readonly #store: PostgresLogStore;
  readonly #proofs: ProofBuilder;
  readonly #intake: Intake;
  #state: LogState;
  #current: StoredCheckpoint | undefined;
  #leader: Leader | undefined;
  #stepping: Promise<void> | undefined;
  #loop: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #woken = false;
  #stopped = false;
  #answeredAt = performance.now();

  private constructor(options: SharedLogOptions, store: PostgresLogStore, state: LogState) {
    this.#options = options;
    this.#store = store;
    this.#state = state;
    this.reads = store;
    this.tiles = new TileSource(store);
    this.#proofs = new ProofBuilder((...at) => this.tiles.read(...at));
    this.#intake = new Intake({
      store,
      head: () => this.#leader?.tree.head ?? this.#state.head,
      onSubmit: () => this.#rouse(),
      ...(options.batchDelayMs === undefined ? {} : { delayMs: options.batchDelayMs }),
    });
    const withoutQuorumMs = (): number => this.#leader?.publisher.withoutQuorumMs ?? 0;
    this.writer = {
      store,
      sequencer: this.#intake,
      get publisher() {
        return { withoutQuorumMs: withoutQuorumMs() };
      },
    };
  }

  /**
   * Opens the log, and resolves when there is a published head.
   * @throws {PeerageError} ERR_STORE_CORRUPT, ERR_CONFIG_INVALID, ERR_CHECKPOINT_INVALID if the log is another's;
   *   ERR_REGISTRY_BUSY or ERR_REGISTRY_UNREACHABLE if nothing is published within half a minute
   */
  static async open(options: SharedLogOptions): Promise<SharedLog> {
    const { url, mustExist, postgres } = options;
    const store = await connectPostgres(url, { mustExist, ...postgres });
    let log: SharedLog | undefined;
    try {
      log = new SharedLog(options, store, await store.state());
      const deadline = performance.now() + OPENING_MS;
      for (;;) {
        await log.#turn();
        if (log.#current) break;
        if (performance.now() > deadline) {
          throw new PeerageError("ERR_REGISTRY_UNREACHABLE", "no process has published this log yet");
        }
        await sleep(WAITING_MS);
      }
      log.#loop = log.#run();
      return log;
    } catch (error) {
      if (log) await log.#stepDown();
      await store[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Why nothing can be submitted at this moment, if so. */
  notReady(): string | undefined {
    const silent = performance.now() - this.#answeredAt > SILENT_MS;
    return silent ? "the registry's database does not answer" : undefined;
  }

  readonly current = (): StoredCheckpoint => {
    if (!this.#current) throw new TypeError("nothing is published before open");
    return this.#current;
  };

  /** True while this process is the one that orders and publishes. */
  get leads(): boolean {
    return this.#leader !== undefined;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      let pause = RETRY_MS;
      try {
        pause = (await this.#turn()) ? 0 : this.#intake.waiting > 0 ? WAITING_MS : IDLE_MS;
      } catch (error) {
        await this.#stepDown();
        if (!isPassing(error)) this.#fail(error);
      }
      this.#intake.expire();
      if (pause > 0) await this.#pause(pause);
    }
  }

  /** Until the time is over, or something was handed in here since the last turn began. */
  async #pause(ms: number): Promise<void> {
    if (this.#woken) return;
    const woken = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => woken.resolve(undefined), ms);
    timer.unref();
    this.#wake = () => woken.resolve(undefined);
    await woken.promise;
    clearTimeout(timer);
    this.#wake = undefined;
  }

  #rouse(): void {
    this.#woken = true;
    this.#wake?.();
  }

  /** Looks at the database once. @returns true if there may be more to do at once */
  async #turn(): Promise<boolean> {
    this.#woken = false;
    const before = this.#state;
    this.#state = await this.#store.state();
    this.#answeredAt = performance.now();
    const { head, epoch } = this.#state;
    if (this.#current && head.size < this.#current.size) throw rolledBack(head, this.#current);
    if (this.#leader && epoch !== this.#store.epoch) await this.#stepDown();
    if (this.#leader) return this.#lead(this.#leader); // and what is published is shown by itself
    await this.#follow(this.#state);
    if (head.size !== before.head.size || this.#intake.waiting > 0) await this.#intake.look();
    if (!this.#state.mayTake || this.#stopped || !(await this.#store.take())) return false;
    await this.#takeOver();
    return true;
  }

  /** Shows what was published, if it goes on from what this process has shown. */
  async #follow({ shown }: LogState): Promise<void> {
    const current = this.#current;
    if (!shown || (current && shown.note === current.note)) return;
    if (current && (shown.size < current.size || (shown.size === current.size && shown.time < current.time))) return;
    await this.#checkOwn(shown);
    if (current) await this.#checkContains(shown, current);
    await this.#options.headFile.write(shown.note);
    await this.#show(shown);
  }

  async #show(checkpoint: StoredCheckpoint): Promise<void> {
    if (this.#current && checkpoint.size < this.#current.size) return;
    this.#current = checkpoint;
    await this.hooks.onPublish?.(checkpoint);
  }

  /** The lease is ours: everything is read anew. */
  async #takeOver(): Promise<void> {
    const { keys, headFile, now, quorum, cadenceMs } = this.#options;
    const tiles = new TileSource(this.#store);
    const tree = new TreeWriter(this.#store, await openEdge(this.#store, tiles));
    for (const seen of await this.#seen()) await this.#checkContains(tree.head, seen);
    // The first checkpoint may wait for witnesses for longer than the lease lasts.
    const renewing = setInterval(() => void this.#store.renew().catch(() => undefined), this.#store.leaseMs / 4);
    const publisher = await Publisher.start({
      store: this.#store,
      keys,
      headFile,
      now: now ?? (() => new Date()),
      head: () => tree.head,
      quorum,
      consistency: (from, to) => this.#proofs.consistency(from, to),
      onPublish: (checkpoint) => this.#show(checkpoint),
      onFailure: (error) => {
        void this.#stepDown();
        if (!isPassing(error)) this.#fail(error);
      },
      ...(cadenceMs === undefined ? {} : { cadenceMs }),
    }).finally(() => clearInterval(renewing));
    this.#leader = { tree, publisher, renewAt: this.#nextRenewal() };
  }

  /** Gives what waits its order. @returns true if the intake may hold more */
  async #lead(leader: Leader): Promise<boolean> {
    const rows = await this.#store.intake(BATCH);
    if (rows.length > 0) {
      const candidates = rows.map(({ seq: _, ...candidate }) => candidate);
      const drained = rows.map(({ seq }) => seq);
      const places = await leader.tree.commit(
        candidates,
        (...write) => this.#store.append(...write, drained),
        true, // also if all are known: they leave the intake
      );
      this.#intake.sequenced(candidates, places);
      leader.publisher.grown();
      leader.renewAt = this.#nextRenewal();
    } else if (performance.now() > leader.renewAt) {
      await this.#store.renew();
      leader.renewAt = this.#nextRenewal();
    }
    return rows.length === BATCH;
  }

  #nextRenewal(): number {
    return performance.now() + this.#store.leaseMs / 4;
  }

  /** Every head that this process knows to have been shown. */
  async #seen(): Promise<SignedCheckpoint[]> {
    const { keys, headFile } = this.#options;
    const file = await headFile.read();
    const notes = [...(file === undefined ? [] : [file]), ...(this.#current ? [this.#current.note] : [])];
    return Promise.all(notes.map((note) => verifyCheckpoint(note, ownPolicy(keys))));
  }

  async #checkContains(head: Head, seen: Head): Promise<void> {
    const same = head.size >= seen.size && equalBytes(await this.#proofs.root(seen.size), seen.root);
    if (!same) throw rolledBack(head, seen);
  }

  /** Two processes of one log have the same keys. */
  async #checkOwn({ note, size, root }: StoredCheckpoint): Promise<void> {
    const said = await verifyCheckpoint(note, ownPolicy(this.#options.keys));
    if (said.size !== size || !equalBytes(said.root, root)) {
      throw new PeerageError("ERR_STORE_CORRUPT", "the checkpoint that the database shows is not the one it names");
    }
  }

  /** Leaves the order to whoever takes it up; nothing of what was known about the tree is kept. */
  #stepDown(): Promise<void> {
    const leader = this.#leader;
    this.#leader = undefined;
    if (!leader) return this.#stepping ?? Promise.resolve();
    return (this.#stepping = leader.publisher[Symbol.asyncDispose]().finally(() => (this.#stepping = undefined)));
  }

  #fail(error: unknown): void {
    this.#stopped = true;
    const reason =
      error instanceof PeerageError
        ? error
        : new PeerageError("ERR_REGISTRY_BUSY", "the log could not be written; the registry must be restarted", {
            cause: error,
          });
    this.#intake.end(reason);
    if (this.hooks.failure !== undefined) return;
    this.hooks.failure = error;
    this.#options.onFailure?.(error);
  }

  /** Answers what waits if it can, publishes what it ordered, and gives the lease back. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#intake[Symbol.asyncDispose]();
    const deadline = performance.now() + this.#store.leaseMs;
    while (!this.#stopped && this.#intake.waiting > 0 && performance.now() < deadline) await sleep(WAITING_MS);
    const led = this.leads;
    this.#stopped = true;
    this.#rouse();
    await this.#loop;
    await this.#stepDown();
    this.#intake.end(new PeerageError("ERR_REGISTRY_BUSY", "the registry is shutting down"));
    if (led) await this.#store.release().catch(() => undefined);
    await this.#store[Symbol.asyncDispose]();
  }
}

/** The database was away, or another process leads: no reason to end this one. */
function isPassing(error: unknown): boolean {
  return isPeerageError(error, "ERR_REGISTRY_BUSY") || isPeerageError(error, "ERR_STORE_FENCED");
}

function rolledBack(head: Head, seen: Head): PeerageError {
  return new PeerageError(
    "ERR_STORE_CORRUPT",
    `the database holds ${head.size} entries, but ${seen.size} were published, or others: it is older than what was shown`,
  );
}
