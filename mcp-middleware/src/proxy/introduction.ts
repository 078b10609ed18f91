import { isJsonObject, type JsonObject, type JsonValue, member } from "@peerage/core";
import type { CallSigner } from "../sign/call-signer.ts";
import { isResponse } from "./json-rpc.ts";

const ENVELOPE_PREFIX = "io.modelcontextprotocol/";
const TIMEOUT_MS = 10_000;

/**
 * One `server/discover` of the bridge's own. A modern host may call a tool with its very first message, or in a second
 * process after asking in a first one; the bridge then learns from this answer whom it is to sign for.
 */
export class Introduction {
  readonly #signer: CallSigner;
  readonly #send: (message: JsonObject) => void;
  readonly #id = `peerage-${crypto.randomUUID()}`;
  #done: (() => void) | undefined;

  constructor(signer: CallSigner, send: (message: JsonObject) => void) {
    this.#signer = signer;
    this.#send = send;
  }

  /** Asks in the envelope of the host's message. Settles when the answer is here, or none comes in 10 s. */
  async ask(message: JsonObject): Promise<void> {
    const meta = member(message["params"], "_meta");
    const envelope: Record<string, JsonValue> = {};
    for (const [name, value] of Object.entries(isJsonObject(meta) ? meta : {})) {
      if (name.startsWith(ENVELOPE_PREFIX)) envelope[name] = value;
    }
    const question = { jsonrpc: "2.0", id: this.#id, method: "server/discover", params: { _meta: envelope } };
    const signed = await this.#signer.sign(question);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, TIMEOUT_MS);
      this.#done = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#send(signed);
    });
    this.#done = undefined;
  }

  /** True if this is the answer, which is not for the host. */
  answered(message: JsonObject): boolean {
    if (!isResponse(message) || message["id"] !== this.#id) return false;
    this.#signer.received(message);
    this.giveUp();
    return true;
  }

  giveUp(): void {
    this.#done?.();
  }
}
