import { type ChildProcess, spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { serve } from "@hono/node-server";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { BIN, Home, openTestRegistry } from "./_cli.ts";

const ECHO = fileURLToPath(new URL("./fixtures/modern-server.ts", import.meta.url));
const policy = `apiVersion: peerage.dev/v1\nkind: Policy\nallow:\n  - { tools: echo, agents: "*", trust: 0.25 }\n`;

describe("guard, proxy and call as commands", () => {
  let home: Home;
  let registry: Awaited<ReturnType<typeof openTestRegistry>>;
  let policyPath: string;
  beforeAll(async () => {
    [home, registry] = await Promise.all([Home.make(), openTestRegistry()]);
    policyPath = join(home.path, "policy.yaml");
    await writeFile(policyPath, policy);
    for (const name of ["gate", "scout", "owner"]) await home.ok(["init", name, "--registry", registry.url]);
    await home.ok(["--identity", "owner", "vouch", "scout"]);
    await registry.registry.published(6);
  });
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    await home[Symbol.asyncDispose]();
  });

  /** The folders of `home` by XDG names: those reach a wrapped child, ours do not. */
  const env = (): Record<string, string | undefined> => ({ ...xdg(home), PEERAGE_HOME: undefined });
  const guardCommand = (...more: string[]): string[] => [
    ...[process.execPath, BIN, "--identity", "gate", "--registry", registry.url],
    ...["guard", "--root", "owner", "--policy", policyPath, "--refresh", "0.2", ...more],
  ];

  it("admits a caller that the owner stands for, over stdio, and keeps a record that verifies offline", async () => {
    const record = join(home.path, "record.json");
    const argv = ["--identity", "scout", "call", "echo", "--arg", "message=hello", "--receipt", record, "--json", "--"];
    const ran = await home.run([...argv, ...guardCommand("--", process.execPath, ECHO, "stdio")], { env: env() });
    expect(ran.code, ran.stderr).toBe(0);
    const { data } = JSON.parse(ran.stdout);
    expect(data).toMatchObject({
      admitted: true,
      signed: true,
      receiptHolds: true,
      result: { content: [{ text: "Echo: hello" }] },
    });
    const checked = await home.call(["verify", record], { env: { PEERAGE_REGISTRY: "http://127.0.0.1:9" } });
    expect(checked.code, checked.stdout).toBe(0);
  });

  it("refuses a stranger with exit 3 and the reason, and what no rule names", async () => {
    const guard = guardCommand("--", process.execPath, ECHO, "stdio");
    const [stranger, other] = await Promise.all([
      home.run(["--identity", "gate", "call", "echo", "--json", "--arg", "message=hi", "--", ...guard], { env: env() }),
      home.run(["--identity", "scout", "call", "wait", "--json", "--arg", "ms=1", "--", ...guard], { env: env() }),
    ]);
    expect(stranger.code).toBe(3);
    expect(JSON.parse(stranger.stdout)).toMatchObject({
      answer: "no",
      data: { admitted: false, reason: "ERR_TRUST_INSUFFICIENT" },
    });
    expect(other.code).toBe(3);
    expect(JSON.parse(other.stdout).data.reason).toBe("ERR_POLICY_DENIED");
  });

  it("passes the exit code of the wrapped command on, through guard and proxy", async () => {
    const exits = [process.execPath, "-e", "process.exit(42)"];
    const [guard, proxy, missing] = await Promise.all([
      home.run(["--identity", "gate", "guard", "--policy", policyPath, "--", ...exits]),
      home.run(["--identity", "scout", "proxy", "--", ...exits]),
      home.run(["--identity", "scout", "proxy", "--", "/nowhere/at-all"]),
    ]);
    expect([guard.code, proxy.code, missing.code]).toEqual([42, 42, 127]);
  });

  it("A-CLI-08 never lets a shell see the wrapped command", async () => {
    const argv = [
      "--identity",
      "scout",
      "proxy",
      "--",
      process.execPath,
      "-e",
      "process.exit(process.argv[1] === '$(touch x);`touch y`' ? 7 : 8)",
      "$(touch x);`touch y`",
    ];
    expect((await home.run(argv)).code).toBe(7);
  });

  it("guards a server over HTTP: the same caller in, the same stranger out; Ctrl-C ends it with 130", async () => {
    const upstream = await echoServer();
    const guard = spawn(guardCommand()[0]!, [...guardCommand("--http", "0", "--upstream", upstream.url).slice(1)], {
      cwd: home.path,
      env: { PATH: process.env["PATH"], LANG: "C.UTF-8", HOME: home.path, ...xdg(home) },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const closed = new Promise((resolve) => guard.once("close", resolve));
    try {
      const url = await announced(guard, /connect +(http:\S+)/);
      const ok = await home.run(["--identity", "scout", "call", url, "echo", "--arg", "message=hi", "--json"], {
        env: env(),
      });
      expect(ok.code, ok.stderr).toBe(0);
      expect(JSON.parse(ok.stdout).data).toMatchObject({ admitted: true, receiptHolds: true });
      const no = await home.run(["--identity", "gate", "call", url, "echo", "--arg", "message=hi"], { env: env() });
      expect(no.code).toBe(3);
      // A policy that can no longer be read is told of, and the one before stays in force.
      await writeFile(policyPath, `${policy}  - { tolls: "*" }\n`);
      await announced(guard, /(policy cannot be read)/);
      expect(
        (await home.run(["--identity", "scout", "call", url, "echo", "--arg", "message=hi"], { env: env() })).code,
      ).toBe(0);
      await writeFile(policyPath, policy.replace(/allow:[\s\S]*/, "allow: []\n"));
      await announced(guard, /(is in force now)/);
      expect(
        (await home.run(["--identity", "scout", "call", url, "echo", "--arg", "message=hi"], { env: env() })).code,
      ).toBe(3);
    } finally {
      await writeFile(policyPath, policy);
      guard.kill("SIGINT");
      upstream.close();
    }
    expect(await closed).toBe(130);
  });

  it("with its registry gone decides nothing that needs trust, and says so", async () => {
    const guard = [
      ...[process.execPath, BIN, "--identity", "gate", "--registry", "http://127.0.0.1:9"],
      ...["guard", "--root", "owner", "--policy", policyPath, "--", process.execPath, ECHO, "stdio"],
    ];
    const call = ["--identity", "scout", "call", "echo", "--json", "--arg", "message=hi"];
    // The same server behind another command: nothing is signed for it until its user names it.
    await home.run([...call, "--", ...guardCommand("--", process.execPath, ECHO, "stdio")], { env: env() });
    const moved = await home.run([...call, "--", ...guard], { env: env() });
    expect(moved.code).toBe(3);
    expect(JSON.parse(moved.stdout).data.reason).toBe("ERR_AUDIENCE_CHANGED");
    expect(moved.stderr.replace(/\s+/g, " ")).toContain("--audience <did>");
    const ran = await home.run([...call, "--audience", await home.did("gate"), "--", ...guard], { env: env() });
    expect(ran.code, ran.stdout).toBe(3);
    expect(JSON.parse(ran.stdout).data.error.code).toBe("ERR_REGISTRY_STALE");
    expect(ran.stderr).toContain("the registry cannot be followed");
  });
});

function xdg(home: Home): Record<string, string> {
  // The layout of PEERAGE_HOME, reached by the other names: <data>/peerage/keys and so on.
  return { XDG_DATA_HOME: home.path, XDG_CONFIG_HOME: home.path, XDG_STATE_HOME: home.path, XDG_CACHE_HOME: home.path };
}

const heard = new WeakMap<ChildProcess, { text: string }>();

/** Waits for a line of a process's stderr that was not waited for before. */
async function announced(child: ChildProcess, pattern: RegExp): Promise<string> {
  let state = heard.get(child);
  if (!state) {
    const fresh = { text: "" };
    heard.set(child, (state = fresh));
    child.stderr!.setEncoding("utf8").on("data", (chunk: string) => (fresh.text += chunk));
  }
  for (;;) {
    const match = pattern.exec(state.text);
    if (match) {
      state.text = state.text.slice(match.index + match[0].length);
      return match[1]!;
    }
    if (child.exitCode !== null) throw new Error(`it ended: ${state.text}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function echoServer(): Promise<{ url: string; close: () => void }> {
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: "echo", version: "1" });
    server.registerTool("echo", { inputSchema: z.object({ message: z.string() }) }, ({ message }) => ({
      content: [{ type: "text", text: message }],
    }));
    return server;
  });
  return new Promise((resolve) => {
    const server = serve({ fetch: (request) => handler.fetch(request), hostname: "127.0.0.1", port: 0 }, ({ port }) => {
      resolve({ url: `http://127.0.0.1:${port}/mcp`, close: () => void server.close() });
    });
  });
}
