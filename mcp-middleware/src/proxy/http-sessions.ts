import { sha256Hex } from "@peerage/core";
import type { DecisionRecord } from "../guard/types.ts";
import { idKey, type RequestId } from "./json-rpc.ts";
import type { Edit } from "./splice.ts";

const MAX_SESSIONS = 65_536;
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

/** The sessions that were opened through this guard, the longest unused first. */
export class HttpSessions {
  readonly #sessions = new Map<string, Exchanges>();

  get(session: string): Exchanges | undefined {
    const known = this.#sessions.get(session);
    if (known) {
      this.#sessions.delete(session);
      this.#sessions.set(session, known);
    }
    return known;
  }

  /** @returns the requests of a session that had to make room, to be abandoned */
  open(session: string, exchanges: Exchanges): readonly DecisionRecord[] {
    this.#sessions.set(session, exchanges);
    if (this.#sessions.size <= MAX_SESSIONS) return [];
    const [oldest] = this.#sessions.keys();
    return oldest === undefined ? [] : this.close(oldest);
  }

  /** @returns the requests that were running in it, to be abandoned */
  close(session: string): readonly DecisionRecord[] {
    const known = this.#sessions.get(session);
    this.#sessions.delete(session);
    return known?.takeAll() ?? [];
  }
}
