import { request } from "node:http";
import { CALL_META, type Identity, type JsonObject, parsePolicy, signCall } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { createGuard } from "../mcp-middleware/src/guard/create-guard.ts";
import { startHttpGuard, startStdioHost, type StdioHostOptions } from "../mcp-middleware/src/proxy/index.ts";
import { type ClientName, everythingBattery, fixtureBattery, once, overHttp, overStdio, signing } from "./_battery.ts";
import {
  type Answer,
  type Command,
  everythingStdio,
  fixture,
  isAlive,
  node,
  openPolicy,
  party,
  rawServer,
} from "./_mcp.ts";

const alice = party();
const bob = party();

/** What an SDK client lets a command inherit. */
const env = Object.fromEntries(
  ["HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER"].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  }),
);

/** `peerage guard --http -- command`, in this process. */
async function hosted([command, ...args]: Command, options: Partial<StdioHostOptions> = {}) {
  const guard = await createGuard({ identity: party().identity, policy: parsePolicy(JSON.stringify(openPolicy)) });
  const host = startStdioHost({ command, args, env, log: () => undefined, ...options });
  const proxy = await startHttpGuard({
    guard,
    upstream: "http://127.0.0.1/mcp",
    connect: host.connect,
    injectIdentity: true,
    graceMs: 200,
    log: () => undefined,
  });
  return {
    url: proxy.url,
    pids: () => host.pids(),
    async [Symbol.asyncDispose]() {
      await proxy.close();
      await host[Symbol.asyncDispose]();
      await guard[Symbol.asyncDispose]();
    },
  };
}

interface Reply {
  readonly status: number;
  readonly session: string | undefined;
  readonly message: Answer;
}

async function post(url: string, who: Identity, message: JsonObject, session?: string): Promise<Reply> {
  const { method, params = {} } = message as { method: string; params?: JsonObject };
  const token = await signCall(who, { audience: url, message: { method, params } });
  const meta = { ...(params["_meta"] as JsonObject | undefined), [CALL_META]: token };
  const body = JSON.stringify({ jsonrpc: "2.0", ...message, params: { ...params, _meta: meta } });
  const modern = params["_meta"] === undefined ? {} : { "mcp-protocol-version": "2026-07-28", "mcp-method": method };
  const named =
    params["name"] === undefined || params["_meta"] === undefined ? {} : { "mcp-name": params["name"] as string };
  const headers = { ...modern, ...named, ...(session === undefined ? {} : { "mcp-session-id": session }) };
  return new Promise((resolve, reject) => {
    request(url, { method: "POST", agent: false, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () => {
        const id = response.headers["mcp-session-id"];
        const session = typeof id === "string" ? id : undefined;
        const data = text.startsWith("{") ? text : (/^data: (.*)$/m.exec(text)?.[1] ?? "null");
        resolve({ status: response.statusCode ?? 0, session, message: JSON.parse(data) });
      });
      response.on("error", reject);
    })
      .on("error", reject)
      .end(body);
  });
}

const initialize: JsonObject = {
  id: 0,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } },
};
const call = (name: string, id: number, args: JsonObject = {}): JsonObject => ({
  id,
  method: "tools/call",
  params: { name, arguments: args },
});
const modernMeta = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "t", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};
const modern = (message: JsonObject): JsonObject => ({
  ...message,
  params: { ...(message["params"] as JsonObject), _meta: modernMeta },
});
const textOf = (reply: Reply): string => reply.message.result.content[0].text as string;

describe("an HTTP guard before a stdio command", () => {
  it.each<ClientName>(["SDK 1"])("serves every feature of the command as it does itself, to %s", async (name) => {
    await using at = await hosted(everythingStdio);
    const [direct, through] = await Promise.all([
      everythingBattery(name, overStdio(name, everythingStdio)),
      everythingBattery(name, overHttp(name, at.url, signing(alice, at.url))),
    ]);
    expect(once(through)).toEqual(once(direct));
  });

  it("serves a command of both eras to a client of the modern one, without a session", async () => {
    const command: Command = [node, fixture("conformance-server.ts"), "v2", "stdio"];
    await using at = await hosted(command);
    const [direct, through] = await Promise.all([
      fixtureBattery("SDK 2 auto", overStdio("SDK 2 auto", command)),
      fixtureBattery("SDK 2 auto", overHttp("SDK 2 auto", at.url, signing(alice, at.url))),
    ]);
    expect(once(through)).toEqual(once(direct));
  });

  it("A-SESS-01 gives every session and every caller a process of its own, and ends it with the session", async () => {
    await using at = await hosted(rawServer);
    const open = async (who: Identity): Promise<{ session: string; pid: number }> => {
      const { session = "" } = await post(at.url, who, initialize);
      return { session, pid: Number(textOf(await post(at.url, who, call("pid", 1), session))) };
    };
    const [one, two] = [await open(alice.identity), await open(alice.identity)];
    const other = await open(bob.identity);
    expect(new Set([one.pid, two.pid, other.pid]).size).toBe(3);
    const foreign = await post(at.url, bob.identity, call("pid", 2), one.session);
    expect(foreign.message.error.data.reason).toBe("ERR_SESSION_BOUND");
    const stateless = async (who: Identity): Promise<number> =>
      Number(textOf(await post(at.url, who, modern(call("pid", 1)))));
    const [mine, again, theirs] = [
      await stateless(alice.identity),
      await stateless(alice.identity),
      await stateless(bob.identity),
    ];
    expect(again).toBe(mine);
    expect(new Set([one.pid, two.pid, other.pid, mine, theirs]).size).toBe(5);
    const died = await post(at.url, alice.identity, call("die", 3), one.session);
    expect(died.message.error.data.reason).toBe("ERR_UPSTREAM_UNAVAILABLE");
    expect((await post(at.url, alice.identity, call("pid", 4), one.session)).status).toBe(404);
    expect(Number(textOf(await post(at.url, alice.identity, call("pid", 5), two.session)))).toBe(two.pid);
  });

  it("keeps equal ids of one caller apart, and refuses more processes than it may have", async () => {
    await using at = await hosted(rawServer, { maxPerCaller: 2 });
    const hang = (): Promise<Reply> => post(at.url, alice.identity, modern(call("hang", 1)));
    const hanging = [hang(), hang()];
    while (at.pids().length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    // Both have a call with id 1 that is not answered.
    for (let refused = false; !refused;) {
      const third = await post(at.url, alice.identity, modern(call("pid", 1)));
      refused = third.message.error?.data.reason === "ERR_UPSTREAM_UNAVAILABLE";
    }
    expect(textOf(await post(at.url, alice.identity, modern(call("pid", 2))))).toMatch(/^\d+$/);
    expect(textOf(await post(at.url, bob.identity, modern(call("pid", 1))))).toMatch(/^\d+$/);
    void Promise.allSettled(hanging);
  });

  it("leaves no process behind", async () => {
    const pids: number[] = [];
    {
      await using at = await hosted(rawServer, { graceMs: 100 });
      const { session } = await post(at.url, alice.identity, initialize);
      await post(at.url, alice.identity, call("deaf", 1), session);
      await post(at.url, alice.identity, modern(call("echo", 1)));
      pids.push(...at.pids());
      expect(pids).toHaveLength(2);
    }
    expect(pids.filter(isAlive)).toEqual([]);
  });
});
