import type { Readable, Writable } from "node:stream";
import { isJsonObject, type JsonObject, member } from "@peerage/core";
import type { Admission, DecisionRecord, Guard } from "../guard/types.ts";
import { readMessage, settledText, settleResponse, unreadableList } from "./answer.ts";
import {
  endServer,
  type ExitStatus,
  forwardSignals,
  type ServerCommand,
  type ServerProcess,
  startServer,
} from "./child.ts";
import { LineSplitter } from "./framing.ts";
import {
  errorReply,
  holdsList,
  idKey,
  idOf,
  isListMethod,
  isResponse,
  methodOf,
  type RequestId,
  rpcCodes,
  toLine,
  upstreamReply,
} from "./json-rpc.ts";
import { OrderedWriter } from "./ordered-writer.ts";

/** The stdio server behind the guard, and the host in front of it. */
export interface StdioGuardOptions extends ServerCommand {
  readonly guard: Guard;
  /** The host's end; stdin and stdout of this process by default. */
  readonly input?: Readable;
  readonly output?: Writable;
  /** One line for the operator; stderr by default. Never receives message contents. */
  readonly log?: (line: string) => void;
  /** Pass SIGTERM, SIGINT and SIGHUP on to the server; true by default. */
  readonly signals?: boolean;
  /** See {@link endServer}. */
  readonly graceMs?: number;
  /** After so long without an answer a call is cancelled and answered with an error; no limit by default. */
  readonly callTimeoutSeconds?: number | undefined;
}

/**
 * Runs a stdio MCP server behind a guard: a raw JSON-RPC hop between this process's host and one child. Every line of the
 * host is decided on its own; what goes on is the verified object, re-serialised. Lines of the server pass byte for byte,
 * but for receipts, the advertisement and filtered lists. Settles with the way in which the server ended.
 */
export async function runStdioGuard(options: StdioGuardOptions): Promise<ExitStatus> {
  const server = startServer(options);
  using _signals = options.signals === false ? undefined : forwardSignals(server);
  return await new StdioGuard(options, server).run();
}

class StdioGuard {
  readonly #guard: Guard;
  readonly #server: ServerProcess;
  readonly #input: Readable;
  readonly #toHost: OrderedWriter;
  readonly #toServer: OrderedWriter;
  readonly #log: (line: string) => void;
  readonly #graceMs: number | undefined;
  readonly #callTimeoutSeconds: number | undefined;
  readonly #connection = {};
  /** Requests that the server has and has not answered. */
  readonly #pending = new Map<string, DecisionRecord>();
  /** Requests whose verdict is still being made. */
  readonly #admitting = new Map<string, { readonly id: RequestId; readonly abort: AbortController }>();
  readonly #gone = new AbortController();

