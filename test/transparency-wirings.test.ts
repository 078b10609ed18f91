import { generateIdentity, type Identity, type JsonObject } from "@peerage/core";
import { createGuard, type Guard } from "@peerage/mcp-middleware";
import { describe, expect, it } from "vitest";
import { createCallSigner } from "../mcp-middleware/src/sign/call-signer.ts";
import { signFetch } from "../mcp-middleware/src/sign/sign-fetch.ts";
import { type SignableTransport, signTransport } from "../mcp-middleware/src/sign/sign-transport.ts";
import { CALL_META, permissive, signed } from "./_guard.ts";
import type { Answer } from "./_mcp.ts";
import {
  type AnyClient,
  type ClientKind,
  clients,
  ENDPOINT,
  type Fetch,
  Journal,
  type Wired,
  type Wiring,
  wirings,
} from "./_wirings.ts";

const MODERN = "2026-07-28";
const modernMeta = {
  "io.modelcontextprotocol/protocolVersion": MODERN,
  "io.modelcontextprotocol/clientInfo": { name: "raw", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

const guardOf = (): Promise<Guard> =>
  createGuard({ identity: generateIdentity(), policy: permissive(), audiences: [ENDPOINT] });

/** What happens to a signed message between the client that signed it and the server. */
type Hop = (message: JsonObject) => readonly JsonObject[];

interface Loose {
  send(message: JsonObject, options?: unknown): Promise<void>;
}

/** A client that signs, and whose signed messages go through a hop. */
async function connect(kind: ClientKind, wired: Wired, agent: Identity, hop: Hop): Promise<AnyClient> {
  const client = kind.make();
  const endpoint = wired.kind === "line" ? { command: "fixture", args: [] } : { url: ENDPOINT };
  const signer = createCallSigner({ signer: agent, endpoint });
  if (wired.kind === "line") {
    const transport = kind.line(wired) as Loose;
    const send = transport.send.bind(transport);
    transport.send = async (message, options) => {
      for (const one of hop(message)) await send(one, options);
    };
    await client.connect(signTransport<SignableTransport>(transport as never, signer) as never);
  } else {
    const hopping: Fetch = async (input, init) => {
      if (typeof init?.body !== "string") return wired.fetch(input, init);
      const messages = hop(JSON.parse(init.body) as JsonObject);
      const responses = messages.map((one) => wired.fetch(input, { ...init, body: JSON.stringify(one) }));
      return (await Promise.all(responses)).at(-1)!;
    };
    await client.connect(kind.http(signFetch(hopping, signer, { endpoint: ENDPOINT })) as never);
  }
  return client;
}

const isEcho = (message: Answer): boolean => message.method === "tools/call" && message.params.name === "echo";
const all = wirings.flatMap((wiring) =>
  clients.map((kind) => ({ title: `${wiring.name}, ${kind.name}`, wiring, kind })),
);

describe.each(all)("$title", ({ wiring, kind }: { wiring: Wiring; kind: ClientKind }) => {
  it("A-CALL-07 refuses a call whose arguments were changed on the way; the next one passes", async () => {
    const journal = new Journal();
    let isEvil = true;
    const client = await connect(kind, await wiring.start(await guardOf(), journal), generateIdentity(), (message) => {
      if (!isEvil || !isEcho(message)) return [message];
      isEvil = false;
      const params = { ...(message["params"] as JsonObject), arguments: { text: "another" } };
      return [{ ...message, params }];
    });
    await expect(client.callTool({ name: "echo", arguments: { text: "mine" } })).rejects.toMatchObject({
      code: -31401,
      data: { reason: "ERR_PROOF_MISMATCH" },
    });
    expect(journal.ran).toEqual([]);
    expect(await client.callTool({ name: "echo", arguments: { text: "mine" } })).toMatchObject({
      content: [{ text: "mine" }],
    });
    await client.close();
  });

  it("A-CALL-08 runs a call once though it arrives twice", async () => {
    const journal = new Journal();
    let id = 1_000_000;
    const client = await connect(kind, await wiring.start(await guardOf(), journal), generateIdentity(), (message) =>
      isEcho(message) ? [{ ...message, id: ++id }, message] : [message],
    );
    // The copy, under another id, came first; so the client's own is the replay.
    await expect(client.callTool({ name: "echo" })).rejects.toMatchObject({ data: { reason: "ERR_PROOF_REPLAYED" } });
    expect(journal.ran).toEqual(["echo"]);
    await client.close();
  });
});

/** The guard, whose verdict on a call of the tool `slow` waits for the gate. */
function gated(guard: Guard, gate: Promise<void>): Guard {
  const isSlow = (message: unknown): boolean => {
    const text = message instanceof Uint8Array ? Buffer.from(message).toString() : JSON.stringify(message);
    return text.includes('"name":"slow"');
  };
  return new Proxy(guard, {
    get(target, name) {
      if (name === "admit" || name === "admitText") {
        const admit = target[name].bind(target);
        return (message: never, context: never) =>
          isSlow(message) ? gate.then(() => admit(message, context)) : admit(message, context);
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

describe.each(wirings)("a cancellation over $name", (wiring) => {
  // In createMcpHandler's modern era a client cancels by leaving; its stateless legacy era knows no cancellation.
  const kind = clients.find(({ name }) => name.includes(wiring.name.includes("createMcpHandler") ? "auto" : "SDK 1"))!;

  async function scene() {
    const journal = new Journal();
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const wired = await wiring.start(gated(await guardOf(), gate), journal);
    const client = await connect(kind, wired, generateIdentity(), (one) => [one]);
    const abort = new AbortController();
    const options = { signal: abort.signal };
    // The second argument of SDK 1 is a schema.
    const second = (kind.name === "SDK 1 client" ? undefined : options) as never;
    const call = expect(client.callTool({ name: "slow" }, second, options)).rejects.toThrow();
    const echo = (): Promise<unknown> => client.callTool({ name: "echo", arguments: { text: "after" } });
    return { journal, open, client, abort, call, echo };
  }

  it("before the verdict keeps the call from the tool", async () => {
    const { journal, open, client, abort, call, echo } = await scene();
    // The call is under way once one that was sent after it has been answered; so, below, is its cancellation.
    await echo();
    abort.abort();
    await call;
    await echo();
    open();
    expect(await echo()).toMatchObject({ content: [{ text: "after" }] });
    expect(journal.ran).toEqual(["echo", "echo", "echo"]);
    await client.close();
  });

  it("while the tool runs reaches the tool", async () => {
    const { journal, open, client, abort, call, echo } = await scene();
    open();
    await expect.poll(() => journal.ran).toEqual(["slow"]);
    abort.abort();
    await call;
    await expect.poll(() => journal.ran).toEqual(["slow", "aborted"]);
    expect(await echo()).toMatchObject({ content: [{ text: "after" }] });
    journal.release();
    await client.close();
  });
});

describe.each(wirings.filter((wiring) => wiring.name.includes("HTTP") || wiring.name.includes("createMcpHandler")))(
  "over $name",
  (wiring) => {
    const accept = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    const hello = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "raw", version: "1" } };

    async function scene(): Promise<{
      post: (
        body: unknown,
        headers?: Record<string, string>,
      ) => Promise<{ status: number; type: string; body: Answer }>;
      journal: Journal;
      alice: Identity;
    }> {
      const journal = new Journal();
      const alice = generateIdentity();
      const wired = await wiring.start(await guardOf(), journal);
      if (wired.kind !== "http") throw new Error("not over HTTP");
      let session: Record<string, string> = {};
      const post = async (body: unknown, headers: Record<string, string> = {}) => {
        const init = { method: "POST", headers: { ...accept, ...session, ...headers }, body: JSON.stringify(body) };
        const response = await wired.fetch(ENDPOINT, init);
        const text = await response.text();
        const data = text.split("\n").findLast((line) => line.startsWith("data: {"));
        const id = response.headers.get("mcp-session-id");
        if (id !== null) session = { "mcp-session-id": id, "mcp-protocol-version": "2025-11-25" };
        const type = response.headers.get("content-type") ?? "";
        return { status: response.status, type, body: text === "" ? undefined : JSON.parse(data?.slice(6) ?? text) };
      };
      if (wiring.name.includes("sessions")) await post(await signed(alice, ENDPOINT, "initialize", hello));
      return { post, journal, alice };
    }

    it("A-HTTP-04 an unsigned subscriptions/listen gets an error and no byte of a stream", async () => {
      const { post } = await scene();
      const params = { notifications: { toolsListChanged: true }, _meta: modernMeta };
      const listen = { jsonrpc: "2.0", id: 1, method: "subscriptions/listen", params };
      const headers = { "mcp-protocol-version": MODERN, "mcp-method": "subscriptions/listen" };
      expect(await post(listen, headers)).toMatchObject({
        status: 200,
        type: "application/json",
        body: { id: 1, error: { code: -31401, data: { reason: "ERR_PROOF_MISSING" } } },
      });
    });

    it("A-CALL-08 admits one of 50 parallel POSTs of one proof", async () => {
      const { post, journal, alice } = await scene();
      const call = await signed(alice, ENDPOINT, "tools/call", { name: "echo", arguments: {} }, { id: 7 });
      const answers = await Promise.all(Array.from({ length: 50 }, () => post(call)));
      expect(answers.filter(({ body }) => body.result !== undefined)).toHaveLength(1);
      expect(journal.ran).toEqual(["echo"]);
    });

    it("A-JSON-01 refuses arrays whole, signed or not", async () => {
      const { post, journal, alice } = await scene();
      const call = await signed(alice, ENDPOINT, "tools/call", { name: "echo", arguments: {} });
      const bare = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "echo" } };
      for (const batch of [[call, bare], [call], []]) {
        expect(await post(batch)).toMatchObject({
          status: 400,
          body: { error: { code: -32600, data: { reason: "ERR_MESSAGE_BATCH" } } },
        });
      }
      expect(journal.ran).toEqual([]);
      expect((await post(call)).body.result).toBeDefined();
    });

    it("A-CALL-14 takes no proof from arguments or beside jsonrpc", async () => {
      const { post, journal, alice } = await scene();
      const params = { name: "echo", arguments: {} };
      const { params: withMeta } = (await signed(alice, ENDPOINT, "tools/call", params)) as { params: Answer };
      const token: string = withMeta._meta[CALL_META];
      for (const wrong of [
        { params: { ...params, arguments: { [CALL_META]: token } } },
        { params, [CALL_META]: token },
        { params: { ...params, [CALL_META]: token } },
      ]) {
        const { body } = await post({ jsonrpc: "2.0", id: 1, method: "tools/call", ...wrong });
        expect(body.error.code).toBe(-31401);
      }
      expect(journal.ran).toEqual([]);
    });
  },
);
