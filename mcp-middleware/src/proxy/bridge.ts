import type { Agent as HttpsAgent } from "node:https";
import type { Readable, Writable } from "node:stream";
import { isJsonObject, isPeerageError, type JsonObject, type JsonValue, parseJson, PeerageError } from "@peerage/core";
import { isAdvertised } from "../guard/results.ts";
import { salvageId } from "../guard/salvage-id.ts";
import type { CallSigner } from "../sign/call-signer.ts";
import { bridgeToChild } from "./bridge-child.ts";
import { bridgeToUrl } from "./bridge-url.ts";
import type { ExitStatus, ServerCommand } from "./child.ts";
import { LineSplitter, MAX_LINE_BYTES } from "./framing.ts";
import { errorReply, idKey, idOf, isResponse, methodOf, type RequestId, rpcCodes } from "./json-rpc.ts";
import { modernVersion } from "./mcp-headers.ts";
import { OrderedWriter } from "./ordered-writer.ts";

/** A Streamable HTTP endpoint to bridge to. */
export interface ServerUrl {
  readonly url: string | URL;
  /** Sent with every request, for example `Authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Do not fall back to the header `Peerage-Call` where something on the way strips `_meta`. */
  readonly keepProofInMeta?: boolean | undefined;
  /** For an https URL, such as a `SpiffeAgent`; closed with the bridge. */
  readonly agent?: HttpsAgent | undefined;
}

/** The server that a host is bridged to, and who signs for it. */
export type BridgeOptions = (ServerCommand | ServerUrl) & {
  /** Signs for this very server: see `createCallSigner`. */
  readonly signer: CallSigner;
  /** The host's end; stdin and stdout of this process by default. */
  readonly input?: Readable;
  readonly output?: Writable;
  /** One line for the user; stderr by default. Never receives message contents. */
  readonly log?: (line: string) => void;
  /** Take SIGTERM, SIGINT and SIGHUP: pass them on to a child, or end cleanly; true by default. */
  readonly signals?: boolean;
  /** See `endServer`. */
  readonly graceMs?: number;
};

/**
 * Runs a signing bridge: a stdio host on one side, a server's command or Streamable HTTP URL on the other. Every request
 * and notification of the host goes on with a proof, everything else unchanged. What would not arrive as it was meant,
 * such as a number beyond 2^53, is refused to the host before it is signed.
 */
export function runBridge(options: BridgeOptions): Promise<ExitStatus> {
  const host = new HostSide(options);
  return "url" in options ? bridgeToUrl(host, options) : bridgeToChild(host, options);
}

/** The side of a bridge that faces the host: reads its messages, signs them in order, answers for what fails. */
export class HostSide {
  readonly signer: CallSigner;
  readonly log: (line: string) => void;
  /** Settles when the host has closed its end. */
  readonly left: Promise<void>;
  readonly #input: Readable;
  readonly #writer: OrderedWriter;
  readonly #pending = new Map<string, { readonly id: RequestId; readonly method: string }>();
  /** Answers that the host has and the signer has not looked at yet. */
  readonly #unseen: JsonObject[] = [];
  #looking: NodeJS.Timeout | undefined;
  #signing: Promise<void> = Promise.resolve();
  #pressure: (full: boolean) => void = () => undefined;
  #introduce: ((message: JsonObject) => Promise<void>) | undefined;