  constructor(options: StdioGuardOptions, server: ServerProcess) {
    this.#guard = options.guard;
    this.#server = server;
    this.#input = options.input ?? process.stdin;
    const output = options.output ?? process.stdout;
    this.#log = options.log ?? ((line) => void process.stderr.write(`peerage guard: ${line}\n`));
    this.#graceMs = options.graceMs;
    this.#callTimeoutSeconds = options.callTimeoutSeconds;
    this.#toHost = new OrderedWriter(output, (full) => (full ? server.stdout.pause() : server.stdout.resume()));
    this.#toServer = new OrderedWriter(server.stdin, (full) => (full ? this.#input.pause() : this.#input.resume()));
    output.on("error", () => this.#input.destroy());
  }

  async run(): Promise<ExitStatus> {
    const fromHost = new LineSplitter({
      onLine: (line) => this.#fromHost(line),
      onTooLarge: () => {
        this.#reply(errorReply(null, rpcCodes.invalid, "ERR_MESSAGE_TOO_LARGE", "the line is too long."));
      },
    });
    const fromServer = new LineSplitter({
      onLine: (line) => this.#fromServer(line),
      onTooLarge: () => this.#unreadable("a line of the server is too long and was dropped"),
    });
    this.#server.stdout.on("data", (chunk: Buffer) => fromServer.push(chunk));
    const hostLeft = new Promise<void>((resolve) => {
      this.#input.on("data", (chunk: Buffer) => fromHost.push(chunk));
      for (const event of ["end", "close", "error"]) this.#input.once(event, resolve);
    });
    const status = await Promise.race([this.#server.exited, hostLeft]);
    if (status === undefined) return await this.#hostLeft();
    return await this.#serverLeft(status);
  }

  async #hostLeft(): Promise<ExitStatus> {
    while (this.#admitting.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const status = await endServer(this.#server, {
      busy: () => this.#pending.size > 0,
      ...(this.#graceMs === undefined ? {} : { graceMs: this.#graceMs }),
    });
    return await this.#serverLeft(status);
  }

  /** The server is gone: whoever still waits is told so. */
  async #serverLeft(status: ExitStatus): Promise<ExitStatus> {
    this.#gone.abort();
    this.#input.pause();
    for (const { id, abort } of this.#admitting.values()) {
      abort.abort();
      this.#reply(upstreamReply(id, "the server has ended."));
    }
    for (const decision of this.#pending.values()) {
      this.#guard.abandon(decision, "errored");
      this.#reply(upstreamReply(decision.requestId ?? null, "the server has ended."));
    }
    this.#pending.clear();
    await this.#toHost.flush();
    return status;
  }

  #fromHost(line: Buffer): void {
    const abort = new AbortController();
    const verdict = this.#guard.admitText(line, {
      transport: "stdio",
      connection: this.#connection,
      signal: abort.signal,
      send: (message) => this.#reply(message),
    });
    if (!(verdict instanceof Promise)) {
      this.#decided(verdict);
      return;
    }
    const id = idOfLine(line);
    const entry = id === undefined ? undefined : { id, abort };
    if (entry) this.#admitting.set(idKey(entry.id), entry);
    void verdict.then((admission) => {
      if (entry && this.#admitting.get(idKey(entry.id)) === entry) this.#admitting.delete(idKey(entry.id));
      if (this.#gone.signal.aborted || abort.signal.aborted) {
        if (admission.admitted) this.#guard.abandon(admission.decision, "unsent");
      } else {
        this.#decided(admission);
      }
    });
  }

  #decided(admission: Admission): void {
    if (!admission.admitted) {
      if (admission.reply) this.#reply(admission.reply);
      return;
    }
    const { message, decision } = admission;
    if (methodOf(message) === "notifications/cancelled" && this.#cancelled(message)) return;
    if (decision.requestId !== undefined && !isResponse(message)) {
      this.#pending.set(idKey(decision.requestId), decision);
      this.#limit(decision, decision.requestId);
    }
    this.#toServer.write(toLine(message));
  }

  /** A call that takes too long is cancelled and answered. A subscription is meant to take long. */
  #limit(decision: DecisionRecord, id: RequestId): void {
    const seconds = this.#callTimeoutSeconds;
    if (seconds === undefined || decision.method === "subscriptions/listen") return;
    setTimeout(() => {
      if (this.#pending.get(idKey(id)) !== decision) return;
      this.#pending.delete(idKey(id));
      this.#guard.abandon(decision, "errored");
      const params = { requestId: id, reason: "the guard gave up" };
      this.#toServer.write(toLine({ jsonrpc: "2.0", method: "notifications/cancelled", params }));
      this.#reply(upstreamReply(id, `there was no answer within ${seconds} s.`));
    }, seconds * 1_000).unref();
  }

  /** True if the cancelled request never left: there is nothing to tell the server. */
  #cancelled(message: JsonObject): boolean {
    const id = member(message["params"], "requestId");
    if (typeof id !== "string" && typeof id !== "number") return false;
    const key = idKey(id);
    const admitting = this.#admitting.get(key);
    if (admitting) {
      this.#admitting.delete(key);
      admitting.abort.abort();
      return true;
    }
    const decision = this.#pending.get(key);
    if (decision) {
      // Servers do not answer a cancelled request, so its place is given back now.
      this.#pending.delete(key);
      this.#guard.abandon(decision, "cancelled");
    }
    return false;
  }

  #fromServer(line: Buffer): void {
    const read = readMessage(line);
    if (read === undefined) {
      if (this.#unreadable("a line of the server is not a JSON object")) return;
      this.#forward(line);
      return;
    }
    const { text, message } = read;
    const id = isResponse(message) ? idOf(message) : undefined;
    const decision = id === undefined ? undefined : this.#pending.get(idKey(id));
    if (id === undefined || decision === undefined) {
      // Nobody asked for this list, or no longer: there is no caller for whom to filter it.
      if (isResponse(message) && holdsList(message)) this.#log("dropped a list that nobody waits for");
      else this.#forward(line);
      return;
    }
    this.#pending.delete(idKey(id));
    const settled = settleResponse(this.#guard, decision, text, message);
    this.#toHost.write(settled.then((result) => settledText(text, result) + "\n"));
  }

  /** Something of the server cannot be read. If it may be a list, its readers get an error in its place. */
  #unreadable(what: string): boolean {
    this.#log(what);
    const lists = [...this.#pending].filter(([, decision]) => isListMethod(decision.method));
    for (const [key, decision] of lists) {
      this.#pending.delete(key);
      this.#guard.abandon(decision, "errored");
      this.#reply(unreadableList(decision.requestId ?? null));
    }
    return lists.length > 0;
  }

  #forward(line: Buffer): void {
    this.#toHost.write(Buffer.concat([line, newline]));
  }

  #reply(message: JsonObject): void {
    this.#toHost.write(JSON.stringify(message) + "\n");
  }
}

const newline = Buffer.from("\n");

function idOfLine(line: Buffer): RequestId | undefined {
  const read = readMessage(line);
  return read && isJsonObject(read.message) ? idOf(read.message) : undefined;
}
