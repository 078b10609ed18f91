import { renameSync, writeFileSync } from "node:fs";
import {
  CompactRange,
  concat,
  createVerifierKey,
  type Did,
  formatCheckpoint,
  formatSignedNote,
  LOG_TYPE,
  publicKeyOf,
  type Signer,
  utf8,
  type VerifierKey,
} from "@peerage/core";
import { type GuardDatabase, splitHashes } from "./database.ts";

/** A checkpoint is signed after so many records … */
const CHECKPOINT_RECORDS = 256;
/** … or so much time, whatever comes first, and at a clean stop. */
const CHECKPOINT_MS = 60_000;

/** The first line of every checkpoint of a guard's audit log, and the name of its key. */
export function auditOrigin(guard: Did): string {
  return `peerage-audit/${guard}`;
}

/** The key that verifies the checkpoints of a guard's audit log: the one its DID names. */
export function auditKey(guard: Did): VerifierKey {
  return createVerifierKey(auditOrigin(guard), LOG_TYPE, publicKeyOf(guard).bytes);
}

/** Where the newest checkpoint stands beside the log, so that a log that is put back to an earlier state is found out. */
export function checkpointPath(path: string): string {
  return `${path}.checkpoint`;
}

/** Signs heads of the log: RFC 6962 roots over the texts of all records. */
export class Checkpointer {
  readonly #database: GuardDatabase;
  readonly #path: string;
  readonly #signer: Signer;
  #range: CompactRange;
  #signedSize: number;
  #signedAt = Date.now();
  #running: Promise<void> | undefined;

  constructor(database: GuardDatabase, path: string, signer: Signer) {
    this.#database = database;
    this.#path = path;
    this.#signer = signer;
    this.#range = CompactRange.empty();
    this.#signedSize = 0;
    this.#catchUp();
  }

  /** True if it is time for a checkpoint of a log of this size, and none is under way. */
  isDue(size: number): boolean {
    if (size <= this.#signedSize || this.#running) return false;
    return size - this.#signedSize >= CHECKPOINT_RECORDS || Date.now() - this.#signedAt >= CHECKPOINT_MS;
  }

  /**
   * Signs the log as it stands and keeps the checkpoint in it and beside it.
   * @param flush - brings all records to the disk first: a checkpoint must not outlive what it speaks of
   */
  async sign(flush: () => Promise<void>): Promise<void> {
    // One that is under way may have begun before the last records.
    await this.#running?.catch(() => undefined);
    await (this.#running ??= this.#sign(flush).finally(() => (this.#running = undefined)));
  }

  /** Goes on from the newest checkpoint, perhaps another process's: what it covers may be archived by now. */
  #catchUp(): void {
    const last = this.#database
      .prepare<[], { size: number; edge: Buffer }>("SELECT size, edge FROM checkpoint ORDER BY size DESC LIMIT 1")
      .get();
    if (last && last.size > this.#range.size) this.#range = CompactRange.restore(last.size, splitHashes(last.edge));
    this.#signedSize = Math.max(this.#signedSize, last?.size ?? 0);
  }

  async #sign(flush: () => Promise<void>): Promise<void> {
    this.#signedAt = Date.now();
    this.#catchUp();
    const rows = this.#database
      .prepare<[number], { hash: Buffer }>("SELECT hash FROM record WHERE seq >= ? ORDER BY seq")
      .iterate(this.#range.size);
    for (const { hash } of rows) this.#range.append(new Uint8Array(hash));
    const { size } = this.#range;
    if (size <= this.#signedSize) return;
    const edge = concat(...this.#range.hashes);
    const origin = auditOrigin(this.#signer.did);
    const text = formatCheckpoint({ origin, size, root: this.#range.root() });
    await flush();
    const signature = await this.#signer.sign(utf8(text));
    const { name, keyId } = auditKey(this.#signer.did);
    const note = formatSignedNote({ text, signatures: [{ name, keyId, signature }] });
    this.#database.prepare("INSERT OR IGNORE INTO checkpoint VALUES (?, ?, ?)").run(size, note, edge);
    this.#signedSize = size;
    const path = checkpointPath(this.#path);
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, note, { mode: 0o600 });
    renameSync(draft, path);
  }
}
