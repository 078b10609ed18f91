import {
  type Did,
  type Digest,
  type Entry,
  type JsonValue,
  type KeyOptions,
  parseCarriedEntry,
  PeerageError,
  randomBytes,
  toBase64url,
  type Verified,
} from "@peerage/core";
import type { GuardDatabase } from "../audit/database.ts";
import type { RecordChain } from "../audit/record.ts";
import { EvidenceStore } from "./evidence-store.ts";
import { type Answer, type ApprovalItem, checkAnswer, type ItemFacts, type ItemState } from "./item.ts";

/** A caller has at most this many open items: nobody is worn down by a thousand questions. */
export const MAX_OPEN_ITEMS = 20;
const KEEP_MS = 30 * 86_400_000;

export interface NewItem extends ItemFacts {
  readonly caller: Did;
  readonly req: Digest;
  readonly expiresAt: Date;
  readonly request: { readonly method: string; readonly params: JsonValue };
}

/** The table of items. Methods that write run within the caller's transaction. */
export class ItemStore {
  readonly #chain: RecordChain;
  readonly #evidence: EvidenceStore;
  readonly #byId;
  readonly #live;
  readonly #inState;
  readonly #openOf;
  readonly #insert;
  readonly #setState;
  readonly #answers;
  readonly #due;
  readonly #forget;
  readonly #drop;
  readonly #forgetUsed;
  readonly #setTold;
  readonly #dropTold;
  readonly #untold;

