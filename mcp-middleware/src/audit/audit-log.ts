import { readFileSync } from "node:fs";
import {
  type Did,
  type Digest,
  type Entry,
  fromBase64url,
  parseCheckpoint,
  parseSignedNote,
  type Policy,
  randomBytes,
  type Signer,
  toBase64url,
  tokenDigest,
} from "@peerage/core";
import type Database from "better-sqlite3";
import { EvidenceStore } from "../approval/evidence-store.ts";
import { ItemStore } from "../approval/item-store.ts";
import type { Limit } from "../guard/rates.ts";
import { Checkpointer, checkpointPath } from "./checkpointer.ts";
import { type Reservation, type Reserved, SqliteCounters } from "./counters.ts";
import { auditUnavailable, type GuardDatabase, onDisk, openGuardDatabase, readBase } from "./database.ts";
import { Flusher } from "./flusher.ts";
import { HEARTBEAT_MS, Instances } from "./instances.ts";
import type { Opening } from "./sealed.ts";
import { ReceiptStore } from "./receipts.ts";
import { rotateAudit } from "./rotate.ts";
import { type DecisionBody, type Outcome, type OutcomeBody, RecordChain, type StartBody } from "./record.ts";

/**
 * How much of a call's arguments stands in the log: their digest only, each by a salted digest of its own (what opens them
 * is kept beside the log, and can be shown one by one or erased), the members that some rule names, or all.
 */
export type RecordedArguments = "digest" | "sealed" | "redacted" | "full";

/** Where the log is kept, who signs it, and how large it may become. */
export interface AuditLogOptions {
  /** The file; its folder must be there. */
  readonly path: string;
  /** The guard's own key: it signs the checkpoints. */
  readonly identity: Signer;
  readonly args?: RecordedArguments | undefined;
  /** Once the log has so many records, those under the last checkpoint are archived beside it; never by default. */
  readonly rotateRecords?: number | undefined;
  /** Largest size of the file, in bytes; beyond it calls are refused as on a full disk. No limit by default. */
  readonly maxBytes?: number | undefined;
  readonly now?: (() => Date) | undefined;
  readonly onAlarm?: ((problem: unknown) => void) | undefined;
}

/** What is changed in one transaction with the record of a decision, or not at all. */
export interface DecisionEffects {
  readonly limits?: readonly Limit[];
  readonly reservations?: readonly Reservation[];
  /** Entries that are used up. */
  readonly spend?: readonly Digest[];
  /** The item that the call was approved under. */
  readonly item?: string | undefined;
  /** Entries to keep, so that the decision can be understood later. */
  readonly keep?: readonly Entry[];
  /** What opens the sealed arguments. */
  readonly openings?: readonly Opening[] | undefined;
  /** True: an outcome will follow. */
  readonly isOpen?: boolean;
  /** True: on the disk before this returns. */
  readonly durable?: boolean;
}

/** A decision that was recorded, for its outcome. */
export interface Recorded {
  readonly seq: number;
  readonly id: string;
  readonly reserved: readonly Reserved[];
  readonly spent: readonly Digest[];
  readonly item: string | undefined;
}

/** The parts of an open log. */
interface Parts {
  readonly database: GuardDatabase;
  readonly chain: RecordChain;
  readonly counters: SqliteCounters;
  readonly evidence: EvidenceStore;
  readonly items: ItemStore;
  readonly receipts: ReceiptStore;
  readonly instances: Instances;
  readonly flusher: Flusher;
  readonly checkpointer: Checkpointer;
  readonly addOpen: (seq: number, id: string) => void;
  readonly removeOpen: (seq: number) => void;
  readonly addOpening: (decision: string, opening: Opening) => void;
  readonly addPolicy: Database.Statement<[string, string]>;
}

/**
 * The audit log of a guard: a SQLite file, mode 0600, opened at the first decision. Each record carries the hash of the
 * one before; signed checkpoints over all of them stand in it and beside it. Several guard processes of one identity may
 * share it. Approvals and counters live in the same file, because they change in one transaction with a decision.
 */
export class AuditLog implements AsyncDisposable {
  readonly path: string;
  readonly args: RecordedArguments;
  readonly #options: AuditLogOptions;
  #parts: Parts | undefined;
  #start: Omit<StartBody, "kind" | "at" | "guard"> | undefined;
  #beat: NodeJS.Timeout | undefined;
  readonly #chores: (() => Promise<void>)[] = [];
  /** Policies whose document is in the file. */
  readonly #policies = new Set<string>();
  #isClosed = false;

  constructor(options: AuditLogOptions) {
    this.path = options.path;
    this.args = options.args ?? "digest";
    this.#options = options;
  }

  /** The guard whose log this is. */
  get guard(): Did {
    return this.#options.identity.did;
  }

  /** What the first record of this process says: that the guard refused what it must. */
  setStart(start: Omit<StartBody, "kind" | "at" | "guard">): void {
    this.#start ??= start;
  }

  /** Has something done every few seconds while the log is open. */
  addChore(chore: () => Promise<void>): void {
    this.#chores.push(chore);
  }

