import { CALL_META, generateIdentity, signCall } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { commandEndpoint, FilePinStore } from "../mcp-middleware/src/sign/index.ts";
import {
  type Answer,
  bridged,
  everythingStdio,
  guarded,
  isAlive,
  party,
  rawServer,
  scratch,
  StdioPeer,
} from "./_mcp.ts";

const server = party();
const client = party();

async function signedCall(name: string, args: Record<string, string | number>, audience: string = server.identity.did) {
  const params = { name, arguments: args };
  const token = await signCall(client.identity, { audience, message: { method: "tools/call", params } });
  return {
    jsonrpc: "2.0",
    id: `s-${name}`,
    method: "tools/call",
    params: { ...params, _meta: { [CALL_META]: token } },
  };
}

const textOf = (answer: Answer): Answer => JSON.parse(answer.result.content[0].text);

describe("the stdio guard", () => {
  it("admits a signed call, with a receipt, and refuses the same call unsigned with a message that says what to do", async () => {
    await using peer = new StdioPeer(guarded(server, rawServer));
    await peer.initialize();
    const refused = await peer.call("echo", { a: 1 });
    expect(refused.error).toMatchObject({ code: -31401, data: { reason: "ERR_PROOF_MISSING" } });
    expect(refused.error.message).toContain('Start this server through "peerage proxy -- …"');
    peer.send(await signedCall("echo", { a: 1 }));
    const admitted = await peer.answer("s-echo");
    expect(textOf(admitted)).toEqual({ a: 1 });
    expect(admitted.result._meta["dev.peerage/receipt"]).toMatch(/^ey/);
  });

  it("A-JSON-01 refuses a batch whole: no element of it is executed", async () => {
    await using peer = new StdioPeer(guarded(server, rawServer));
    await peer.initialize();
    for (const batch of [[await signedCall("echo", {})], [await signedCall("echo", {}), { method: "ping" }], []]) {
      peer.send(batch);
    }
    peer.send(await signedCall("echo", { last: 1 }));
    await peer.answer("s-echo");
    const refusals = peer.messages.filter((message: Answer) => message.error?.data?.reason === "ERR_MESSAGE_BATCH");
    expect(refusals).toHaveLength(3);
    expect(peer.messages.filter((message) => message["id"] === "s-echo")).toHaveLength(1);
  });

  it("A-JSON-07 one frame is one message: CR and U+2028 smuggle nothing past it, and CRLF is fine", async () => {
    await using peer = new StdioPeer(guarded(server, rawServer));
    await peer.initialize();
    const call = JSON.stringify(await signedCall("echo", { text: "a\u2028b\u2029c" }));
    peer.write(`${call}\r{"jsonrpc":"2.0","id":"evil","method":"ping"}\n`);
    peer.write(`${call}\r\n`);
    const refused = await peer.answer("s-echo").catch(() => undefined);
    expect(refused).toBeDefined();
    await peer.until((message: Answer) => message.result?.content?.[0]?.text === '{"text":"a\u2028b\u2029c"}');
    expect(peer.messages.some((message) => message["id"] === "evil")).toBe(false);
  });

  it("A-JSON-07 refuses a line over 10 MiB once, and serves the next one", async () => {
    await using peer = new StdioPeer(guarded(server, rawServer));
    await peer.initialize();
    peer.write(`{"jsonrpc":"2.0","id":1,"method":"${"x".repeat(10 * 1024 * 1024)}`);
    await peer.until((message: Answer) => message.error?.data?.reason === "ERR_MESSAGE_TOO_LARGE");
    peer.write('"}\n');
    peer.send(await signedCall("echo", { a: 1 }));
    expect(textOf(await peer.answer("s-echo"))).toEqual({ a: 1 });
  });

  it("A-JSON-08 hands on the re-serialised verified object, without any proof of ours", async () => {
    await using peer = new StdioPeer(guarded(server, rawServer));
    await peer.initialize();
    const params = '{ "name" : "received", "arguments" : { "n" : 1.0e2, "\\u0061" : "\\u2028" } , "_meta" : {"k":1} }';
    const message = { method: "tools/call", params: JSON.parse(params) };
    const token = await signCall(client.identity, { audience: server.identity.did, message });
    const line = `{"params":${params.replace('{"k":1}', `{"k":1,"${CALL_META}":"${token}"}`)},"method":"tools/call","id":7,"jsonrpc":"2.0"}`;
    peer.write(`${line}\n`);
    expect(textOf(await peer.answer(7))).toEqual({
      name: "received",
      arguments: { n: 100, a: "\u2028" },
      _meta: { k: 1 },
    });
  });

  it("A-HIST-06 leaves every byte of an answer as it was, but for the receipt", async () => {
    await using peer = new StdioPeer(guarded(server, rawServer));
    await peer.initialize();
    const line = '{ "jsonrpc":"2.0","id":"@id", "result":{ "big":12345678901234567890, "x":1.0,"u":"\\u00e9\u2028" } }';
    peer.send(await signedCall("say", { line }));
    await peer.answer("s-say");
    const out = peer.lines.at(-1) ?? "";
    expect(out.replace(/,"_meta":\{"dev\.peerage\/receipt":"[^"]+"\}/, "")).toBe(line.replace("@id", "s-say"));
    expect(out).toContain("dev.peerage/receipt");
  });

  it("passes what the server says unasked byte for byte", async () => {
    await using peer = new StdioPeer(guarded(server, rawServer));
    await peer.initialize();
    const line = '{"jsonrpc":"2.0", "method":"notifications/message","params":{"n":1.0}}';
    peer.send(await signedCall("say", { line }));
    await peer.until((message) => message["method"] === "notifications/message");
    expect(peer.lines).toContain(line);
  });

  it("filters a list down to what the caller may use", async () => {
    const policy = {
      apiVersion: "peerage.dev/v1",
      kind: "Policy",
      allow: [{ tools: "echo", agents: [client.identity.did] }],
    };
    await using peer = new StdioPeer(bridged(client, guarded(server, rawServer, policy)));
    await peer.initialize();
    expect((await peer.request("tools/list")).result.tools.map((tool: Answer) => tool.name)).toEqual(["echo"]);
  });

  it("keeps PEERAGE_* variables from the server", async () => {
    await using peer = new StdioPeer(guarded(server, rawServer), { PEERAGE_PASSPHRASE: "secret", peerage_home: "x" });
    await peer.initialize();
    peer.send(await signedCall("environment", {}));
    expect(textOf(await peer.answer("s-environment"))).toEqual([]);
  });

  it("answers every waiting id when the server dies, and ends with its exit code", async () => {
    await using peer = new StdioPeer(guarded(server, rawServer));
    await peer.initialize();
    peer.send(await signedCall("hang", {}));
    peer.send(await signedCall("die", { code: 41 }));
    expect((await peer.answer("s-hang")).error).toMatchObject({ code: -31502 });
    expect((await peer.answer("s-die")).error).toMatchObject({ code: -31502 });
    expect(await peer.exited).toEqual({ code: 41, signal: null });
  });

  it("reports a server that cannot be started with 127", async () => {
    await using peer = new StdioPeer(guarded(server, ["/nonexistent/server"]));
    expect((await peer.exited).code).toBe(127);
    expect(peer.stderr).toContain("cannot start /nonexistent/server");
  });
});

describe("bridge and guard over stdio", () => {
  it("end when the host closes its end, with exit code 0 and no orphan", async () => {
    await using peer = new StdioPeer(bridged(client, guarded(server, rawServer)));
    await peer.initialize();
    const pid = textOf(await peer.call("pid"));
    peer.child.stdin?.end();
    expect(await peer.exited).toEqual({ code: 0, signal: null });
    expect(isAlive(pid)).toBe(false);
  });

  it("end on SIGTERM, with no orphan", async () => {
    await using peer = new StdioPeer(bridged(client, guarded(server, rawServer)));
    await peer.initialize();
    const pid = textOf(await peer.call("pid"));
    peer.child.kill("SIGTERM");
    expect((await peer.exited).code).toBe(143);
    expect(isAlive(pid)).toBe(false);
  });

  it("leave no orphan when the host is killed and the server is deaf to EOF and SIGTERM", async () => {
    await using peer = new StdioPeer(bridged(client, guarded(server, rawServer)));
    await peer.initialize();
    const pid = textOf(await peer.call("pid"));
    await peer.call("deaf");
    peer.child.kill("SIGKILL");
    await peer.exited;
    while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 50));
  });

  it("give each of 60 parallel calls its own answer", async () => {
    await using peer = new StdioPeer(bridged(client, guarded(server, rawServer)));
    await peer.initialize();
    const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => peer.call("echo", { n })));
    expect(answers.map((answer) => textOf(answer))).toEqual(Array.from({ length: 60 }, (_, n) => ({ n })));
  });

  it("pass an argument and a result of 4 MiB", async () => {
    await using peer = new StdioPeer(bridged(client, guarded(server, rawServer)));
    await peer.initialize();
    const text = "é€😀\u2028".repeat(350_000);
    expect(textOf(await peer.call("echo", { text })).text).toBe(text);
  });

  it("show a host the same tools as server-everything does directly, and the same result of a call", async () => {
    await using direct = new StdioPeer(everythingStdio);
    await using through = new StdioPeer(bridged(client, guarded(server, everythingStdio)));
    const seen = [];
    for (const peer of [direct, through]) {
      await peer.initialize();
      const list = await peer.request("tools/list");
      const { result } = await peer.call("echo", { message: "hello" });
      seen.push({ tools: list.result.tools, content: result.content });
    }
    expect(seen[1]).toEqual(seen[0]);
    expect((seen[0]?.tools as unknown[]).length).toBeGreaterThan(5);
  });

  it("A-JSON-04 the bridge refuses a number that would arrive as another one to its own host, before signing", async () => {
    await using peer = new StdioPeer(bridged(client, guarded(server, rawServer)));
    await peer.initialize();
    for (const literal of ["12345678901234567890", "9007199254740992", "1e400", "0.1000000000000000055", "-0"]) {
      peer.write(
        `{"jsonrpc":"2.0","id":"${literal}","method":"tools/call","params":{"name":"echo","arguments":{"n":${literal}}}}\n`,
      );
      expect((await peer.answer(literal)).error).toMatchObject({ code: -32600, data: { reason: "ERR_JSON_NUMBER" } });
    }
    peer.write(
      '{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"echo","arguments":{"n":1.0,"m":1e2,"k":0.1}}}\n',
    );
    expect(textOf(await peer.answer(8))).toEqual({ n: 1, m: 100, k: 0.1 });
  });

  it("A-CALL-15 pin the server's DID at first contact; a second command that names the same DID gets no signed call", async () => {
    using folder = scratch();
    const pins = `${folder.path}/pins.json`;
    const command = guarded(server, rawServer);
    await using first = new StdioPeer(bridged(client, command, { pins }));
    await first.initialize();
    expect(textOf(await first.call("echo", { a: 1 }))).toEqual({ a: 1 });
    await using again = new StdioPeer(bridged(client, command, { pins }));
    await again.initialize();
    expect(textOf(await again.call("echo", { a: 1 }))).toEqual({ a: 1 });

    // Another command whose server passes itself off as the first one, to hand our calls on to it.
    await using relay = new StdioPeer(bridged(client, [...command, "--relay"], { pins }));
    await relay.initialize();
    const refused = await relay.call("echo", { a: 1 });
    expect(refused.error).toMatchObject({ code: -31401, data: { reason: "ERR_AUDIENCE_CHANGED" } });
    expect(relay.stderr).toContain("ERR_AUDIENCE_CHANGED");
  });

  it("A-CALL-15 learn nothing from a refusal: a pin that does not fit stays until its user changes it", async () => {
    using folder = scratch();
    const pins = `${folder.path}/pins.json`;
    const [command, ...args] = guarded(server, rawServer);
    const pin = { endpoint: commandEndpoint(command, args), did: party().identity.did, at: new Date().toISOString() };
    new FilePinStore(pins).put(pin);
    await using peer = new StdioPeer(bridged(client, [command, ...args], { pins }));
    expect((await peer.initialize()).error.data.reason).toBe("ERR_PROOF_AUDIENCE");
    expect((await peer.call("echo")).error.data.reason).toBe("ERR_PROOF_AUDIENCE");
    expect(new FilePinStore(pins).get(pin.endpoint)).toEqual(pin);
  });

  it("answers nothing twice when the bridge is started twice at the same time", async () => {
    using folder = scratch();
    const pins = `${folder.path}/pins.json`;
    const command = bridged(client, guarded(server, rawServer), { pins });
    await using one = new StdioPeer(command);
    await using two = new StdioPeer(command);
    await Promise.all([one.initialize(), two.initialize()]);
    const answers = await Promise.all([one.call("echo", { n: 1 }), two.call("echo", { n: 2 })]);
    expect(answers.map((answer) => textOf(answer))).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it("refuses another identity's call on a pipe that is bound", async () => {
    const other = generateIdentity();
    await using peer = new StdioPeer(guarded(server, rawServer));
    await peer.initialize();
    peer.send(await signedCall("echo", { a: 1 }));
    await peer.answer("s-echo");
    const params = { name: "echo", arguments: {} };
    const token = await signCall(other, { audience: server.identity.did, message: { method: "tools/call", params } });
    peer.send({ jsonrpc: "2.0", id: 9, method: "tools/call", params: { ...params, _meta: { [CALL_META]: token } } });
    expect((await peer.answer(9)).error.data.reason).toBe("ERR_SESSION_BOUND");
  });
});
