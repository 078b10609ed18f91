import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { ByteQueue } from "./byte-queue.ts";

const CONNECT_TIMEOUT_MS = 10_000;

/** A keep-alive client for one endpoint: `node:http(s)`, no limit on a silent answer, no redirect followed. */
export class HttpEndpoint {
  readonly #url: URL;
  readonly #agent: HttpAgent | HttpsAgent;

  /** @param agent for https, such as a `SpiffeAgent`; closed with the client */
  constructor(url: URL, agent?: HttpsAgent) {
    this.#url = url;
    const options = { keepAlive: true, maxSockets: Infinity };
    this.#agent = url.protocol === "https:" ? (agent ?? new HttpsAgent(options)) : new HttpAgent(options);
  }

  /**
   * Sends one request and gives its response as soon as the headers are there.
   * @throws the socket's error, or the reason of the signal
   */
  request(
    method: "POST" | "GET" | "DELETE",
    headers: Readonly<Record<string, string>>,
    options: { readonly body?: string; readonly signal?: AbortSignal } = {},
  ): Promise<IncomingMessage> {
    const { body, signal } = options;
    return new Promise((resolve, reject) => {
      const secure = this.#url.protocol === "https:";
      const outgoing = (secure ? httpsRequest : httpRequest)(this.#url, {
        method,
        agent: this.#agent,
        headers: { ...headers, ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }) },
        ...(signal ? { signal } : {}),
      });
      outgoing.on("error", reject);
      outgoing.on("response", resolve);
      outgoing.on("socket", (socket) => {
        if (!socket.connecting) return;
        const timer = setTimeout(() => outgoing.destroy(new Error("connect timeout")), CONNECT_TIMEOUT_MS);
        for (const event of [secure ? "secureConnect" : "connect", "close"]) {
          socket.once(event, () => clearTimeout(timer));
        }
      });
      outgoing.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Reads a response to its end, at most `maxBytes` of it. @throws if it breaks off or is longer */
export async function readAll(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const held = new ByteQueue();
  for await (const chunk of response as AsyncIterable<Buffer>) {
    held.push(chunk);
    if (held.length > maxBytes) throw new Error("the answer is too long");
  }
  return held.take();
}
