import { createInterface } from "node:readline";
import type { WatchedProcess } from "./processes.ts";

/** What became of the calls since the last report. */
export interface CallReport {
  /** Of answered calls, in milliseconds. */
  readonly calls: readonly number[];
  /** Anything that should not have been: at most the first ten. */
  readonly wrong: readonly string[];
}

interface Answer {
  readonly id?: number | string;
  readonly result?: { readonly content?: readonly { readonly text?: string }[]; readonly isError?: boolean };
  readonly error?: object;
}

/** An MCP client over the stdio of a bridge: calls at a steady rate, of which every tenth must be refused. */
export class Caller {
  readonly #bridge: WatchedProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #lastId = 0;
  #times: number[] = [];
  #wrong: string[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(bridge: WatchedProcess) {
    this.#bridge = bridge;
    createInterface(bridge.child.stdout!).on("line", (line) => {
      const answer = JSON.parse(line) as Answer;
      if (typeof answer.id !== "number") return;
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
  }

  async initialize(): Promise<void> {
    const clientInfo = { name: "soak", version: "1" };
    const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
    const answer = await this.#request("initialize", params);
    if (!answer.result) throw new Error(`the guard did not begin a session: ${JSON.stringify(answer)}`);
    this.#send({ jsonrpc: "2.0", method: "notifications/initialized" });
  }

  go(perSecond: number): void {
    this.#timer = setInterval(() => void this.#call(), 1_000 / perSecond);
  }

  /** Makes no more calls, and waits for the answers to those made. */
  async rest(): Promise<void> {
    clearInterval(this.#timer);
    const until = Date.now() + 60_000;
    while (this.#waiting.size > 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 50));
    if (this.#waiting.size > 0) this.#complain(`${this.#waiting.size} calls have no answer after a minute`);
  }

  report(): CallReport {
    const report = { calls: this.#times, wrong: this.#wrong };
    this.#times = [];
    this.#wrong = [];
    return report;
  }

  async #call(): Promise<void> {
    const refused = this.#lastId % 10 === 9;
    const message = `call ${this.#lastId}`;
    const start = performance.now();
    const args = refused ? { name: "wait", arguments: { ms: 1 } } : { name: "echo", arguments: { message } };
    const answer = await this.#request("tools/call", args);
    this.#times.push(performance.now() - start);
    const text = answer.result?.content?.[0]?.text;
    const good = refused ? answer.result?.isError === true || answer.error : text === `Echo: ${message}`;
    if (!good) this.#complain(`${refused ? "what no rule allows" : "a call"} got ${JSON.stringify(answer)}`);
  }

  #request(method: string, params: object): Promise<Answer> {
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#send({ jsonrpc: "2.0", id, method, params });
    });
  }

  #send(message: object): void {
    this.#bridge.child.stdin!.write(`${JSON.stringify(message)}\n`);
  }

  #complain(what: string): void {
    if (this.#wrong.length < 10) this.#wrong.push(what.slice(0, 500));
  }
}