  /** Approvals that were asked for, and answered. */
  get items(): ItemStore {
    return this.#open().items;
  }

  /** Entries that this guard keeps, and which of them were used up. */
  get evidence(): EvidenceStore {
    return this.#open().evidence;
  }

  /**
   * Records a decision, with all that changes with it; nothing of it happens if one part cannot.
   * @throws {PeerageError} ERR_AUDIT_UNAVAILABLE; ERR_RATE_LIMITED, ERR_POLICY_DENIED from counters; ERR_APPROVAL_INVALID
   *   if an entry was used up meanwhile
   */
  decide(body: DecisionBody, effects: DecisionEffects = {}, policy?: Policy): Recorded {
    const parts = this.#open();
    const now = this.#now();
    const isNewPolicy = policy !== undefined && !this.#policies.has(policy.digest);
    const keep = effects.keep?.length ? parts.evidence.unknown(effects.keep, "link") : [];
    const recorded = this.transact((): Recorded => {
      const reserved = parts.counters.take(effects.limits ?? [], effects.reservations ?? [], now);
      const spent = effects.spend ?? [];
      parts.evidence.spend(spent, body.id, now);
      parts.evidence.keep(keep, "link", now);
      if (effects.item !== undefined) parts.items.use(effects.item, body.id);
      if (isNewPolicy) parts.addPolicy.run(policy.digest, JSON.stringify(policy.document));
      for (const opening of effects.openings ?? []) parts.addOpening(body.id, opening);
      const seq = parts.chain.append(body);
      if (effects.isOpen === true) parts.addOpen(seq, body.id);
      return { seq, id: body.id, reserved, spent, item: effects.item };
    }, effects.durable);
    if (isNewPolicy) this.#policies.add(policy.digest);
    parts.evidence.remember(keep, "link");
    return recorded;
  }

  /**
   * Records how a decided call ended. If nothing was sent, what the call had used up is given back.
   * @param receipt - the token that goes out with the answer: it is kept, and the record names its digest
   */
  finish(
    recorded: Recorded,
    outcome: Outcome,
    more: Pick<OutcomeBody, "sent" | "ms" | "res"> = {},
    receipt?: string,
  ): void {
    const parts = this.#open();
    const named = receipt === undefined ? {} : { receipt: tokenDigest(receipt) };
    this.transact(() => {
      const { seq, id, reserved, spent, item } = recorded;
      const at = this.#now().toISOString();
      const place = parts.chain.append({ kind: "outcome", id, at, outcome, ...more, ...named }, seq);
      if (receipt !== undefined) parts.receipts.keep(place, receipt);
      parts.removeOpen(seq);
      if (more.sent !== false) {
        if (item !== undefined) parts.items.forget(item);
        return;
      }
      parts.counters.giveBack(reserved);
      parts.evidence.giveBack(spent, id);
      if (item !== undefined) parts.items.giveBack(item, id);
    });
  }

