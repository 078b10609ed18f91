import { hostname } from "node:os";
import type { GuardDatabase } from "./database.ts";

/** A process says this often that it lives … */
export const HEARTBEAT_MS = 10_000;
/** … and counts as gone after this much silence. */
const SILENCE_MS = 60_000;

/** A decision whose call still runs, or whose process is gone. */
export interface OpenDecision {
  readonly seq: number;
  readonly id: string;
}

/**
 * The processes that write one log. A decision without an outcome belongs to the process that made it; once that is gone,
 * any other closes it.
 */
export class Instances {
  readonly id: string = crypto.randomUUID();
  readonly #database: GuardDatabase;

  constructor(database: GuardDatabase) {
    this.#database = database;
  }

  /** Says that this process lives. */
  beat(): void {
    this.#database
      .prepare("INSERT INTO instance VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET seen = excluded.seen")
      .run(this.id, hostname(), process.pid, Date.now());
  }

  /** Forgets the processes that are gone and tells what they left open; within the caller's transaction. */
  takeLost(): readonly OpenDecision[] {
    const others = this.#database
      .prepare<[string], Instance>("SELECT id, host, pid, seen FROM instance WHERE id <> ?")
      .all(this.id);
    for (const { id } of others.filter(isGone)) {
      this.#database.prepare("DELETE FROM instance WHERE id = ?").run(id);
    }
    return this.#database
      .prepare<[], OpenDecision>(
        "SELECT seq, id FROM open WHERE instance NOT IN (SELECT id FROM instance) ORDER BY seq",
      )
      .all();
  }

  /** What this process has open, which it will not finish any more; within the caller's transaction. */
  leave(): readonly OpenDecision[] {
    this.#database.prepare("DELETE FROM instance WHERE id = ?").run(this.id);
    return this.#database
      .prepare<[string], OpenDecision>("SELECT seq, id FROM open WHERE instance = ? ORDER BY seq")
      .all(this.id);
  }
}

interface Instance {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  /** Unix milliseconds. */
  readonly seen: number;
}

/** A number of a process means something on its own machine only, and may have been given to another since. */
function isGone({ host, pid, seen }: Instance): boolean {
  if (Math.abs(Date.now() - seen) > SILENCE_MS) return true;
  if (host !== hostname()) return false;
  // A container that starts anew often has its old number again.
  if (pid === process.pid) return seen < performance.timeOrigin;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
