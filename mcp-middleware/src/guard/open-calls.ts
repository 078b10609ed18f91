import type { Recorded } from "../audit/audit-log.ts";
import type { Outcome } from "../audit/record.ts";
import type { Open } from "./about.ts";
import type { Answered, Recorder } from "./recorder.ts";
import { digestOf, isEmptyResult, type Responder } from "./responder.ts";
import { isErrored } from "./results.ts";
import type { Sessions } from "./sessions.ts";
import type { DecisionRecord, JsonRpcMessage } from "./types.ts";

export interface OpenCallsOptions {
  readonly sessions: Sessions;
  readonly responder: Responder;
  readonly recorder: Recorder | undefined;
  readonly alarm: (problem: unknown) => void;
}

/** The calls of a guard that went on and have not ended; each ends once, whoever says so first. */
export class OpenCalls {
  readonly #options: OpenCallsOptions;
  readonly #open = new WeakMap<DecisionRecord, Open>();
  /** Calls that are answered, and not recorded so yet. */
  readonly #concluding = new Set<Promise<unknown>>();

  constructor(options: OpenCallsOptions) {
    this.#options = options;
  }

  get(decision: DecisionRecord): Open | undefined {
    return this.#open.get(decision);
  }

  begin(decision: DecisionRecord, open: Open): void {
    this.#open.set(decision, open);
  }

  /**
   * Ends an answered call: signs its receipt, then records both, so that the log holds each receipt that goes out; one that
   * it cannot take is an alarm, and goes out all the same. Its id is free at once, and nothing else can end it meanwhile.
   * @returns the receipt; undefined of an empty result, where none can be made, or the call had ended otherwise: cancelled
   *   while a hook looked at the answer, its record says so, and no receipt says anything else
   */
  conclude(decision: DecisionRecord, response: JsonRpcMessage): Promise<string | undefined> {
    const isReceipted = this.#open.has(decision) && !isEmptyResult(decision, response);
    const recorded = this.#end(decision);
    const conclude = async (): Promise<string | undefined> => {
      const res = digestOf(response);
      const receipt = isReceipted ? await this.#options.responder.receipt(decision, response, { res }) : undefined;
      this.#record(decision, recorded, isErrored(response) ? "errored" : "executed", { res, receipt });
      return receipt;
    };
    const concluding = conclude().finally(() => this.#concluding.delete(concluding));
    this.#concluding.add(concluding);
    return concluding;
  }

  /** Ends a call that was not answered. */
  abandon(decision: DecisionRecord, outcome: Outcome | "unsent"): void {
    this.#record(decision, this.#end(decision), outcome);
  }

  /** Settles once every call that was answered is recorded so. */
  async concluded(): Promise<void> {
    await Promise.allSettled(this.#concluding);
  }

  /** @returns what the outcome will refer to, if one is recorded */
  #end(decision: DecisionRecord): Recorded | undefined {
    const open = this.#open.get(decision);
    this.#open.delete(decision);
    if (!open || decision.requestId === undefined) return undefined;
    this.#options.sessions.finish(open.connection, decision.requestId);
    return open.recorded;
  }

  #record(
    decision: DecisionRecord,
    recorded: Recorded | undefined,
    outcome: Outcome | "unsent",
    answered?: Answered,
  ): void {
    try {
      if (recorded) this.#options.recorder?.finished(recorded, decision, outcome, answered);
    } catch (problem) {
      // A done call is never turned into an error; the log itself shows that its outcome is missing.
      this.#options.alarm(problem);
    }
  }
}