  /** Keeps the receipt of a call that was recorded as refused. @throws {PeerageError} ERR_AUDIT_UNAVAILABLE */
  keepReceipt({ seq }: Recorded, receipt: string): void {
    this.transact(() => this.#open().receipts.keep(seq, receipt));
  }

  /** Runs several writes as one; see {@link AuditLog.chain}. @throws {PeerageError} ERR_AUDIT_UNAVAILABLE */
  transact<T>(run: () => T, durable = false): T {
    const { database, flusher, checkpointer, chain } = this.#open();
    const result = onDisk(() => {
      if (!durable) return database.transaction(run).immediate();
      database.pragma("synchronous = FULL");
      try {
        return database.transaction(run).immediate();
      } finally {
        database.pragma("synchronous = NORMAL");
      }
    });
    flusher.touch();
    if (checkpointer.isDue(chain.size)) this.checkpoint().catch(this.#alarm);
    return result;
  }

  /** For records beside decisions, within {@link AuditLog.transact}. */
  get chain(): RecordChain {
    return this.#open().chain;
  }

  /** 32 random bytes that all processes of this guard share, made when they are first asked for. */
  secret(name: string): Uint8Array {
    const { database } = this.#open();
    return onDisk(() => {
      const fresh = toBase64url(randomBytes(32));
      database.prepare("INSERT OR IGNORE INTO meta VALUES (?, ?)").run(`secret/${name}`, fresh);
      const row = database
        .prepare<[string], { value: string }>("SELECT value FROM meta WHERE name = ?")
        .get(`secret/${name}`);
      return fromBase64url(row?.value ?? fresh);
    });
  }

  /** Signs the log as it stands. */
  async checkpoint(): Promise<void> {
    const { checkpointer, flusher } = this.#open();
    await checkpointer.sign(() => flusher.flush());
  }

  /** Settles once everything recorded so far is on the disk. */
  async flush(): Promise<void> {
    await this.#parts?.flusher.flush();
  }

  /** A clean stop: closes what is open as `abandoned`, signs a last checkpoint. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#beat);
    const parts = this.#parts;
    if (!parts) return;
    try {
      onDisk(() => parts.database.transaction(() => this.#abandon(parts, parts.instances.leave())).immediate());
      await parts.checkpointer.sign(() => parts.flusher.flush());
    } catch (error) {
      this.#alarm(error);
    }
    this.#parts = undefined;
    await parts.flusher.close();
    parts.database.close();
  }

  #open(): Parts {
    if (this.#parts) return this.#parts;
    if (this.#isClosed) throw auditUnavailable("it is closed");
    const { path, identity, maxBytes } = this.#options;
    const database = openGuardDatabase(path, { maxBytes });
    try {
      return onDisk(() => {
        const chain = new RecordChain(database);
        checkOwner(database, identity.did);
        checkNotRolledBack(path, chain.size);
        const parts = this.#assemble(database, chain);
        database
          .transaction(() => {
            parts.instances.beat();
            const at = this.#now().toISOString();
            chain.append({ kind: "start", at, guard: identity.did, ...this.#start });
            this.#abandon(parts, parts.instances.takeLost());
          })
          .immediate();
        this.#beat = setInterval(() => this.#heartbeat(parts), HEARTBEAT_MS).unref();
        // What the process before left undone; the call that opened the log does not wait for it.
        setImmediate(() => this.#doChores()).unref();
        return (this.#parts = parts);
      });
    } catch (error) {
      database.close();
      throw error;
    }
  }

  #assemble(database: GuardDatabase, chain: RecordChain): Parts {
    const { path, identity } = this.#options;
    const instances = new Instances(database);
    const addOpen = database.prepare<[number, string, string]>("INSERT INTO open VALUES (?, ?, ?)");
    const addOpening = database.prepare<[string, string, string, string]>("INSERT INTO opening VALUES (?, ?, ?, ?)");
    const removeOpen = database.prepare<[number]>("DELETE FROM open WHERE seq = ?");
    return {
      database,
      chain,
      instances,
      counters: new SqliteCounters(database),
      evidence: new EvidenceStore(database),
      items: new ItemStore(database, chain),
      receipts: new ReceiptStore(database),
      flusher: new Flusher(path, this.#alarm),
      checkpointer: new Checkpointer(database, path, identity),
      addOpen: (seq, id) => addOpen.run(seq, id, instances.id),
      removeOpen: (seq) => removeOpen.run(seq),
      addOpening: (decision, { name, salt, value }) => void addOpening.run(decision, name, salt, JSON.stringify(value)),
      addPolicy: database.prepare("INSERT OR IGNORE INTO policy VALUES (?, ?)"),
    };
  }

  #abandon(parts: Parts, lost: readonly { readonly seq: number; readonly id: string }[]): void {
    const at = this.#now().toISOString();
    for (const { seq, id } of lost) {
      parts.chain.append({ kind: "outcome", id, at, outcome: "abandoned" }, seq);
      parts.removeOpen(seq);
    }
  }

  #heartbeat(parts: Parts): void {
    try {
      this.transact(() => {
        parts.instances.beat();
        this.#abandon(parts, parts.instances.takeLost());
        parts.counters.cleanUp(this.#now());
        parts.evidence.cleanUp(this.#now());
        parts.items.cleanUp(this.#now());
      });
    } catch (error) {
      this.#alarm(error);
    }
    this.#rotate(parts);
    this.#doChores();
  }

  #rotate({ database, chain }: Parts): void {
    const { rotateRecords = Infinity, path } = this.#options;
    try {
      if (chain.size - (readBase(database)?.size ?? 0) >= rotateRecords) rotateAudit(path);
    } catch (error) {
      this.#alarm(error);
    }
  }

  #doChores(): void {
    if (!this.#parts) return;
    for (const chore of this.#chores) chore().catch(this.#alarm);
  }

  #now(): Date {
    return this.#options.now?.() ?? new Date();
  }

  readonly #alarm = (problem: unknown): void => this.#options.onAlarm?.(problem);
}

/** One log, one guard: a checkpoint by another key would prove nothing. */
function checkOwner(database: GuardDatabase, did: Did): void {
  database.prepare("INSERT OR IGNORE INTO meta VALUES ('guard', ?)").run(did);
  const owner = database.prepare<[], { value: string }>("SELECT value FROM meta WHERE name = 'guard'").get()?.value;
  if (owner !== did) throw auditUnavailable("it is the log of another identity", undefined, "owner");
}

/** The newest checkpoint beside the log speaks of no more records than it has, or an older copy was put in its place. */
function checkNotRolledBack(path: string, size: number): void {
  const signed = signedSize(checkpointPath(path));
  if (signed <= size) return;
  throw auditUnavailable(
    `it has ${size} records, and the checkpoint beside it was signed at ${signed}: an older copy was put in its place`,
    undefined,
    "rolled-back",
  );
}

function signedSize(path: string): number {
  try {
    return parseCheckpoint(parseSignedNote(readFileSync(path, "utf8")).text).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw auditUnavailable("the checkpoint beside it cannot be read", error, "checkpoint");
  }
}
