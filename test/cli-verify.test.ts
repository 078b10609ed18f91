import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  formatVerifierKey,
  generateIdentity,
  generateRun,
  type Identity,
  issueReceipt,
  issueVouch,
  type JsonObject,
  parseCallProof,
  parseEntry,
  signCall,
  signEntry,
} from "@peerage/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Home, openTestRegistry } from "./_cli.ts";

const POLICY = `sha256:${"0".repeat(64)}` as const;
const params = { name: "echo", arguments: { message: "hello" } };
const request = { method: "tools/call", params };
const result = { content: [{ type: "text", text: "Echo: hello" }] };

describe("peerage verify", () => {
  let home: Home;
  let caller: Identity;
  let server: Identity;
  beforeAll(async () => {
    home = await Home.make();
    caller = generateIdentity();
    server = generateIdentity();
  });
  afterAll(() => home[Symbol.asyncDispose]());

  const file = async (name: string, content: string | object): Promise<string> => {
    const path = join(home.path, name);
    await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
    return path;
  };
  /** The checks by name, and the exit code. */
  const verify = async (
    ...argv: string[]
  ): Promise<{ code: number | null; type: string; checks: Record<string, string> }> => {
    const ran = await home.call(["verify", ...argv, "--json"]);
    expect(ran.stderr).toBe("");
    const { data } = JSON.parse(ran.stdout);
    const checks = Object.fromEntries(
      data.checks.map(({ name, state }: { name: string; state: string }) => [name, state]),
    );
    return { code: ran.code, type: data.type, checks };
  };

  it("checks a call proof: signature, audience, time, message; each can fail by itself", async () => {
    const token = await signCall(caller, { audience: server.did, message: request });
    const proof = await file("call.jws", `${token}\n`);
    const message = await file("message.json", { jsonrpc: "2.0", id: 1, ...request });
    const good = { signature: "ok", key: "none", audience: "ok", time: "ok", message: "ok", replay: "none" };
    const all = [proof, "--audience", server.did, "--message", message];
    expect(await verify(...all)).toEqual({ code: 0, type: "call proof", checks: good });
    expect(await verify(proof)).toMatchObject({ code: 0, checks: { audience: "none", message: "none" } });
    expect(await verify(proof, "--audience", caller.did)).toMatchObject({
      code: 3,
      checks: { signature: "ok", audience: "no" },
    });
    expect(await verify(...all, "--at", "2099-01-01T00:00:00Z")).toMatchObject({
      code: 3,
      checks: { ...good, time: "no" },
    });
    const other = await file("other.json", { ...request, params: { ...params, arguments: { message: "bye" } } });
    expect(await verify(proof, "--message", other)).toMatchObject({ code: 6, checks: { message: "no" } });
    const at = token.length - 20;
    const flipped = await file(
      "flipped.jws",
      token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1),
    );
    expect(await verify(flipped)).toMatchObject({ code: 6, checks: { signature: "no" } });
  });

  it("checks a message that carries its proof", async () => {
    const token = await signCall(caller, { audience: server.did, message: request });
    const carrying = (args: object): object => ({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { ...params, arguments: args, _meta: { "dev.peerage/call": token } },
    });
    expect(await verify(await file("sent.json", carrying({ message: "hello" })))).toMatchObject({
      code: 0,
      checks: { message: "ok" },
    });
    expect(await verify(await file("sent.json", carrying({ message: "bye" })))).toMatchObject({
      code: 6,
      checks: { message: "no" },
    });
  });

  const answered = async (
    by: Identity = server,
    response: JsonObject = result,
  ): Promise<{ token: string; receipt: string }> => {
    const token = await signCall(caller, { audience: server.did, message: request });
    const receipt = await issueReceipt(by, {
      call: parseCallProof(token),
      result: "executed",
      response,
      policy: POLICY,
      tips: [],
    });
    return { token, receipt };
  };

  it("checks a receipt against server, call and result", async () => {
    const { token, receipt } = await answered();
    const [path, call, res] = await Promise.all([
      file("receipt.jws", receipt),
      file("call.jws", token),
      file("result.json", result),
    ]);
    const all = [path, "--server", server.did, "--call", call, "--result", res];
    expect(await verify(...all)).toEqual({
      code: 0,
      type: "receipt",
      checks: { signature: "ok", key: "none", says: "ok", server: "ok", call: "ok", result: "ok", order: "ok" },
    });
    expect(await verify(path)).toMatchObject({ code: 0, checks: { server: "none", call: "none" } });
    expect(await verify(path, "--server", caller.did)).toMatchObject({ code: 6, checks: { server: "no" } });
    const another = await file("another.jws", (await answered()).token);
    expect(await verify(path, "--call", another)).toMatchObject({ code: 6, checks: { call: "no" } });
    const altered = await file("altered.json", { content: [{ type: "text", text: "Echo: bye" }] });
    expect(await verify(path, "--call", call, "--result", altered)).toMatchObject({ code: 6, checks: { call: "no" } });
  });

  it("checks a whole call record offline, and trusts no name that the record gives itself", async () => {
    const record = async (more: object, by?: Identity): Promise<string> => {
      const { token, receipt } = await answered(by);
      return file("record.json", { v: 1, server: (by ?? server).did, proof: token, request, result, receipt, ...more });
    };
    expect(await verify(await record({}))).toMatchObject({ code: 0, type: "call record" });
    expect(await verify(await record({ result: { content: [] } }))).toMatchObject({ code: 6 });
    expect(await verify(await record({ request: { method: "tools/call", params: { name: "rm" } } }))).toMatchObject({
      code: 6,
      checks: { request: "no" },
    });
    // Whoever answers in the server's place and names itself is found out by the audience that the caller signed.
    expect(await verify(await record({}, generateIdentity()))).toMatchObject({ code: 6, checks: { server: "no" } });
  });

  it("checks a history whole: a dropped, reordered or altered entry fails all of it", async () => {
    const run = generateRun();
    const first = await signEntry(caller, { run, prev: [], step: "request_received", result: "accepted" });
    const second = await signEntry(caller, {
      run,
      prev: [parseEntry(first).digest],
      step: "fraud_check",
      result: "passed",
    });
    const third = await signEntry(server, { run, prev: [parseEntry(second).digest], step: "done", result: "done" });
    expect(await verify(await file("history.json", [first, second, third]))).toMatchObject({
      code: 0,
      type: "history",
      checks: { history: "ok", head: "none" },
    });
    for (const bad of [
      [first, third],
      [second, third],
      [third, second, first],
      [first, second, second, third],
      [],
      [first, "x.y.z"],
    ]) {
      expect((await verify(await file("history.json", bad))).code, JSON.stringify(bad).slice(0, 80)).toBe(6);
    }
  });

  it("checks a vouch, offline and against the log: in force, withdrawn, never logged", async () => {
    await using registry = await openTestRegistry();
    await using own = await Home.make();
    await own.ok(["init", "bot", "--registry", registry.url]);
    await own.ok(["init", "friend"]);
    await own.ok(["--identity", "friend", "vouch", "bot", "--out", join(own.path, "vouch.json")]);
    await registry.registry.published(4);
    const look = async (
      path: string,
      ...more: string[]
    ): Promise<{ code: number | null; checks: Record<string, string> }> => {
      const { code, stdout } = await own.call(["verify", path, "--json", ...more]);
      const { checks } = JSON.parse(stdout).data as { checks: { name: string; state: string }[] };
      return { code, checks: Object.fromEntries(checks.map(({ name, state }) => [name, state])) };
    };
    const path = join(own.path, "vouch.json");
    const good = { form: "ok", signature: "ok", time: "ok", log: "ok", status: "ok" };
    expect(await look(path)).toEqual({ code: 0, checks: good });
    await own.ok(["--identity", "friend", "unvouch", "bot"]);
    await registry.registry.published(5);
    expect(await look(path)).toEqual({ code: 3, checks: { ...good, status: "no" } });
    const unlogged = await issueVouch(caller, { subject: server.did, scope: ["tools"], confidence: 80 });
    const other = join(own.path, "unlogged.json");
    await writeFile(other, unlogged.bytes);
    expect(await look(other)).toEqual({ code: 3, checks: { form: "ok", signature: "ok", time: "ok", log: "no" } });
    expect(await verify(other)).toMatchObject({ code: 0, checks: { log: "none" } });
  });

  it("checks checkpoint and log proof from files by the key that the user trusts, and by no other", async () => {
    await using registry = await openTestRegistry();
    await using own = await Home.make();
    await own.ok(["init", "bot", "--registry", registry.url]);
    await registry.registry.published(1);
    const [proof, leaf, note] = ["proof", "leaf", "note"].map((name) => join(own.path, name)) as [
      string,
      string,
      string,
    ];
    await own.ok(["log", "entry", "1", "--out", proof]);
    await writeFile(leaf, await own.ok(["show", "1", "--raw"]));
    const head = await own.data(["log", "head"]);
    await writeFile(note, head.note);
    const key = ["--log-key", formatVerifierKey(registry.registry.logKey), "--origin", registry.registry.origin];
    expect(head.logKey).toBe(key[1]);
    // Another home has never met this registry: it believes the flags, and nothing without them.
    expect(await verify(note, ...key)).toMatchObject({ code: 0, type: "checkpoint", checks: { checkpoint: "ok" } });
    expect(await verify(proof, "--statement", leaf, ...key)).toMatchObject({
      code: 0,
      type: "log proof",
      checks: { inclusion: "ok", statement: "ok" },
    });
    expect(await verify(note)).toMatchObject({ code: 6, checks: { "log key": "no" } });
    await using other = await openTestRegistry();
    const wrong = ["--log-key", formatVerifierKey(other.registry.logKey), "--origin", registry.registry.origin];
    expect((await verify(note, ...wrong)).code).toBe(6);
    await writeFile(leaf, await own.ok(["show", "0", "--raw"]));
    expect(await verify(proof, "--statement", leaf, ...key)).toMatchObject({ code: 6, checks: { inclusion: "no" } });
    const text = await readFile(proof, "utf8");
    await writeFile(proof, text.replace("index 1", "index 0"));
    expect((await verify(proof, "--statement", leaf, ...key)).code).toBe(6);
  });

  it("says of anything else that there is nothing to verify, and never that it is fine", async () => {
    for (const content of [
      "",
      "hello",
      "{}",
      "[]",
      "null",
      "42",
      '"text"',
      '{"proof":{}}',
      "a.b.c",
      "{",
      "\u0000",
      '{"a":1,"a":2}',
      "c2sp.org/tlog-proof@v1\n",
    ]) {
      const { code } = await home.call(["verify", await file("anything", content)]);
      expect(code, JSON.stringify(content)).toBe(6);
    }
  });
});
