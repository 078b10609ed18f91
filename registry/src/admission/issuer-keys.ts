import {
  type Did,
  type KeyHistory,
  keyHistoryAt,
  type KeyEvent,
  type KeyState,
  type Logged,
  MAX_COMPROMISE_SECONDS,
  multibaseOf,
  PeerageError,
  type Revocation,
  type Statement,
  STATEMENT_SKEW_SECONDS,
  StatementSet,
  trustStoredStatement,
  type Verified,
} from "@peerage/core";
import { keyKinds, kindCodes } from "../store/kinds.ts";
import type { LogReads } from "../store/log-store.ts";

/** Most key statements of one issuer that are looked at; who has more has no key that could be told. */
const MAX_KEY_STATEMENTS = 2_000;

/**
 * Row 7 and, for key events, row 8 of registry.md section 3: by all that this log holds about the issuer's keys, whether
 * published or only committed; what is not published yet counts as witnessed now.
 */
export class IssuerKeys {
  readonly #reads: LogReads;
  readonly #now: () => number;

  constructor(reads: LogReads, now: () => number) {
    this.#reads = reads;
    this.#now = now;
  }

  /**
   * Checks that the key that signed stands behind its issuer, and that the issuer may speak.
   * @throws {PeerageError} ERR_KEY_SUPERSEDED, ERR_KEY_REVOKED, ERR_KEY_DISPUTED, ERR_KEY_EVENT_INVALID
   */
  async check(statement: Verified<Statement>): Promise<void> {
    if (statement.kind === "KeyEvent") return this.#checkEvent(statement);
    if (statement.kind === "Revocation" && statement.revokes === "self") return this.#checkBurn(statement);
    const { status, current } = await this.#state(statement.issuer);
    if (status === "burnt") throw new PeerageError("ERR_KEY_REVOKED", "the issuer has revoked its own identity");
    if (status === "suspended") throw new PeerageError("ERR_KEY_REVOKED", "the issuer has revoked its key");
    if (status === "disputed") {
      throw new PeerageError("ERR_KEY_DISPUTED", "the issuer's key events contradict one another");
    }
    if (!statement.keys.every((key) => key === current)) {
      throw new PeerageError("ERR_KEY_SUPERSEDED", "the key that signed does not stand behind the issuer", {
        detail: "verification-method",
      });
    }
  }

  /** Asked at every submission, so the usual cases, no event or the first only, cost no more than a look. */
  async #state(issuer: Did): Promise<Pick<KeyState, "status" | "current">> {
    const kinds = await this.#reads.keyStatements(issuer);
    const plain = kinds.length === 0 || (kinds.length === 1 && kinds[0] === kindCodes.KeyInit);
    return plain ? { status: "active", current: multibaseOf(issuer) } : (await this.#history(issuer)).state;
  }

  /** An event is logged if it changes something: also if all that it does is to prove a dispute. */
  async #checkEvent(event: Verified<KeyEvent>): Promise<void> {
    const now = this.#now();
    if (event.event === "init" && !event.keys.every((key) => key === multibaseOf(event.issuer))) {
      throw new PeerageError("ERR_KEY_SUPERSEDED", "the first key event is signed by the DID's own key", {
        detail: "verification-method",
      });
    }
    const { since } = event;
    if (since !== undefined && (since < now - MAX_COMPROMISE_SECONDS || since > now + STATEMENT_SKEW_SECONDS)) {
      throw invalidEvent("since", "a key was compromised at most 30 days ago");
    }
    const before = await this.#history(event.issuer);
    if (before.state.status === "burnt" && event.event !== "recover") {
      throw invalidEvent("burnt", "the issuer has revoked its own identity");
    }
    if (event.event === "init" && (before.state.last !== undefined || before.state.status === "disputed")) {
      throw invalidEvent("seq", "the issuer's chain of key events has its first event already");
    }
    const after = await this.#history(event.issuer, event);
    if (!after.extends(event.id)) throw invalidEvent("chain", "the key event does not extend the issuer's chain");
    const disputes = after.state.status === "disputed" && before.state.status !== "disputed";
    if (!after.includes(event.id) && !disputes) {
      throw invalidEvent("superseded", "another event of the issuer's chain stands in its place");
    }
    if (after.state.status === "burnt") throw invalidEvent("burnt", "a burn can be undone for 7 days only");
  }

  async #checkBurn(burn: Verified<Revocation>): Promise<void> {
    const history = await this.#history(burn.issuer);
    if (history.burns({ statement: burn, index: 0, time: this.#now() })) return;
    throw new PeerageError("ERR_KEY_SUPERSEDED", "the key that signed does not stand behind the issuer", {
      detail: "verification-method",
    });
  }

  async #history(issuer: Did, candidate?: Verified<Statement>): Promise<KeyHistory> {
    const now = this.#now();
    const set = new StatementSet();
    if ((await this.#reads.keyStatements(issuer)).length > 0) {
      for (const logged of await this.#logged(issuer, now)) set.add(logged);
    }
    if (candidate) set.add({ statement: candidate, index: Number.MAX_SAFE_INTEGER, time: now });
    return keyHistoryAt(issuer, set.agent(issuer), now);
  }

  async #logged(issuer: Did, now: number): Promise<Logged[]> {
    const filter = { issuer, kinds: keyKinds };
    const entries = await this.#reads.page(filter, -1, Number.MAX_SAFE_INTEGER, MAX_KEY_STATEMENTS + 1);
    if (entries.length > MAX_KEY_STATEMENTS) {
      throw new PeerageError("ERR_KEY_DISPUTED", "the issuer has too many key events");
    }
    const logged: Logged[] = [];
    for (const { index, body } of entries) {
      const time = (await this.#reads.firstCheckpointCovering(index))?.time ?? now;
      // A clock that was set back must not make what is logged seem to lie ahead.
      logged.push({ statement: trustStoredStatement(body), index, time: Math.min(time, now) });
    }
    return logged;
  }
}

function invalidEvent(detail: string, message: string): PeerageError {
  return new PeerageError("ERR_KEY_EVENT_INVALID", message, { detail });
}
