import {
  checkStatementTime,
  type Digest,
  PeerageError,
  type Statement,
  type Verified,
  verifyStatement,
} from "@peerage/core";
import type { Sequenced, Sequencer } from "../log/sequencer.ts";
import { kindCodes } from "../store/kinds.ts";
import type { LogReads } from "../store/log-store.ts";
import { toCandidate } from "./entry.ts";

/** What became of a submission: it is on disk. */
export interface Submission {
  readonly id: Digest;
  readonly index: number;
  /** True if the log had it before. */
  readonly known: boolean;
}

export interface AdmissionOptions {
  readonly reads: LogReads;
  readonly sequencer: Sequencer;
  readonly now: () => Date;
  /** A statement has got its index. */
  readonly onLogged?: (index: number, statement: Verified<Statement>) => void;
}

/**
 * Decides what this registry logs, and logs it. A courtesy to its readers, who check every leaf themselves: nothing
 * becomes true by being admitted. Limits of addresses stand before it, in the HTTP interface.
 */
export class Admission {
  readonly #reads: LogReads;
  readonly #sequencer: Sequencer;
  readonly #now: () => Date;
  readonly #onLogged: AdmissionOptions["onLogged"];

  constructor({ reads, sequencer, now, onLogged }: AdmissionOptions) {
    this.#reads = reads;
    this.#sequencer = sequencer;
    this.#now = now;
    this.#onLogged = onLogged;
  }

  /**
   * Verifies a submitted leaf and resolves when it is on disk. The order is that of registry.md section 3.
   * @throws {PeerageError} ERR_STATEMENT_INVALID, ERR_DID_INVALID, ERR_KEY_SUPERSEDED, ERR_STATEMENT_NOT_YET_VALID,
   *   ERR_VOUCH_NOT_YET_VALID, ERR_VOUCH_EXPIRED, ERR_KEY_REVOKED, ERR_KEY_DISPUTED, ERR_KEY_EVENT_INVALID,
   *   ERR_REGISTRY_BUSY
   */
  async submit(leaf: Uint8Array): Promise<Submission> {
    const statement = await verifyStatement(leaf);
    const candidate = toCandidate(statement);
    const known = await this.#known(candidate.id);
    if (known) return { id: statement.id, ...known };
    try {
      checkStatementTime(statement, this.#now());
      await this.#checkIssuer(statement);
      await this.#checkTarget(statement);
      await this.#checkKeyEvent(statement);
    } catch (error) {
      // Its own twin may have been logged in the meantime, and be the very reason for the refusal.
      const twin = await this.#known(candidate.id);
      if (twin) return { id: statement.id, ...twin };
      throw error;
    }
    const sequenced = await this.#sequencer.add(candidate);
    if (!sequenced.known) this.#onLogged?.(sequenced.index, statement);
    return { id: statement.id, ...sequenced };
  }

  /** What the log has, or is about to have, is answered with its index, whoever sends it. */
  async #known(id: Uint8Array): Promise<Sequenced | undefined> {
    const waiting = this.#sequencer.find(id);
    if (waiting) return waiting;
    const stored = await this.#reads.byId(id);
    return stored && { index: stored.index, known: true };
  }

  async #checkIssuer(statement: Statement): Promise<void> {
    if (statement.kind === "KeyEvent" || (statement.kind === "Revocation" && statement.revokes === "self")) return;
    const keyStatements = await this.#reads.keyStatements(statement.issuer);
    if (keyStatements.includes(kindCodes.RevocationOfSelf)) {
      throw new PeerageError("ERR_KEY_REVOKED", "the issuer has revoked its own identity");
    }
    if (keyStatements.filter((kind) => kind === kindCodes.KeyInit).length > 1) {
      throw new PeerageError("ERR_KEY_DISPUTED", "the issuer's key events contradict one another");
    }
  }

  /** What is not known here yet may be revoked: a revocation that arrives before its target is kept. */
  async #checkTarget(statement: Statement): Promise<void> {
    if (statement.kind !== "Revocation" || statement.revokes !== "statement") return;
    const { target } = toCandidate(statement);
    const known = target && (await this.#reads.byId(target));
    if (!known) return;
    if (known.issuer !== statement.issuer) throw invalidTarget("only the issuer of a statement can revoke it");
    if (known.kind !== kindCodes.Vouch && known.kind !== kindCodes.AgentProfile) {
      throw invalidTarget("revocations and key events cannot be revoked");
    }
  }

  async #checkKeyEvent(statement: Statement): Promise<void> {
    if (statement.kind !== "KeyEvent") return;
    const keyStatements = await this.#reads.keyStatements(statement.issuer);
    if (keyStatements.includes(kindCodes.RevocationOfSelf))
      throw invalidEvent("the issuer has revoked its own identity");
    const waiting = this.#sequencer.isWaiting(statement.issuer, kindCodes.KeyInit);
    if (waiting || keyStatements.includes(kindCodes.KeyInit)) {
      throw invalidEvent("the issuer's chain of key events has its first event already");
    }
  }
}

function invalidTarget(message: string): PeerageError {
  return new PeerageError("ERR_STATEMENT_INVALID", message, { detail: "target" });
}

function invalidEvent(message: string): PeerageError {
  return new PeerageError("ERR_KEY_EVENT_INVALID", message, { detail: "seq" });
}