  constructor(options: BridgeOptions) {
    this.signer = options.signer;
    this.log = options.log ?? ((line) => void process.stderr.write(`peerage proxy: ${line}\n`));
    this.#input = options.input ?? process.stdin;
    const output = options.output ?? process.stdout;
    this.#writer = new OrderedWriter(output, (full) => this.#pressure(full));
    output.on("error", () => this.#input.destroy());
    this.left = new Promise((resolve) => {
      for (const event of ["end", "close", "error"]) this.#input.once(event, resolve);
    });
  }

  /** True while the host waits for an answer. */
  get busy(): boolean {
    return this.#pending.size > 0;
  }

  /**
   * Begins to read. `send` gets every message that is to go on, signed, in the order in which the host wrote them; the
   * original goes with it, because a repeated attempt needs a proof of its own.
   */
  start(send: (signed: JsonObject, original: JsonObject) => void | Promise<void>): void {
    const splitter = new LineSplitter({
      onLine: (line) => {
        this.#signing = this.#signing.then(() => this.#line(line, send));
      },
      onTooLarge: () => {
        this.reply(errorReply(null, rpcCodes.invalid, "ERR_MESSAGE_TOO_LARGE", "the line is too long."));
      },
    });
    this.#input.on("data", (chunk: Buffer) => splitter.push(chunk));
  }

  /**
   * Is called with a message of the modern era that comes before the server has named itself: without a handshake the
   * bridge has to ask by itself whom it is to sign for.
   */
  onUnknownServer(introduce: (message: JsonObject) => Promise<void>): void {
    this.#introduce = introduce;
  }

  /** Settles when all that was read is signed and handed on. */
  async signed(): Promise<void> {
    await this.#signing;
  }

  /** Asks the host to wait, or to go on. */
  pause(full: boolean): void {
    if (full) this.#input.pause();
    else this.#input.resume();
  }

  /** Is told when the host reads too slowly. */
  onPressure(pressure: (full: boolean) => void): void {
    this.#pressure = pressure;
  }

  /** One line to the host, exactly these bytes, then the signer looks at it. */
  forward(line: string | Uint8Array, message: JsonValue | undefined): void {
    this.#writer.write(typeof line === "string" ? `${line}\n` : Buffer.concat([line, newline]));
    if (message === undefined || !isJsonObject(message) || !isResponse(message)) return;
    const id = idOf(message);
    const method = id === undefined ? undefined : this.#pending.get(idKey(id))?.method;
    if (id !== undefined) this.#pending.delete(idKey(id));
    // Who the server is, and what the next history holds, is known before the next message is signed. A receipt alone is
    // verified while the bridge has nothing better to do: the host has its answer either way.
    if (method === undefined || isAdvertised(method) || this.signer.presentsHistory) this.signer.received(message);
    else this.#lookLater(message);
  }

  #lookLater(message: JsonObject): void {
    this.#unseen.push(message);
    this.#looking ??= setTimeout(() => this.#look(), LOOK_AFTER_MS);
  }

  #look(): void {
    clearTimeout(this.#looking);
    this.#looking = undefined;
    for (const message of this.#unseen.splice(0)) this.signer.received(message);
  }

  /** True if the host waits for an answer with this id. */
  waits(id: RequestId): boolean {
    return this.#pending.has(idKey(id));
  }

  /** The host no longer waits for this id. */
  forget(id: RequestId): void {
    this.#pending.delete(idKey(id));
  }

  /** An answer of our own. */
  reply(message: JsonObject): void {
    const id = idOf(message);
    if (id !== undefined) this.forget(id);
    this.#writer.write(`${JSON.stringify(message)}\n`);
  }

  /** Ends the bridge: whoever still waits gets an answer, and all of it is written. */
  async close(answer: (id: RequestId) => JsonObject): Promise<void> {
    this.#input.pause();
    for (const { id } of [...this.#pending.values()]) this.reply(answer(id));
    this.#look();
    await this.#writer.flush();
  }

  async #line(line: Buffer, send: (signed: JsonObject, original: JsonObject) => void | Promise<void>): Promise<void> {
    let message: JsonObject | undefined;
    try {
      message = readLine(line);
      const method = methodOf(message);
      const id = method === undefined ? undefined : idOf(message);
      if (id !== undefined && method !== undefined) this.#pending.set(idKey(id), { id, method });
      if (this.signer.audience === undefined && this.#introduce && isModernCall(message)) {
        const introduce = this.#introduce;
        this.#introduce = undefined;
        await introduce(message);
      }
      await send(await this.signer.sign(message), message);
      if (this.#unseen.length > 0) setImmediate(() => this.#look());
    } catch (error) {
      const id = message ? (idOf(message) ?? null) : salvageId(line.toString());
      const isRequest = message === undefined || (methodOf(message) !== undefined && id !== null);
      const problem = isPeerageError(error) ? error : new PeerageError("ERR_INTERNAL", "the message was not signed");
      if (!isPeerageError(error)) this.log(error instanceof Error ? error.message : "a message was not signed");
      const code = problem.code === "ERR_JSON_SYNTAX" ? rpcCodes.parse : message ? rpcCodes.identity : rpcCodes.invalid;
      if (isRequest) this.reply(errorReply(id, code, problem.code, problem.message));
      else this.log(`a notification was not sent: ${problem.code}`);
    }
  }
}

const newline = Buffer.from("\n");
/** A receipt waits at most this long to be verified, unless a message of the host comes first. */
const LOOK_AFTER_MS = 5;

function isModernCall(message: JsonObject): boolean {
  return modernVersion(message) !== undefined && methodOf(message) !== "server/discover";
}

function readLine(line: Buffer): JsonObject {
  const message = parseJson(line, { maxBytes: MAX_LINE_BYTES });
  if (Array.isArray(message)) throw new PeerageError("ERR_MESSAGE_BATCH", "batches are not accepted");
  if (!isJsonObject(message)) throw new PeerageError("ERR_MESSAGE_INVALID", "a message is a JSON object");
  return message;
}
