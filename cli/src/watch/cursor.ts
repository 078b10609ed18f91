import { type Did, type Network, parseDid, type View } from "@peerage/core";
import { z } from "zod";
import { CliError, usage } from "../errors.ts";
import { readBook, writeBook } from "../files/book.ts";
import { loggedEvents, type Reached, scoreEvents, type Threshold, type TrustEvent } from "./events.ts";

const did = z.string().refine((text) => {
  try {
    return parseDid(text) === text;
  } catch {
    return false;
  }
});
const form = z.strictObject({
  v: z.literal(1),
  origin: z.string(),
  size: z.int().min(0),
  note: z.string(),
  seq: z.int().min(0),
  threshold: z.string(),
  reached: z.record(did, z.boolean()),
  pending: z.array(z.looseObject({ id: z.string().regex(/^evt_[0-9a-f]{32}$/), type: z.string() })),
});

/**
 * Events that wait at one time, about: the file is written at each delivery. What is behind them stays in the log, however
 * much there is, and however long nobody takes any.
 */
const MAX_PENDING = 100;

/**
 * How far a watch has come: entries that it has seen, and events that are not delivered yet. Both change in one step of
 * one file, so that after a crash nothing is lost, and what may have been delivered comes again under the same id.
 */
export class Cursor {
  readonly #path: string | undefined;
  #state: z.infer<typeof form>;
  #seen: View | undefined;

  private constructor(path: string | undefined, state: z.infer<typeof form>) {
    this.#path = path;
    this.#state = state;
  }

  /**
   * Opens the cursor of a file, or begins one at the entry `from`, by default behind the newest.
   * @throws {CliError} ERR_CONFIG_INVALID if the file is damaged or of another log
   */
  static async open(path: string | undefined, network: Network, from: number | undefined): Promise<Cursor> {
    const kept = path === undefined ? undefined : await readBook(path, form);
    const { origin, size, note } = network.view;
    if (!kept) {
      const begun = {
        v: 1 as const,
        origin,
        size: from ?? size,
        note,
        seq: 0,
        threshold: "",
        reached: {},
        pending: [],
      };
      // At once: what happens before the first event would otherwise be lost to whoever is cut short.
      if (path !== undefined) await writeBook(path, begun);
      return new Cursor(path, begun);
    }
    if (from !== undefined)
      throw usage("the cursor says where to go on from", "leave --from out, or name another --cursor");
    if (kept.origin !== origin) {
      throw new CliError("ERR_CONFIG_INVALID", `${path ?? ""} is the cursor of another log, ${kept.origin}`, {
        hint: "--cursor <another file>",
      });
    }
    return new Cursor(path, kept);
  }

  /** The head of the log that was seen last, as it was signed. */
  get note(): string {
    return this.#state.note;
  }

  /** Entries that were looked at. */
  get size(): number {
    return this.#state.size;
  }

  /** Events that are to be delivered, the oldest first. */
  get pending(): readonly TrustEvent[] {
    return this.#state.pending as unknown as readonly TrustEvent[];
  }

  /** The number of the oldest pending event; it rises by one with each. */
  get seq(): number {
    return this.#state.seq;
  }

  /**
   * Takes in what a log has that was not looked at, as much as there is room for; of the same view a second time, nothing.
   * @returns true once all of this view was taken in
   */
  async advance(network: Network, watched: ReadonlySet<Did>, threshold: Threshold | undefined): Promise<boolean> {
    const { view } = network;
    if (view === this.#seen) return true;
    const state = this.#state;
    const room = MAX_PENDING - state.pending.length;
    const { events: logged, next: size } = loggedEvents(network, state.size, watched, room);
    if (size < view.size || room <= 0) {
      await this.#become({ ...state, size, note: view.note, pending: pendingOf(state, logged) }, logged.length > 0);
      return false;
    }
    const asked = threshold === undefined ? "" : JSON.stringify(threshold);
    // Another question has no answer from before to compare with.
    const before: Reached = asked === state.threshold ? state.reached : {};
    const scores = threshold ? scoreEvents(view, watched, threshold, before) : { events: [], reached: {} };
    const pending = pendingOf(state, [...logged, ...scores.events]);
    const next = { ...state, size, threshold: asked, reached: scores.reached, pending };
    // A log that only grows older is not worth a write every few seconds.
    await this.#become({ ...next, note: view.note }, JSON.stringify(next) !== JSON.stringify(state));
    this.#seen = view;
    return true;
  }

  /** The oldest pending event was delivered. */
  async delivered(): Promise<void> {
    const { pending, seq } = this.#state;
    await this.#become({ ...this.#state, pending: pending.slice(1), seq: seq + 1 }, true);
  }

  async #become(state: z.infer<typeof form>, write: boolean): Promise<void> {
    if (write && this.#path !== undefined) await writeBook(this.#path, state);
    this.#state = state;
  }
}

function pendingOf({ pending }: z.infer<typeof form>, more: readonly TrustEvent[]): z.infer<typeof form>["pending"] {
  return [...pending, ...(more as unknown as z.infer<typeof form>["pending"])];
}
