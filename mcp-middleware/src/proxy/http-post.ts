import { Agent as HttpAgent, type IncomingMessage, request as httpRequest, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { ByteQueue } from "./byte-queue.ts";

const CONNECT_TIMEOUT_MS = 10_000;

/** What a URL means to `node:http`, worked out once. */
export function targetOf({ protocol, hostname, port, pathname, search }: URL): RequestOptions {
  // An IPv6 address has brackets in a URL only.
  const host = hostname.replace(/^\[|\]$/g, "");
  return { protocol, hostname: host, ...(port === "" ? {} : { port }), path: pathname + search };
}

/** A keep-alive client for one endpoint: `node:http(s)`, no limit on a silent answer, no redirect followed. */
export class HttpEndpoint {
  readonly #target: RequestOptions;
  readonly #secure: boolean;
  readonly #agent: HttpAgent | HttpsAgent;

  /** @param agent for https, such as a `SpiffeAgent`; closed with the client */
  constructor(url: URL, agent?: HttpsAgent) {
    this.#target = targetOf(url);
    this.#secure = url.protocol === "https:";
    const options = { keepAlive: true, maxSockets: Infinity };
    this.#agent = this.#secure ? (agent ?? new HttpsAgent(options)) : new HttpAgent(options);
  }

  /**
   * Sends one request and gives its response as soon as the headers are there.
   * @throws the socket's error
   */
  request(
    method: "POST" | "GET" | "DELETE",
    headers: Readonly<Record<string, string>>,
    options: { readonly body?: string; readonly signal?: AbortSignal } = {},
  ): Promise<IncomingMessage> {
    const { body, signal } = options;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw new Error("given up");
      const outgoing = (this.#secure ? httpsRequest : httpRequest)({
        ...this.#target,
        method,
        agent: this.#agent,
        headers: { ...headers, ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }) },
      });
      const giveUp = (): void => void outgoing.destroy(new Error("given up"));
      signal?.addEventListener("abort", giveUp, { once: true });
      outgoing.once("close", () => signal?.removeEventListener("abort", giveUp));
      outgoing.on("error", reject);
      outgoing.on("response", resolve);
      outgoing.on("socket", (socket) => {
        if (!socket.connecting) return;
        const timer = setTimeout(() => outgoing.destroy(new Error("connect timeout")), CONNECT_TIMEOUT_MS);
        for (const event of [this.#secure ? "secureConnect" : "connect", "close"]) {
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
