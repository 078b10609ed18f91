import { sha256Hex } from "@peerage/core";
import type { DecisionRecord } from "../guard/types.ts";
import { idKey, type RequestId } from "./json-rpc.ts";
import type { Edit } from "./splice.ts";

const MAX_SESSIONS = 65_536;
const MAX_SESSIONS_PER_OWNER = 1_024;
const MAX_SESSIONS_WITHOUT_OWNER = 1_024;
const REPLAYED_ANSWERS = 256;
/** How long a request whose stream broke is kept for a stream that resumes it. */
const RESUME_MS = 600_000;

/**
 * Requests that the server has and has not answered, in one session or in one stateless exchange, and what was put into
 * answers that a resumed stream may bring again.
 */
export class Exchanges {
  /** The object by which the guard knows this connection. */
  readonly connection: object = {};
  readonly #pending = new Map<string, DecisionRecord>();
  readonly #answered = new Map<string, { readonly digest: string; readonly edits: readonly Edit[] }>();

  add(decision: DecisionRecord): void {
    if (decision.requestId !== undefined) this.#pending.set(idKey(decision.requestId), decision);
  }

  /** The decision that waits for this id; it waits no longer. */
  take(id: RequestId): DecisionRecord | undefined {
    const decision = this.#pending.get(idKey(id));
    this.#pending.delete(idKey(id));
    return decision;
  }

  waits(decision: DecisionRecord): boolean {
    return decision.requestId !== undefined && this.#pending.get(idKey(decision.requestId)) === decision;
  }

  /** All that still wait; none of them does any longer. */
  takeAll(): readonly DecisionRecord[] {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    return all;
  }

  /** Remembers what was put into an answer, in case its event is sent again. */
  answered(id: RequestId, data: string, edits: readonly Edit[]): void {
    this.#answered.set(idKey(id), { digest: sha256Hex(data), edits });
    const [oldest] = this.#answered.keys();
    if (this.#answered.size > REPLAYED_ANSWERS && oldest !== undefined) this.#answered.delete(oldest);
  }

  /** The edits of an answer that was sent before, if this is that answer. */
  replayed(id: RequestId, data: string): readonly Edit[] | undefined {
    const known = this.#answered.get(idKey(id));
    return known?.digest === sha256Hex(data) ? known.edits : undefined;
  }

  /** Gives a broken stream's request time to be resumed, then hands it to `expire`. */
  expireLater(decision: DecisionRecord, expire: (decision: DecisionRecord) => void): void {
    setTimeout(() => {
      if (decision.requestId === undefined || !this.waits(decision)) return;
      this.take(decision.requestId);
      expire(decision);
    }, RESUME_MS).unref();
  }
}

export interface HttpSessionLimits {
  /** Sessions that somebody signed for; 65,536. */
  readonly max?: number;
  /** Of those, one identity's; 1,024. */
  readonly maxPerOwner?: number;
  /** Sessions in which nobody has signed yet; 1,024. */
  readonly maxWithoutOwner?: number;
}

/**
 * The sessions that were opened through this guard, the longest unused first. Whoever opens many makes room with its own:
 * sessions without an owner with one another, an identity's with its oldest, and when all places are taken the identity
 * with the most. So no flood, unsigned or under however many names, ends the idle session of another.
 */
export class HttpSessions {
  readonly #limits: Required<HttpSessionLimits>;
  readonly #sessions = new Map<string, { readonly exchanges: Exchanges; owner: string | undefined }>();
  /** The sessions of each owner, the longest unused first; under "" those without one. */
  readonly #byOwner = new Map<string, Set<string>>();

  constructor(limits: HttpSessionLimits = {}) {
    this.#limits = {
      max: limits.max ?? MAX_SESSIONS,
      maxPerOwner: limits.maxPerOwner ?? MAX_SESSIONS_PER_OWNER,
      maxWithoutOwner: limits.maxWithoutOwner ?? MAX_SESSIONS_WITHOUT_OWNER,
    };
  }

  get size(): number {
    return this.#sessions.size;
  }

  get(session: string): Exchanges | undefined {
    const known = this.#sessions.get(session);
    if (known) this.#touch(session, known.owner);
    return known?.exchanges;
  }

  /**
   * Notes a session that the server opened.
   * @param owner - who signed for it, if anybody did
   * @returns the requests of a session that had to make room, to be abandoned
   */
  open(session: string, exchanges: Exchanges, owner: string | undefined): readonly DecisionRecord[] {
    if (this.#sessions.get(session)?.exchanges === exchanges)
      return owner === undefined ? [] : this.own(session, owner);
    const before = this.close(session);
    this.#sessions.set(session, { exchanges, owner });
    this.#touch(session, owner);
    return [...before, ...this.#makeRoom(owner)];
  }

  /** Notes that somebody signed in a session. @returns the requests of a session that had to make room */
  own(session: string, owner: string): readonly DecisionRecord[] {
    const known = this.#sessions.get(session);
    if (!known || known.owner !== undefined) return [];
    this.#leave(session, undefined);
    known.owner = owner;
    this.#touch(session, owner);
    return this.#makeRoom(owner);
  }

  /** @returns the requests that were running in it, to be abandoned */
  close(session: string): readonly DecisionRecord[] {
    const known = this.#sessions.get(session);
    if (!known) return [];
    this.#sessions.delete(session);
    this.#leave(session, known.owner);
    return known.exchanges.takeAll();
  }

  #touch(session: string, owner: string | undefined): void {
    const held = this.#byOwner.get(owner ?? "") ?? new Set();
    held.delete(session);
    held.add(session);
    this.#byOwner.set(owner ?? "", held);
  }

  #leave(session: string, owner: string | undefined): void {
    const held = this.#byOwner.get(owner ?? "");
    held?.delete(session);
    if (held?.size === 0) this.#byOwner.delete(owner ?? "");
  }

  #makeRoom(owner: string | undefined): readonly DecisionRecord[] {
    const { max, maxPerOwner, maxWithoutOwner } = this.#limits;
    const held = this.#byOwner.get(owner ?? "")?.size ?? 0;
    if (held > (owner === undefined ? maxWithoutOwner : maxPerOwner)) return this.#closeOldest(owner ?? "");
    const withoutOwner = this.#byOwner.get("")?.size ?? 0;
    if (owner === undefined || this.#sessions.size - withoutOwner <= max) return [];
    let busiest = owner;
    for (const [other, { size }] of this.#byOwner) {
      if (other !== "" && size > (this.#byOwner.get(busiest)?.size ?? 0)) busiest = other;
    }
    return this.#closeOldest(busiest);
  }

  #closeOldest(owner: string): readonly DecisionRecord[] {
    const [oldest] = this.#byOwner.get(owner) ?? [];
    return oldest === undefined ? [] : this.close(oldest);
  }
}
