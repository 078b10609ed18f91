import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { askAdapters, completeInput, opaAdapter } from "@peerage/core";
import { expect, it } from "vitest";
import { socketFetch } from "./policy-socket.ts";

it("asks an OPA on a Unix socket; without one, or where it errs, the answer is no", async () => {
  const folder = mkdtempSync(join(tmpdir(), "peerage-socket-"));
  const path = join(folder, "opa.sock");
  const seen: string[] = [];
  let status = 200;
  const server = createServer((request, response) => {
    seen.push(`${request.method ?? ""} ${request.url ?? ""} ${request.headers["content-type"] ?? ""}`);
    request.resume().on("end", () => response.writeHead(status).end(status === 204 ? undefined : '{"result":true}'));
  });
  const ask = async (): Promise<boolean> => {
    const adapter = opaAdapter({
      url: "http://opa/v1/data/mcp/allow",
      isLocal: true,
      fetch: socketFetch(path),
      timeoutMs: 20_000,
    });
    const [answer] = await askAdapters(["opa"], { opa: adapter }, completeInput({ tool: "x" }), 20_000);
    return answer!.allow;
  };
  try {
    expect(await ask()).toBe(false);
    await new Promise<void>((resolve) => server.listen(path, resolve));
    expect(await ask()).toBe(true);
    expect(seen).toEqual(["POST /v1/data/mcp/allow application/json"]);
    for (status of [204, 302, 500]) expect(await ask(), String(status)).toBe(false);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  }
});
