import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { type ErrorCode, errorCodes, type JsonObject } from "@peerage/core";
import { REFUSAL_META } from "@peerage/mcp-middleware";
import { missing } from "./world.ts";
import type { Owned } from "../owned.ts";

/** What became of one call. */
export type Outcome =
  | { readonly admitted: true; readonly text: string; readonly result: JsonObject }
  | { readonly admitted: false; readonly reason: ErrorCode | "ERR_INTERNAL"; readonly text: string };

/** A connection of the official MCP client, unmodified, to a command. */
export class Session {
  readonly #client: Client;

  private constructor(client: Client) {
    this.#client = client;
  }

  /** @param stack closes the session, from the moment on at which its processes start */
  static async open(
    command: readonly [string, ...string[]],
    env: Record<string, string>,
    stack: Owned,
  ): Promise<Session> {
    const { Client, StdioClientTransport } = await loadSdk();
    const [executable, ...args] = command;
    const transport = new StdioClientTransport({ command: executable, args, env, stderr: "pipe" });
    const stderr: string[] = [];
    transport.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk.toString()));
    const client = new Client({ name: "peerage-demo", version: "1.0.0" });
    stack.defer(() => client.close());
    try {
      await client.connect(transport);
    } catch (error) {
      throw new Error(`the demonstration could not start: ${stderr.join("").trim() || String(error)}`, {
        cause: error,
      });
    }
    return new Session(client);
  }

  /** Calls `echo`; `meta` is sent as it is, to play those who sign by hand, badly, or not at all. */
  async echo(message: string, meta?: Record<string, unknown>): Promise<Outcome> {
    try {
      const result = (await this.#client.callTool({
        name: "echo",
        arguments: { message },
        ...(meta === undefined ? {} : { _meta: meta }),
      })) as JsonObject;
      return outcomeOf(result);
    } catch (error) {
      const { data, message: text } = error as { data?: { reason?: unknown }; message?: string };
      return { admitted: false, reason: codeOf(data?.reason), text: text ?? "" };
    }
  }
}

function outcomeOf(result: JsonObject): Outcome {
  const { content, _meta: meta } = result as {
    content?: { text?: string }[];
    _meta?: Record<string, { reason?: unknown }>;
  };
  const text = content?.[0]?.text ?? "";
  const refusal = meta?.[REFUSAL_META];
  return refusal === undefined
    ? { admitted: true, text, result }
    : { admitted: false, reason: codeOf(refusal.reason), text };
}

function codeOf(reason: unknown): ErrorCode {
  return errorCodes.find((code) => code === reason) ?? "ERR_INTERNAL";
}

async function loadSdk(): Promise<
  Pick<typeof import("@modelcontextprotocol/sdk/client/index.js"), "Client"> &
    Pick<typeof import("@modelcontextprotocol/sdk/client/stdio.js"), "StdioClientTransport">
> {
  try {
    const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
    const { StdioClientTransport } = await import("@modelcontextprotocol/sdk/client/stdio.js");
    return { Client, StdioClientTransport };
  } catch {
    throw missing("@modelcontextprotocol/sdk");
  }
}
