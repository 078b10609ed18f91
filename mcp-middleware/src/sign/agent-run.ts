import {
  type Did,
  type Digest,
  type Entry,
  generateRun,
  type JsonObject,
  parseCarriedEntry,
  PeerageError,
  signEntry,
  type Signer,
  unixSeconds,
  type Verified,
} from "@peerage/core";
import { HistoryChain, type PresentedHistory } from "./chain.ts";

/** One step of an agent's own. */
export interface StepOptions {
  /** What was done and how it ended: `[a-z][a-z0-9_.-]{0,63}` each. */
  readonly step: string;
  readonly result: string;
  readonly tool?: string | undefined;
  /** The request it speaks of. */
  readonly req?: Digest | undefined;
  /** For whom it is: a DID or URL. */
  readonly aud?: string | undefined;
  /** Small facts: integers and strings, never arguments or results themselves. */
  readonly sub?: JsonObject | undefined;
  /** Until when it may be relied on, from now; without it for good. */
  readonly lifetimeSeconds?: number | undefined;
}

/** The clock of a run. */
export interface AgentRunOptions {
  readonly now?: (() => Date) | undefined;
}

/**
 * The history of one run, as an agent carries it from call to call and from server to server: given to `createCallSigner`
 * as `history`, it is presented with each call, and takes in the receipts and what other agents signed meanwhile. Each
 * entry is signed by whoever acted; this agent signs its own steps only.
 */
export class AgentRun {
  readonly #signer: Signer;
  readonly #chain: HistoryChain;
  readonly #now: () => Date;

  private constructor(signer: Signer, chain: HistoryChain, options: AgentRunOptions) {
    this.#signer = signer;
    this.#chain = chain;
    this.#now = options.now ?? ((): Date => new Date());
  }

  /** Begins a run, which is this agent's: it says what it was asked to do. */
  static async start(
    signer: Signer,
    first: Partial<StepOptions> = {},
    options: AgentRunOptions = {},
  ): Promise<AgentRun> {
    const run = new AgentRun(signer, new HistoryChain(), options);
    await run.append({ step: "request_received", result: "accepted", ...first });
    return run;
  }

  /**
   * Goes on with a run that came from elsewhere: from a caller (`currentCaller().history`), a file, or another agent.
   * Whether a guard lets this agent call with it depends on custody: see {@link AgentRun.handOff}.
   * @throws {PeerageError} ERR_HISTORY_INVALID if these are not the entries of one run, each after what it refers to
   */
  static resume(signer: Signer, entries: readonly (string | Entry)[], options: AgentRunOptions = {}): AgentRun {
    const run = new AgentRun(signer, new HistoryChain(), options);
    if (entries.length === 0) throw notThisRun();
    run.merge(entries);
    return run;
  }

  /** Who carries it. */
  get did(): Did {
    return this.#signer.did;
  }

  /** Its name: 22 characters, the same in every entry. */
  get id(): string {
    return this.#chain.entries[0]?.run ?? "";
  }

  /** Every entry, each after what it refers to. */
  get entries(): readonly Verified<Entry>[] {
    return this.#chain.entries;
  }

  /** The entries as they are carried and kept. */
  get tokens(): readonly string[] {
    return this.#chain.entries.map(({ token }) => token);
  }

  /** The entries to which no other refers: more than one while branches are open. */
  get tips(): readonly Digest[] {
    return this.#chain.tips;
  }

  /** Signs a step of this agent's own over all that is there, so that it joins the branches. */
  async append(options: StepOptions): Promise<Verified<Entry>> {
    const { lifetimeSeconds, ...step } = options;
    const now = this.#now();
    await this.#chain.narrow(this.#signer, now);
    const exp = lifetimeSeconds === undefined ? undefined : unixSeconds(now) + lifetimeSeconds;
    const run = this.id === "" ? generateRun() : this.id;
    const token = await signEntry(this.#signer, { ...step, run, prev: this.tips, exp, now });
    const entry = parseCarriedEntry(token);
    if (!this.#chain.add(entry)) throw tooLong();
    return entry;
  }

  /** Says that parallel branches belong together; nothing to do while there is one. */
  async join(): Promise<void> {
    if (this.tips.length > 1) await this.append({ step: "join", result: "done" });
  }

  /**
   * Lets another agent go on with the run, and call with it; this one may still do so too. It counts if this agent has
   * custody: it began the run, or was handed it.
   */
  handOff(to: Did, options: { readonly lifetimeSeconds?: number } = {}): Promise<Verified<Entry>> {
    return this.append({ step: "handoff", result: "given", aud: to, ...options });
  }

  /**
   * Takes in what others signed in this run; what is known already is passed over. Signatures are checked, and for whom
   * each key speaks is for the guards to judge.
   * @returns how many entries were new
   * @throws {PeerageError} ERR_HISTORY_INVALID if one is of another run, or refers to what is not there; nothing is taken in
   *   from it on; ERR_HISTORY_TOO_LONG
   */
  merge(entries: readonly (string | Entry)[]): number {
    const known = new Set(this.#chain.entries.map(({ digest }) => digest));
    let added = 0;
    for (const one of entries) {
      const entry = readEntry(typeof one === "string" ? one : one.token);
      if (known.has(entry.digest)) continue;
      if (!this.#chain.belongs(entry)) throw notThisRun();
      if (!this.#chain.add(entry)) throw tooLong();
      known.add(entry.digest);
      added++;
    }
    return added;
  }

  /** What goes beside the next call proof. @throws {PeerageError} ERR_HISTORY_TOO_LONG if no receipt would fit in any more */
  async present(): Promise<PresentedHistory | undefined> {
    if (this.#chain.full) throw tooLong();
    return await this.#chain.present(this.#signer, this.#now());
  }

  /** Takes in the receipt of a call; false if it does not belong here. */
  addReceipt(receipt: Verified<Entry>): boolean {
    return this.#chain.add(receipt);
  }
}

function readEntry(token: string): Verified<Entry> {
  try {
    return parseCarriedEntry(token);
  } catch (cause) {
    throw new PeerageError("ERR_HISTORY_INVALID", "an entry does not verify", { detail: "entry", cause });
  }
}

function notThisRun(): PeerageError {
  return new PeerageError("ERR_HISTORY_INVALID", "the entries are not of this run, each after what it refers to", {
    detail: "run",
  });
}

function tooLong(): PeerageError {
  return new PeerageError("ERR_HISTORY_TOO_LONG", "the history of this run is full: begin another");
}