  constructor(database: GuardDatabase, chain: RecordChain) {
    this.#chain = chain;
    this.#evidence = new EvidenceStore(database);
    const columns = "id, state, caller, req, facts, request, filed, expires";
    this.#byId = database.prepare<[string], ItemRow>(`SELECT ${columns} FROM item WHERE id = ?`);
    this.#live = database.prepare<[string, string], ItemRow>(
      `SELECT ${columns} FROM item WHERE caller = ? AND req = ? AND state IN ('open', 'approved')`,
    );
    this.#inState = database.prepare<[string], ItemRow>(
      `SELECT ${columns} FROM item WHERE state IN (SELECT value FROM json_each(?)) ORDER BY filed, id`,
    );
    this.#openOf = database.prepare<[string], { n: number }>(
      "SELECT count(*) AS n FROM item WHERE caller = ? AND state = 'open'",
    );
    this.#insert = database.prepare<[string, string, string, string, string, number, number]>(
      "INSERT INTO item VALUES (?, 'open', ?, ?, ?, ?, ?, ?, NULL)",
    );
    this.#setState = database.prepare<[ItemState, number, string | null, string]>(
      "UPDATE item SET state = ?, expires = ?, decision = ? WHERE id = ?",
    );
    this.#answers = database.prepare<[string], { token: string }>(
      "SELECT token FROM entry WHERE item = ? AND kind <> 'link' ORDER BY seen, digest",
    );
    this.#due = database.prepare<[number], ItemRow>(
      `SELECT ${columns} FROM item WHERE state IN ('open', 'approved') AND expires <= ? ORDER BY expires LIMIT 100`,
    );
    this.#forget = database.prepare<[string]>("UPDATE item SET request = NULL WHERE id = ?");
    this.#drop = database.prepare<[number]>("DELETE FROM item WHERE filed < ?");
    this.#forgetUsed = database.prepare<[number]>(
      "UPDATE item SET request = NULL WHERE state = 'used' AND expires < ?",
    );
    this.#setTold = database.prepare<[string, string]>("INSERT OR REPLACE INTO meta VALUES ('told/' || ?, ?)");
    this.#dropTold = database.prepare<[]>(
      "DELETE FROM meta WHERE name LIKE 'told/%' AND substr(name, 6) NOT IN (SELECT id FROM item)",
    );
    this.#untold = database.prepare<[number, number], ItemRow>(
      `SELECT ${columns} FROM item WHERE state = 'open' AND filed <= ? AND expires > ?
       AND 'told/' || id NOT IN (SELECT name FROM meta) ORDER BY filed LIMIT 20`,
    );
  }

  get(id: string): ApprovalItem | undefined {
    const row = this.#byId.get(id);
    return row && this.#read(row);
  }

  /** The open or approved item of a request of a caller. */
  live(caller: Did, req: Digest): ApprovalItem | undefined {
    const row = this.#live.get(caller, req);
    return row && this.#read(row);
  }

  /** The items in these states, oldest first. */
  list(states: readonly ItemState[]): readonly ApprovalItem[] {
    return this.#inState.all(JSON.stringify(states)).map((row) => this.#read(row));
  }

  /**
   * The item of a request of a caller: the one there is, if it asks under the same rule and policy, else a new one.
   * @param isJudged - the approvals of an item that is approved were judged, and do not suffice
   * @throws {PeerageError} ERR_RATE_LIMITED if the caller has too many open
   */
  file(wanted: NewItem, isJudged: boolean, now: Date): { readonly item: ApprovalItem; readonly isNew: boolean } {
    const { caller, req, expiresAt, request, ...facts } = wanted;
    const live = this.live(caller, req);
    const isSame = live?.policy === facts.policy && live.rule === facts.rule && live.expiresAt > now;
    if (isSame && !(isJudged && live.state === "approved")) return { item: live, isNew: false };
    if (live) this.#close(live, "replaced");
    if ((this.#openOf.get(caller)?.n ?? 0) >= MAX_OPEN_ITEMS) {
      throw new PeerageError("ERR_RATE_LIMITED", "too many requests of this caller wait for a person", {
        detail: "items",
      });
    }
    const id = freshId();
    const [filed, expires] = [now.getTime(), expiresAt.getTime()];
    this.#insert.run(id, caller, req, JSON.stringify(facts), JSON.stringify(request), filed, expires);
    return { item: this.#must(id), isNew: true };
  }

  /**
   * Takes a signed answer to an item that is open, or a denial to one that is approved and was not used.
   * @param keys - which keys may speak for who answers; by default the DID's own only
   * @throws {PeerageError} ERR_NOT_FOUND, ERR_APPROVAL_INVALID, ERR_APPROVAL_EXPIRED
   */
  submit(id: string, token: unknown, now: Date, keys: KeyOptions = {}): ApprovalItem {
    const item = this.#must(id);
    if (item.state !== "open" && item.state !== "approved") {
      throw new PeerageError("ERR_APPROVAL_EXPIRED", `this request cannot be answered any more: ${item.state}`, {
        detail: item.state,
      });
    }
    if (item.expiresAt <= now) {
      throw new PeerageError("ERR_APPROVAL_EXPIRED", "nobody answered in time", { detail: "timeout" });
    }
    const entry = checkAnswer(token, item, now, keys);
    if (item.answers.some(({ digest }) => digest === entry.digest)) return item;
    this.#evidence.keep([entry], entry.result === "denied" ? "adverse" : "approval", now, { item: id });
    const event = entry.result === "denied" ? "denied" : "approved";
    this.record(item, event, entry, now, entry.issuer);
    if (event === "denied") {
      const given = item.answers.map(({ digest }) => digest);
      this.#evidence.retire(given, id, now);
      this.#close(item, "denied");
    } else {
      const approvals = [...item.answers, answerOf(entry)];
      const signers = new Set(approvals.map(({ by }) => by)).size;
      if (signers >= item.count) this.#approve(item, approvals);
    }
    return this.#must(id);
  }

  /** Items whose time has come; see {@link ItemStore.timeOut}. */
  due(now: Date): readonly ApprovalItem[] {
    return this.#due.all(now.getTime()).map((row) => this.#read(row));
  }

  /** Closes an item that nobody answered, or used, in time. `entry` is the guard's word on it, of an open one. */
  timeOut(item: ApprovalItem, entry: Verified<Entry> | undefined, now: Date): void {
    const current = this.get(item.id);
    if (current?.state !== item.state || current.expiresAt > now) return;
    if (entry) {
      this.#evidence.keep([entry], "link", now);
      this.record(item, "timeout", entry, now);
    }
    this.#close(item, item.state === "open" ? "timeout" : "lapsed");
  }

  /** Marks an item as used by a decision. */
  use(id: string, decision: string): void {
    const item = this.#must(id);
    this.#setState.run("used", item.expiresAt.getTime(), decision, id);
  }

  /** Nothing was sent: the item can be used again. */
  giveBack(id: string, _decision: string): void {
    const item = this.get(id);
    // Meanwhile the same request may have been asked about anew; then that item stands.
    if (item?.state !== "used" || this.live(item.caller, item.req)) return;
    this.#setState.run("approved", item.expiresAt.getTime(), null, id);
  }

  /** Forgets the request of an item that is closed. */
  forget(id: string): void {
    this.#forget.run(id);
  }

  /** Writes to the audit log what happened to an item. */
  record(
    item: Pick<ApprovalItem, "id" | "caller" | "req">,
    event: "asked" | "approved" | "denied" | "timeout",
    entry: Entry,
    now: Date,
    by?: Did,
  ): void {
    const at = now.toISOString();
    const { id, caller, req } = item;
    this.#chain.append({
      kind: "approval",
      at,
      event,
      item: id,
      caller,
      req,
      entry: entry.digest,
      ...(by === undefined ? {} : { by }),
    });
  }

  /** Open items of which nobody is known to have been told, though that was to be done before `since`. */
  untold(since: Date, now: Date): readonly ApprovalItem[] {
    return this.#untold.all(since.getTime(), now.getTime()).map((row) => this.#read(row));
  }

  /** Notes that somebody was told of an item, or that it was given up. */
  setTold(id: string, arrived: boolean): void {
    this.#setTold.run(id, arrived ? "yes" : "no");
  }

  cleanUp(now: Date): void {
    this.#drop.run(now.getTime() - KEEP_MS);
    // Of a call whose end nobody saw.
    this.#forgetUsed.run(now.getTime());
    this.#dropTold.run();
  }

  /** Approved: it may be used until the first of its approvals is too old or has expired. */
  #approve(item: ApprovalItem, approvals: readonly Answer[]): void {
    const ends = approvals.flatMap(({ at, expiresAt }) => [
      at.getTime() + item.withinSeconds * 1000,
      expiresAt?.getTime() ?? Infinity,
    ]);
    this.#setState.run("approved", Math.min(...ends), null, item.id);
  }

  #close(item: ApprovalItem, state: ItemState): void {
    this.#setState.run(state, item.expiresAt.getTime(), null, item.id);
    this.#forget.run(item.id);
  }

  #must(id: string): ApprovalItem {
    const item = this.get(id);
    if (!item) throw new PeerageError("ERR_NOT_FOUND", "there is no such request", { detail: "item" });
    return item;
  }

  #read(row: ItemRow): ApprovalItem {
    const { id, state, caller, req, filed, expires, request } = row;
    const answers = this.#answers.all(id).map(({ token }) => answerOf(parseCarriedEntry(token)));
    return {
      ...(JSON.parse(row.facts) as ItemFacts),
      id,
      state,
      caller,
      req,
      filedAt: new Date(filed),
      expiresAt: new Date(expires),
      answers,
      ...(request === null ? {} : { request: JSON.parse(request) as NewItem["request"] }),
    };
  }
}

interface ItemRow {
  readonly id: string;
  readonly state: ItemState;
  readonly caller: Did;
  readonly req: Digest;
  readonly facts: string;
  readonly request: string | null;
  readonly filed: number;
  readonly expires: number;
}

function answerOf({ digest, issuer, result, issuedAt, expiresAt }: Entry): Answer {
  return {
    digest,
    by: issuer,
    result: result === "denied" ? "denied" : "approved",
    at: new Date(issuedAt * 1000),
    ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt * 1000) }),
  };
}

/** 128 random bits that a command line does not take for a flag. */
function freshId(): string {
  for (;;) {
    const id = toBase64url(randomBytes(16));
    if (!id.startsWith("-")) return id;
  }
}
