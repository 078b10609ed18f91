import { writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { generateIdentity, isJsonObject, type JsonObject, parsePolicy } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { createGuard } from "../mcp-middleware/src/guard/create-guard.ts";
import { runBridge, runStdioGuard, startHttpGuard } from "../mcp-middleware/src/proxy/index.ts";
import { createCallSigner } from "../mcp-middleware/src/sign/index.ts";
import { openPolicy, scratch } from "./_mcp.ts";

const whole = { protocolVersion: "2025-11-25", capabilities: {}, serverInfo: { name: "é", version: "1" } };
const answer = JSON.stringify({ jsonrpc: "2.0", id: "cut", result: whole });
const initialize = JSON.stringify({
  jsonrpc: "2.0",
  id: "cut",
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } },
});

const makeGuard = () => createGuard({ identity: generateIdentity(), policy: parsePolicy(JSON.stringify(openPolicy)) });

/** Everything a host read: exactly one line, which is the whole answer or an error for its id. */
function verdictOf(text: string): "whole" | "error" {
  expect(text.endsWith("\n")).toBe(true);
  const lines = text.trimEnd().split("\n");
  expect(lines).toHaveLength(1);
  const message = JSON.parse(lines[0] ?? "") as JsonObject;
  expect(message["id"]).toBe("cut");
  if (isJsonObject(message["error"])) return "error";
  expect(message["result"]).toMatchObject({ protocolVersion: whole.protocolVersion, serverInfo: whole.serverInfo });
  return "whole";
}

/** What is written to a stream until it is read to its end. */
async function collected(output: PassThrough): Promise<string> {
  let text = "";
  for await (const chunk of output) text += (chunk as Buffer).toString();
  return text;
}

const json = Buffer.from(answer);
const event = Buffer.from(`event: message\ndata: ${answer}\n\n`);
const head = (type: string, length?: number): string =>
  `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\n${length === undefined ? "Connection: close\r\n" : `Content-Length: ${length}\r\n`}\r\n`;

const kinds = [
  {
    kind: "JSON with a length",
    bytes: Buffer.concat([Buffer.from(head("application/json", json.length)), json]),
    ends: 0,
  },
  { kind: "an event stream", bytes: Buffer.concat([Buffer.from(head("text/event-stream")), event]), ends: 0 },
];

describe("an answer that is cut at any byte", () => {
  it.each(kinds)("over HTTP, as $kind, arrives whole or as an error, through guard and bridge", async ({ bytes }) => {
    let cut = 0;
    const server = createServer((socket: Socket) => {
      socket.on("error", () => undefined);
      let text = "";
      socket.on("data", (chunk) => {
        text += chunk.toString();
        if (!text.includes('"initialize"')) {
          if (text.startsWith("GET") || text.startsWith("DELETE"))
            socket.end("HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n");
          return;
        }
        text = "";
        socket.end(bytes.subarray(0, cut), () => socket.destroy());
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    await using guard = await makeGuard();
    const upstream = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
    await using proxy = await startHttpGuard({ guard, upstream, log: () => undefined, graceMs: 0 });
    const seen: string[] = [];
    for (cut = 0; cut <= bytes.length; cut++) {
      const [input, output] = [new PassThrough(), new PassThrough()];
      const signer = createCallSigner({ signer: generateIdentity(), endpoint: { url: proxy.url } });
      const bridge = runBridge({ url: proxy.url, signer, input, output, signals: false, log: () => undefined });
      const read = collected(output);
      input.end(`${initialize}\n`);
      await bridge;
      output.end();
      seen.push(verdictOf(await read));
    }
    // Whole from one byte on, and never before the answer was complete.
    const first = seen.indexOf("whole");
    expect(first).toBeGreaterThanOrEqual(bytes.length - 3);
    expect(seen.slice(first).every((verdict) => verdict === "whole")).toBe(true);
    server.close();
  });

  it.skipIf(process.platform === "win32")("over stdio, arrives whole or as an error, through the guard", async () => {
    using folder = scratch();
    const file = join(folder.path, "answer");
    const bytes = Buffer.from(`${answer}\n`);
    writeFileSync(file, bytes);
    await using guard = await makeGuard();
    const run = async (cut: number): Promise<string> => {
      const [input, output] = [new PassThrough(), new PassThrough()];
      // Reads the request, writes so many bytes of the answer, and dies.
      const args = ["-c", 'read line; head -c "$1" "$2"', "sh", String(cut), file];
      const read = collected(output);
      const ended = runStdioGuard({ guard, command: "sh", args, input, output, signals: false, log: () => undefined });
      input.write(`${initialize}\n`);
      await ended;
      output.end();
      return verdictOf(await read);
    };
    const seen: string[] = [];
    for (let cut = 0; cut <= bytes.length; cut += 8) {
      const some = Array.from({ length: Math.min(8, bytes.length + 1 - cut) }, (_, i) => run(cut + i));
      seen.push(...(await Promise.all(some)));
    }
    expect(seen.indexOf("whole")).toBe(bytes.length);
  });
});
