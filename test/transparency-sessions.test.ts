import type { JsonObject } from "@peerage/core";
import { generateIdentity, type Identity, signCall } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { startFixture, strictGuard } from "./_conformance.ts";
import { signed } from "./_guard.ts";
import type { Answer } from "./_mcp.ts";

/** One client's way to an endpoint, frame by frame. */
class HttpPeer {
  readonly #url: string;
  readonly #who: Identity;
  session: Record<string, string> = {};

  constructor(url: string, who: Identity) {
    this.#url = url;
    this.#who = who;
  }

  /** The same session in the hands of somebody else. */
  inHandsOf(who: Identity): HttpPeer {
    const peer = new HttpPeer(this.#url, who);
    peer.session = this.session;
    return peer;
  }

  async initialize(): Promise<void> {
    const hello = {
      protocolVersion: "2025-11-25",
      capabilities: { elicitation: {} },
      clientInfo: { name: "raw", version: "1" },
    };
    const response = await this.post(await this.sign("initialize", hello, 0));
    await response.text();
    this.session = {
      "mcp-session-id": response.headers.get("mcp-session-id") ?? "",
      "mcp-protocol-version": "2025-11-25",
    };
    await this.post(await this.sign("notifications/initialized"));
  }

  sign(method: string, params: JsonObject = {}, id?: number): Promise<JsonObject> {
    return signed(this.#who, this.#url, method, params, id === undefined ? {} : { id });
  }

  async proof(method: string, params: JsonObject): Promise<Record<string, string>> {
    return { "peerage-call": await signCall(this.#who, { audience: this.#url, message: { method, params } }) };
  }

  post(message: JsonObject, headers: Record<string, string> = {}): Promise<Response> {
    const accept = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    const body = JSON.stringify(message);
    return fetch(this.#url, { method: "POST", headers: { ...accept, ...this.session, ...headers }, body });
  }

  send(method: "GET" | "DELETE", headers: Record<string, string> = {}): Promise<Response> {
    return fetch(this.#url, { method, headers: { accept: "text/event-stream", ...this.session, ...headers } });
  }
}

/** The messages of an event stream, as they come. */
async function* messages(response: Response): AsyncGenerator<Answer> {
  let text = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const events = (text + chunk).split("\n\n");
    text = events.pop() ?? "";
    for (const event of events) {
      const data = /^data: (\{.*)$/m.exec(event)?.[1];
      if (data !== undefined) yield JSON.parse(data);
    }
  }
}

describe.each(["v1", "v2"] as const)("a session with a server of SDK %s behind the HTTP guard", (major) => {
  it("A-SESS-01 A-SESS-02 A-SESS-03 keeps intruders out of it while the server waits for its owner, who then answers", async () => {
    await using server = await startFixture(major);
    await using guard = await strictGuard(server.url);
    const alice = new HttpPeer(guard.url, generateIdentity());
    await alice.initialize();
    const mallory = alice.inHandsOf(generateIdentity());

    const call = await alice.sign("tools/call", { name: "test_elicitation", arguments: { message: "Who?" } }, 1);
    const frames = messages(await alice.post(call));
    const question = (await frames.next()).value;
    expect(question).toMatchObject({ method: "elicitation/create", params: { message: "Who?" } });
    const reached = server.requests();

    const call2 = { name: "test_simple_text", arguments: {} };
    expect(await (await mallory.post(await mallory.sign("tools/call", call2, 2))).json()).toMatchObject({
      error: { code: -31401, data: { reason: "ERR_SESSION_BOUND" } },
    });
    const evil = {
      jsonrpc: "2.0",
      id: question.id,
      result: { action: "accept", content: { username: "mallory", email: "m@example.com" } },
    };
    expect((await mallory.post(evil)).status).toBe(400);
    expect((await mallory.post(evil, await mallory.proof("http/response", evil))).status).toBe(400);
    const cancelled = { requestId: 1 };
    const bare = { jsonrpc: "2.0", method: "notifications/cancelled", params: cancelled };
    expect((await mallory.post(bare)).status).toBe(400);
    expect((await mallory.post(await mallory.sign("notifications/cancelled", cancelled))).status).toBe(400);
    const params = { session: alice.session["mcp-session-id"]! };
    for (const method of ["GET", "DELETE"] as const) {
      const proof = await mallory.proof(`http/${method.toLowerCase()}`, params);
      expect((await mallory.send(method)).status).toBe(400);
      expect((await mallory.send(method, proof)).status).toBe(404);
    }
    expect(server.requests()).toBe(reached);

    const mine = { ...evil, result: { action: "accept", content: { username: "alice", email: "a@example.com" } } };
    expect((await alice.post(mine, await alice.proof("http/response", mine))).status).toBe(202);
    const answer = (await frames.next()).value;
    expect(answer.result.content[0].text).toContain('"username":"alice"');

    const stream = await alice.send("GET", await alice.proof("http/get", params));
    expect([stream.status, stream.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    await stream.body?.cancel();
    expect((await alice.send("DELETE", await alice.proof("http/delete", params))).status).toBe(200);
    expect((await alice.post(await alice.sign("tools/call", call2, 3))).status).toBe(404);
  });

  it("resumes a call's stream from the last event, for its owner only", async () => {
    await using server = await startFixture(major);
    await using guard = await strictGuard(server.url);
    const alice = new HttpPeer(guard.url, generateIdentity());
    await alice.initialize();
    const call = await alice.sign("tools/call", { name: "test_reconnection", arguments: {} }, 1);
    const first = await (await alice.post(call)).text();
    const lastEventId = /^id: (.*)$/m.exec(first)?.[1] ?? "";
    expect(first).not.toContain("Reconnection test completed");
    const params = { session: alice.session["mcp-session-id"]!, lastEventId };
    const resume = async (peer: HttpPeer): Promise<Response> =>
      peer.send("GET", { "last-event-id": lastEventId, ...(await peer.proof("http/get", params)) });
    expect((await resume(alice.inHandsOf(generateIdentity()))).status).toBe(404);
    const answer = (await messages(await resume(alice)).next()).value;
    expect(answer).toMatchObject({
      id: 1,
      result: { content: [{ text: "Reconnection test completed successfully" }] },
    });
    expect(answer.result._meta["dev.peerage/receipt"]).toMatch(/^ey/);
  });
});
