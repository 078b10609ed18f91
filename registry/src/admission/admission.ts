import {
  checkStatementTime,
  type Did,
  type Digest,
  PeerageError,
  type Report,
  type Statement,
  unixSeconds,
  type Verified,
  verifyStatement,
} from "@peerage/core";
import type { Sequenced, Sequencer } from "../log/sequencer.ts";
import { kindCodes } from "../store/kinds.ts";
import type { LogReads } from "../store/log-store.ts";
import type { IssuerBudgets } from "./budgets.ts";
import { toCandidate } from "./entry.ts";
import { IssuerKeys } from "./issuer-keys.ts";

/** What became of a submission: it is on disk. */
export interface Submission {
  readonly id: Digest;
  /** Its place in the log, from 0. */
  readonly index: number;
  /** True if the log had it before. */
  readonly known: boolean;
}

export interface AdmissionOptions {
  readonly reads: LogReads;
  readonly sequencer: Sequencer;
  readonly now: () => Date;
  /** True if this registry holds, and has verified, evidence with this digest for a report of this category. */
  readonly hasEvidence?: (digest: Digest, category: Report["category"]) => boolean;
  /** A statement has got its index. */
  /** Budgets of issuers; without it there are none. */
  readonly budgets?: IssuerBudgets | undefined;
  /** Whose statements are taken; without it everyone's. */
  readonly members?: ReadonlySet<Did> | undefined;
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
  readonly #hasEvidence: AdmissionOptions["hasEvidence"];
  readonly #issuerKeys: IssuerKeys;
  readonly #budgets: IssuerBudgets | undefined;
  readonly #members: ReadonlySet<Did> | undefined;
  readonly #turns = new Map<string, Promise<void>>();

  constructor({ reads, sequencer, now, onLogged, hasEvidence, budgets, members }: AdmissionOptions) {
    this.#budgets = budgets;
    this.#members = members;
    this.#reads = reads;
    this.#sequencer = sequencer;
    this.#now = now;
    this.#onLogged = onLogged;
    this.#hasEvidence = hasEvidence;
    this.#issuerKeys = new IssuerKeys(reads, () => unixSeconds(now()));
  }

  /**
   * Verifies a submitted leaf and resolves when it is on disk. The order is that of registry.md section 3.
   * @throws {PeerageError} ERR_STATEMENT_INVALID, ERR_DID_INVALID, ERR_KEY_SUPERSEDED, ERR_STATEMENT_NOT_YET_VALID,
   *   ERR_VOUCH_NOT_YET_VALID, ERR_VOUCH_EXPIRED, ERR_KEY_REVOKED, ERR_KEY_DISPUTED, ERR_KEY_EVENT_INVALID,
   *   ERR_RATE_LIMITED, ERR_REGISTRY_BUSY
   */
  async submit(leaf: Uint8Array): Promise<Submission> {
    // Any key's signature may hold; whether it is the issuer's is asked of the issuer's key events, below.
    const statement = await verifyStatement(leaf, { keysOf: "any" });
    await this.#checkMember(statement);
    const inTurn = decidesKeys(statement) || (this.#budgets !== undefined && statement.kind !== "Revocation");
    return inTurn ? this.#inTurn(statement) : this.#admit(statement);
  }

  /** Statements about one issuer's keys, and those that a budget counts, are judged one after the other, each when the one before is on disk. */
  async #inTurn(statement: Verified<Statement>): Promise<Submission> {
    const { issuer } = statement;
    const mine = (this.#turns.get(issuer) ?? Promise.resolve()).then(() => this.#admit(statement));
    const settled = mine.then(
      () => undefined,
      () => undefined,
    );
    this.#turns.set(issuer, settled);
    try {
      return await mine;
    } finally {
      if (this.#turns.get(issuer) === settled) this.#turns.delete(issuer);
    }
  }

  async #admit(statement: Verified<Statement>): Promise<Submission> {
    const candidate = toCandidate(statement);
    const known = await this.#known(candidate.id);
    if (known) return { id: statement.id, ...known };
    try {
      checkStatementTime(statement, this.#now());
      await this.#issuerKeys.check(statement);
      await this.#checkTarget(statement);
      this.#checkEvidence(statement);
      await this.#budgets?.check(statement);
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

  /** Who was a member may still take back what it said, and look after its keys. */
  async #checkMember({ issuer, kind }: Statement): Promise<void> {
    if (!this.#members || this.#members.has(issuer)) return;
    const exempt = kind === "Revocation" || kind === "KeyEvent";
    if (exempt && (await this.#reads.page({ issuer }, -1, Number.MAX_SAFE_INTEGER, 1)).length > 0) return;
    throw new PeerageError("ERR_STATEMENT_INVALID", "this registry logs statements of its members only", {
      detail: "members",
    });
  }

  /** What the log has, or is about to have, is answered with its index, whoever sends it. */
  async #known(id: Uint8Array): Promise<Sequenced | undefined> {
    const waiting = this.#sequencer.find(id);
    if (waiting) return waiting;
    const stored = await this.#reads.byId(id);
    return stored && { index: stored.index, known: true };
  }

  /** What is not known here yet may be revoked: a revocation that arrives before its target is kept. */
  async #checkTarget(statement: Statement): Promise<void> {
    if (statement.kind !== "Revocation" || statement.revokes !== "statement") return;
    const { target } = toCandidate(statement);
    const known = target && (await this.#reads.byId(target));
    if (!known) return;
    if (known.issuer !== statement.issuer) throw invalidTarget("only the issuer of a statement can revoke it");
    if (!revocable.includes(known.kind)) {
      throw invalidTarget("revocations and key events cannot be revoked");
    }
  }

  /** A report about a log rests on evidence that this registry has checked itself: see `POST /v1/forks`. */
  #checkEvidence(statement: Statement): void {
    if (statement.kind !== "Report") return;
    const { category, evidence } = statement;
    if (!category.startsWith("log-")) return;
    if (!evidence.every((digest) => this.#hasEvidence?.(digest, category) === true)) {
      throw new PeerageError("ERR_STATEMENT_INVALID", "evidence about a log is submitted before the report of it", {
        detail: "evidence",
      });
    }
  }
}

const revocable: readonly number[] = [kindCodes.Vouch, kindCodes.AgentProfile, kindCodes.Report];

function decidesKeys(statement: Statement): boolean {
  return statement.kind === "KeyEvent" || (statement.kind === "Revocation" && statement.revokes === "self");
}

function invalidTarget(message: string): PeerageError {
  return new PeerageError("ERR_STATEMENT_INVALID", message, { detail: "target" });
}
