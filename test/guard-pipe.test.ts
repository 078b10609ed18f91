import { createInterface } from "node:readline";
import type { PassThrough } from "node:stream";
import { generateIdentity, type Identity, type JsonObject } from "@peerage/core";
import { createGuard, type Guard } from "@peerage/mcp-middleware";
import { describe, expect, it } from "vitest";
import { permissive, signed } from "./_guard.ts";
import { Journal, wirings } from "./_wirings.ts";

const meta = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "raw", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

/** The client's end of a pipe, frame by frame. */
class Pipe {
  readonly received: JsonObject[] = [];
  readonly #input: PassThrough;

  constructor(input: PassThrough, output: PassThrough) {
    this.#input = input;
    createInterface({ input: output }).on("line", (line) => this.received.push(JSON.parse(line) as JsonObject));
  }

  send(message: JsonObject): void {
    this.#input.write(`${JSON.stringify(message)}\n`);
  }

  async answer(id: unknown): Promise<JsonObject> {
    await expect.poll(() => this.received.some((message) => message["id"] === id), { timeout: 60_000 }).toBe(true);
    return this.received.find((message) => message["id"] === id)!;
  }
}

async function scene(
  name: string,
): Promise<{ guard: Guard; pipe: Pipe; journal: Journal; alice: Identity; mallory: Identity }> {
  const guard = await createGuard({ identity: generateIdentity(), policy: permissive() });
  const journal = new Journal();
  const wired = await wirings.find((wiring) => wiring.name === name)!.start(guard, journal);
  if (wired.kind !== "line") throw new Error("not a pipe");
  return {
    guard,
    pipe: new Pipe(wired.input, wired.output),
    journal,
    alice: generateIdentity(),
    mallory: generateIdentity(),
  };
}

const textOf = (answer: JsonObject): string =>
  (answer["result"] as unknown as { content: [{ text: string }] }).content[0].text;

describe("a pipe that several identities share", () => {
  it("gives every handler the caller of its own message, though serveStdio queues them", async () => {
    const { guard, pipe, alice, mallory } = await scene("SDK 2 serveStdio");
    const calls = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        signed(i % 2 ? alice : mallory, guard.did, "tools/call", { name: "whoami" }, { meta, id: i }),
      ),
    );
    for (const call of calls) pipe.send(call);
    for (const [i] of calls.entries()) {
      const { did } = i % 2 ? alice : mallory;
      expect(JSON.parse(textOf(await pipe.answer(i)))).toMatchObject({ did, clientId: did });
    }
  });

  it("A-SESS-02 drops another's cancellation of a running call, and the call completes", async () => {
    const { guard, pipe, journal, alice, mallory } = await scene("SDK 2 serveStdio");
    pipe.send(await signed(alice, guard.did, "tools/call", { name: "slow" }, { meta, id: 7 }));
    await expect.poll(() => journal.ran).toEqual(["slow"]);
    pipe.send(await signed(mallory, guard.did, "notifications/cancelled", { requestId: 7 }, { meta }));
    pipe.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 7 } });
    pipe.send(await signed(mallory, guard.did, "tools/call", { name: "echo" }, { meta, id: 8 }));
    await pipe.answer(8);
    journal.release();
    expect(textOf(await pipe.answer(7))).toBe("done");
    expect(journal.ran).toEqual(["slow", "echo"]);
    expect(pipe.received).toHaveLength(2);
  });
});

describe.each(["SDK 1 stdio", "SDK 2 stdio"])("a legacy session over %s", (name) => {
  it("A-SESS-01 A-SESS-04 belongs to the first who signs; others and the unsigned are refused, and it lives on", async () => {
    const { guard, pipe, journal, alice, mallory } = await scene(name);
    const hello = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "raw", version: "1" } };
    pipe.send({ jsonrpc: "2.0", id: "hello", method: "initialize", params: hello });
    expect(await pipe.answer("hello")).toMatchObject({
      result: { capabilities: { extensions: { "dev.peerage/call": { v: 1, aud: [guard.did], required: true } } } },
    });
    pipe.send({ jsonrpc: "2.0", method: "notifications/initialized" });
    pipe.send(await signed(alice, guard.did, "tools/call", { name: "echo", arguments: { text: "mine" } }, { id: 1 }));
    expect(textOf(await pipe.answer(1))).toBe("mine");
    pipe.send(await signed(mallory, guard.did, "tools/call", { name: "echo" }, { id: 2 }));
    expect(await pipe.answer(2)).toMatchObject({ error: { code: -31401, data: { reason: "ERR_SESSION_BOUND" } } });
    pipe.send({ jsonrpc: "2.0", id: 3, method: "ping" });
    expect(await pipe.answer(3)).toMatchObject({ error: { code: -31401, data: { reason: "ERR_PROOF_MISSING" } } });
    pipe.send(await signed(alice, guard.did, "ping", {}, { id: 4 }));
    expect(await pipe.answer(4)).toMatchObject({ result: {} });
    expect(journal.ran).toEqual(["echo"]);
  });
});
