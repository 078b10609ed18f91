import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { Client } from "@modelcontextprotocol/client";
import { McpServer } from "@modelcontextprotocol/server";
import { StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import {
  type Did,
  generateIdentity,
  HISTORY_META,
  type Identity,
  MAX_HISTORY_ENTRIES,
  parseEntry,
  type PeerageError,
  signEntry,
} from "@peerage/core";
import {
  AgentRun,
  AuditLog,
  createCallSigner,
  createGuard,
  currentCaller,
  type Guard,
  guardTransport,
  signTransport,
} from "@peerage/mcp-middleware";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { policyOf } from "./_guard.ts";

const folder = mkdtempSync(join(tmpdir(), "peerage-agents-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanups.splice(0).reverse()) await cleanUp();
});

type Tool = (args: { readonly n?: number | undefined }) => Promise<{ text: string; history?: readonly string[] }>;

/** A guarded MCP server of one tool in this process, and how to call it over its own pipe. */
async function serve(identity: Identity, rule: object, tool: Tool) {
  const policy = policyOf([{ id: "rule", tools: "work", agents: "*", ...rule }]);
  const audit = new AuditLog({ path: join(folder, `${identity.did}.db`), identity });
  const guard: Guard = await createGuard({ identity, policy, audit });
  cleanups.push(async () => guard[Symbol.asyncDispose]());
  return {
    guard,
    /** A client of an agent's, which presents and extends this run. */
    connect: async (agent: Identity, run: AgentRun | undefined) => {
      const server = new McpServer({ name: "agent", version: "1" });
      server.registerTool("work", { inputSchema: z.object({ n: z.number().optional() }) }, async (args) => {
        const { text, history } = await tool(args);
        return {
          content: [{ type: "text" as const, text }],
          ...(history ? { _meta: { [HISTORY_META]: [...history] } } : {}),
        };
      });
      const [up, down] = [new PassThrough(), new PassThrough()];
      await server.connect(guardTransport(new StdioServerTransport(up, down), guard));
      const reports: PeerageError[] = [];
      const signer = createCallSigner({
        signer: agent,
        endpoint: { command: identity.did, args: [] },
        server: identity.did,
        ...(run ? { history: run } : {}),
        onReport: (problem) => reports.push(problem),
      });
      const client = new Client({ name: "agent", version: "1" });
      await client.connect(signTransport(new StdioServerTransport(down, up), signer));
      cleanups.push(() => client.close());
      const work = async (n = 0): Promise<{ text: string; isError: boolean }> => {
        const result = await client.callTool({ name: "work", arguments: { n } });
        const [block] = result.content as unknown as [{ text: string }];
        return { text: block.text, isError: result.isError === true };
      };
      return { work, reports };
    },
  };
}

const steps = (run: AgentRun): string[][] => run.entries.map(({ step, result }) => [step, result]);
const signers = (run: AgentRun): Did[] => run.entries.map(({ issuer }) => issuer);

describe("a run across agents", () => {
  it("goes from agent to agent to tool and back, each step signed by who took it, and needs custody to be gone on with", async () => {
    const [a, b, tool] = [generateIdentity(), generateIdentity(), generateIdentity()];
    const begun = (by: string) => ({ step: "request_received", by, at: "start", result: "accepted" });
    const planned = { step: "planned", by: b.did, result: "done", self: true };
    const bank = await serve(tool, { require: [begun(a.did), planned] }, () => Promise.resolve({ text: "paid" }));
    const middle = await serve(b, { require: [begun("$caller")] }, async () => {
      const run = AgentRun.resume(b, currentCaller()?.history ?? []);
      await run.append({ step: "planned", result: "done", sub: { parts: 1 } });
      const { work, reports } = await bank.connect(b, run);
      const { text } = await work(1);
      return { text: `${text} ${reports.length}`, history: run.tokens };
    });
    const run = await AgentRun.start(a, { sub: { ticket: "4471" } });
    const { work, reports } = await middle.connect(a, run);

    // Without a handoff B has a history and no custody of it: the tool refuses.
    expect((await work()).text).toMatch(/^Refused \(ERR_POLICY_DENIED\)/);
    await run.handOff(b.did, { lifetimeSeconds: 600 });
    const before = run.entries.length;
    expect(await work()).toEqual({ text: "paid 0", isError: false });
    expect(reports).toEqual([]);

    // Back at A: B's receipt beside what B and the tool signed, in one run.
    expect(steps(run).slice(before)).toEqual([
      ["tool_call", "executed"],
      ["planned", "done"],
      ["tool_call", "executed"],
    ]);
    expect(signers(run).slice(before)).toEqual([b.did, b.did, tool.did]);
    expect(run.tips).toHaveLength(2);
    await run.join();
    expect(run.tips).toHaveLength(1);
    expect(new Set(run.entries.map((entry) => entry.run))).toEqual(new Set([run.id]));
    // The joined run verifies whole before a guard: another call is admitted on it.
    expect((await work()).text).toBe("paid 0");
  });

  it("joins the branches of parallel calls, also where there are more than one entry can refer to", async () => {
    const [a, tool] = [generateIdentity(), generateIdentity()];
    let waiting = 0;
    let release = (): void => undefined;
    const all = new Promise<void>((resolve) => (release = resolve));
    const server = await serve(tool, {}, async ({ n }) => {
      // Each call is signed before the first of them is answered.
      if (++waiting === 20) release();
      await all;
      return { text: String(n) };
    });
    const run = await AgentRun.start(a);
    const { work, reports } = await server.connect(a, run);
    await Promise.all(Array.from({ length: 20 }, (_, n) => work(n)));
    expect(run.tips.length).toBe(20);
    expect((await work(20)).text).toBe("20");
    expect(reports).toEqual([]);
    const joins = run.entries.filter(({ step }) => step === "join");
    expect(joins.map(({ prev }) => prev.length)).toEqual([16]);
    expect(run.tips).toHaveLength(1);
    expect(run.entries.at(-1)!.prev).toHaveLength(5);
  });

  it("A-HIST-01 takes in nothing of another run, nothing without what it refers to, and nothing that does not verify", async () => {
    const [a, b] = [generateIdentity(), generateIdentity()];
    const run = await AgentRun.start(a);
    const other = await AgentRun.start(b);
    const ours = AgentRun.resume(b, run.tokens);
    await ours.append({ step: "checked", result: "passed" });
    await ours.append({ step: "weighed", result: "done" });
    const before = run.tokens;
    const flipped = `${ours.tokens[1]!.slice(0, -10)}${ours.tokens[1]!.at(-10) === "A" ? "B" : "A"}${ours.tokens[1]!.slice(-9)}`;
    for (const tokens of [other.tokens, [ours.tokens[2]!], [flipped], ["x"], [""]]) {
      expect(() => run.merge(tokens)).toThrow(expect.objectContaining({ code: "ERR_HISTORY_INVALID" }));
    }
    expect(run.tokens).toEqual(before);
    expect([run.merge(ours.tokens), run.merge(ours.tokens)]).toEqual([2, 0]);
    expect(run.tokens).toEqual(ours.tokens);
    expect(() => AgentRun.resume(b, [])).toThrow(expect.objectContaining({ code: "ERR_HISTORY_INVALID" }));
    expect(() => AgentRun.resume(b, ours.tokens.slice(1))).toThrow();
    const signer = { signer: b, endpoint: { url: "http://127.0.0.1/mcp" }, history: run };
    expect(() => createCallSigner(signer)).toThrow(TypeError);
  });

  it("A-HIST-02 is full at 256 entries and says so, instead of presenting a part", async () => {
    const [a, tool] = [generateIdentity(), generateIdentity()];
    const run = await AgentRun.start(a);
    for (let n = 1; n < MAX_HISTORY_ENTRIES - 2; n++) await run.append({ step: "step", result: "done" });
    await expect(run.present()).rejects.toMatchObject({ code: "ERR_HISTORY_TOO_LONG" });
    await run.append({ step: "step", result: "done" });
    await run.append({ step: "step", result: "done" });
    await expect(run.append({ step: "step", result: "done" })).rejects.toMatchObject({ code: "ERR_HISTORY_TOO_LONG" });
    expect(run.entries).toHaveLength(MAX_HISTORY_ENTRIES);
    const server = await serve(tool, {}, () => Promise.resolve({ text: "" }));
    const { work } = await server.connect(a, run);
    await expect(work()).rejects.toThrow();
  });
});

describe("what a history is for", () => {
  it("A-HIST-03 counts with its own caller's proof only: who copied it calls with nothing", async () => {
    const [a, thief, tool] = [generateIdentity(), generateIdentity(), generateIdentity()];
    const needs = [{ step: "request_received", by: a.did, result: "accepted", self: true }];
    const server = await serve(tool, { require: needs }, () => Promise.resolve({ text: "done" }));
    const run = await AgentRun.start(a);
    expect((await (await server.connect(a, run)).work()).text).toBe("done");
    const stolen = AgentRun.resume(thief, run.tokens);
    expect((await (await server.connect(thief, stolen)).work()).text).toMatch(/ERR_POLICY_DENIED/);
    // Nor can the thief hand it to itself.
    await stolen.handOff(thief.did);
    expect((await (await server.connect(thief, stolen)).work()).text).toMatch(/ERR_POLICY_DENIED/);
  });

  it("A-APPR-04 a receiver's word is bound to that receiver: an entry for another guard does not count here", async () => {
    const [a, alice, tool, elsewhere] = [
      generateIdentity(),
      generateIdentity(),
      generateIdentity(),
      generateIdentity(),
    ];
    const rule = { require: [{ step: "release", by: alice.did, result: "approved", binds: "request" }] };
    const server = await serve(tool, rule, () => Promise.resolve({ text: "done" }));
    const call = async (aud: Did): Promise<string> => {
      const run = await AgentRun.start(a);
      const probe = await server.connect(a, run);
      expect((await probe.work(7)).text).toMatch(/ERR_POLICY_DENIED/);
      const { req } = run.entries.at(-1)!;
      const options = { run: run.id, prev: run.tips, step: "release", result: "approved", req, aud };
      run.merge([await signEntry(alice, { ...options, sub: { caller: a.did } })]);
      return (await probe.work(7)).text;
    };
    expect(await call(elsewhere.did)).toMatch(/ERR_POLICY_DENIED/);
    expect(await call(tool.did)).toBe("done");
  });

  it("keeps each receipt where it belongs: what was said outside of the run is no part of it", async () => {
    const [a, tool] = [generateIdentity(), generateIdentity()];
    const server = await serve(tool, {}, () => Promise.resolve({ text: "done" }));
    const run = await AgentRun.start(a);
    const { work } = await server.connect(a, run);
    await work(1);
    expect(steps(run)).toEqual([
      ["request_received", "accepted"],
      ["tool_call", "executed"],
    ]);
    expect(parseEntry(run.tokens[1])).toMatchObject({
      issuer: tool.did,
      audience: a.did,
      prev: [run.entries[0]!.digest],
    });
  });
});
