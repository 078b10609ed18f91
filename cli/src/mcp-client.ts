import type { Agent } from "node:https";
import { PassThrough } from "node:stream";
import { errorCodes, isJsonObject, type JsonObject, type JsonValue, member, parseJson } from "@peerage/core";
import { type CallSigner, type Endpoint, type ExitStatus, runBridge } from "@peerage/mcp-middleware";
import { CliError } from "./errors.ts";
import { visible } from "./ui/visible.ts";

/** A server's answer to one request. */
export type Reply = { readonly result: JsonObject } | { readonly error: JsonObject };

/** The smallest MCP client: raw JSON-RPC through the signing bridge in this process. */
export class McpClient implements AsyncDisposable {
  readonly #input = new PassThrough();
  readonly #ended: Promise<ExitStatus>;
  readonly #waiting = new Map<number, (reply: Reply | undefined) => void>();
  #buffer = "";
  #next = 1;

  constructor(
    endpoint: Endpoint,
    options: {
      readonly signer: CallSigner;
      readonly headers: Readonly<Record<string, string>>;
      /** For an https URL. */
      readonly agent?: Agent | undefined;
      /** See `ServerUrl` of the middleware. */
      readonly keepProofInMeta?: boolean;
      readonly env: NodeJS.ProcessEnv;
      readonly cwd: string;
      readonly log: (line: string) => void;
    },
  ) {
    const output = new PassThrough();
    output.setEncoding("utf8");
    output.on("data", (text: string) => this.#read(text));
    const target =
      "url" in endpoint
        ? {
            url: endpoint.url,
            headers: options.headers,
            agent: options.agent,
            keepProofInMeta: options.keepProofInMeta,
          }
        : { ...endpoint, env: options.env, cwd: options.cwd };
    this.#ended = runBridge({ ...target, signer: options.signer, input: this.#input, output, log: options.log });
    void this.#ended.then(() => {
      for (const answer of this.#waiting.values()) answer(undefined);
    });
  }

  /** Opens the session; what the server says of itself. @throws {CliError} ERR_UPSTREAM_UNAVAILABLE */
  async initialize(seconds: number): Promise<JsonObject> {
    const reply = await this.request(
      "initialize",
      { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "peerage", version: "1" } },
      seconds,
    );
    if ("error" in reply) {
      const { message, data } = reply.error;
      const told = visible(typeof message === "string" ? message : "", 300);
      const reason = errorCodes.find((code) => code === member(data, "reason"));
      if (reason !== undefined) throw new CliError(reason, told);
      throw new CliError("ERR_UPSTREAM_UNAVAILABLE", `the server does not start: ${told}`);
    }
    this.#write({ jsonrpc: "2.0", method: "notifications/initialized" });
    return reply.result;
  }

  /** Sends one request and waits for its answer. @throws {CliError} ERR_UPSTREAM_UNAVAILABLE */
  async request(method: string, params: JsonObject, seconds: number): Promise<Reply> {
    const id = this.#next++;
    const { promise, resolve } = Promise.withResolvers<Reply | undefined>();
    this.#waiting.set(id, resolve);
    const timer = setTimeout(() => resolve(undefined), seconds * 1_000);
    this.#write({ jsonrpc: "2.0", id, method, params });
    const reply = await promise;
    clearTimeout(timer);
    this.#waiting.delete(id);
    if (!reply)
      throw new CliError("ERR_UPSTREAM_UNAVAILABLE", `the server did not answer ${method} within ${seconds} s`, {
        hint: "--timeout <seconds>",
      });
    return reply;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#input.end();
    await this.#ended;
  }

  #write(message: JsonObject): void {
    this.#input.write(`${JSON.stringify(message)}\n`);
  }

  #read(text: string): void {
    this.#buffer += text;
    for (let end = this.#buffer.indexOf("\n"); end >= 0; end = this.#buffer.indexOf("\n")) {
      const line = this.#buffer.slice(0, end);
      this.#buffer = this.#buffer.slice(end + 1);
      const message = parse(line);
      if (!isJsonObject(message)) continue;
      const { id, result, error, method } = message;
      if (method !== undefined && id !== undefined) {
        // We offer no capabilities, so a server asks for nothing; whoever does is told so.
        this.#write({ jsonrpc: "2.0", id, error: { code: -32601, message: "not supported" } });
      } else if (typeof id === "number") {
        if (isJsonObject(error)) this.#waiting.get(id)?.({ error });
        else this.#waiting.get(id)?.({ result: isJsonObject(result) ? result : {} });
      }
    }
  }
}

function parse(line: string): JsonValue {
  try {
    return parseJson(line);
  } catch {
    return null;
  }
}
