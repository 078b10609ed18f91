import { existsSync } from "node:fs";
import { type KeyOptions, PeerageError, requestDigest } from "@peerage/core";
import { type GuardDatabase, onDisk, openGuardDatabase } from "../audit/database.ts";
import { RecordChain } from "../audit/record.ts";
import type { ApprovalItem, ItemState } from "./item.ts";
import { ItemStore } from "./item-store.ts";

/**
 * The requests of a guard that wait for a person, for a command or a console in another process: it reads and answers
 * them over the same file. Only a signed answer changes anything.
 */
export class ApprovalStore implements Disposable {
  readonly #database: GuardDatabase;
  readonly #items: ItemStore;
  readonly #now: () => Date;
  readonly #keys: KeyOptions;

  /**
   * @param path - the guard's audit log
   * @param options.keysOf - the keys that have stood behind who answers, as a followed log tells; without it a DID's own
   *   first key. Whether the key stands when the call is repeated is for the guard
   * @throws {PeerageError} ERR_NOT_FOUND if it is not there, ERR_AUDIT_UNAVAILABLE if it cannot be read
   */
  constructor(path: string, options: { readonly now?: (() => Date) | undefined } & KeyOptions = {}) {
    if (!existsSync(path)) {
      throw new PeerageError("ERR_NOT_FOUND", "this guard has recorded nothing yet", { detail: "audit" });
    }
    this.#database = openGuardDatabase(path);
    this.#items = new ItemStore(this.#database, new RecordChain(this.#database));
    this.#keys = { keysOf: options.keysOf };
    this.#now = options.now ?? ((): Date => new Date());
  }

  /** The items in these states, oldest first; by default those that can be answered. */
  list(states: readonly ItemState[] = ["open"]): readonly ApprovalItem[] {
    const now = this.#now();
    return onDisk(() => this.#items.list(states)).filter((item) => item.state !== "open" || item.expiresAt > now);
  }

  /**
   * One item, with the exact request while it can be answered.
   * @param id - whole, or a beginning of at least six characters that only one item has
   * @throws {PeerageError} ERR_NOT_FOUND; ERR_STORE_CORRUPT if the kept request is not the one that the digest names
   */
  show(id: string): ApprovalItem {
    const item = onDisk(() => this.#items.get(id)) ?? this.#byPrefix(id);
    if (!item) throw new PeerageError("ERR_NOT_FOUND", "there is no such request", { detail: "item" });
    const { request } = item;
    if (request && requestDigest(request.method, request.params) !== item.req) {
      throw new PeerageError("ERR_STORE_CORRUPT", "the kept request is not the one that was asked about", {
        detail: "req",
      });
    }
    return item;
  }

  /**
   * Takes a signed answer; see {@link signAnswer}. It is recorded in the audit log.
   * @throws {PeerageError} ERR_NOT_FOUND, ERR_APPROVAL_INVALID, ERR_APPROVAL_EXPIRED, ERR_AUDIT_UNAVAILABLE
   */
  submit(id: string, token: string): ApprovalItem {
    return onDisk(() => {
      this.#database.pragma("synchronous = FULL");
      return this.#database.transaction(() => this.#items.submit(id, token, this.#now(), this.#keys)).immediate();
    });
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  #byPrefix(prefix: string): ApprovalItem | undefined {
    if (prefix.length < 6) return undefined;
    const states = ["open", "approved", "used", "denied", "timeout", "lapsed", "replaced"] as const;
    const matches = onDisk(() => this.#items.list(states)).filter(({ id }) => id.startsWith(prefix));
    return matches.length === 1 ? matches[0] : undefined;
  }
}
