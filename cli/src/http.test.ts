import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { request } from "./http.ts";

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server[Symbol.asyncDispose]();
});

async function registry(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push({
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("a request to a registry", () => {
  it("takes an answer up to its limit, and hangs up on one that never ends", async () => {
    const much = JSON.stringify("x".repeat(1_048_576 - 2));
    expect((await request(await registry((_, response) => void response.end(much)), "/")).body).toHaveLength(
      much.length - 2,
    );
    const closed = Promise.withResolvers<undefined>();
    const url = await registry((_, response) => {
      response.once("close", () => closed.resolve(undefined));
      const more = (): void => {
        if (!response.destroyed) response.write("x".repeat(65_536), () => setImmediate(more));
      };
      more();
    });
    await expect(request(url, "/")).rejects.toMatchObject({ code: "ERR_REGISTRY_RESPONSE" });
    await closed.promise;
  });

  it("calls a registry unreachable whose answer breaks off, and wrong what is no JSON", async () => {
    const cut = await registry((_, response) => {
      response.writeHead(200, { "content-length": "50" }).write('{"half":');
      setImmediate(() => response.destroy());
    });
    await expect(request(cut, "/")).rejects.toMatchObject({ code: "ERR_REGISTRY_UNREACHABLE" });
    const wrong = await registry((_, response) => void response.end("<html>"));
    await expect(request(wrong, "/")).rejects.toMatchObject({ code: "ERR_REGISTRY_RESPONSE" });
  });

  it("calls a registry unreachable whose gateway says so in JSON, and takes the code that a registry names", async () => {
    const says = (status: number, body: object): Promise<string> =>
      registry((_, response) => void response.writeHead(status).end(JSON.stringify(body)));
    for (const [status, body, code] of [
      [502, { message: "Bad Gateway" }, "ERR_REGISTRY_UNREACHABLE"],
      [503, { code: "ERR_REGISTRY_BUSY" }, "ERR_REGISTRY_BUSY"],
      [400, { message: "no" }, "ERR_REGISTRY_RESPONSE"],
    ] as const)
      await expect(request(await says(status, body), "/"), String(status)).rejects.toMatchObject({ code });
    expect((await request(await says(200, { ok: true }), "/")).body).toEqual({ ok: true });
  });
});
