import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createNote, generateIdentity, issueProfile, noteDigest } from "@peerage/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { visible } from "../cli/src/ui/visible.ts";
import { BIN, Home, openTestRegistry, type Ran } from "./_cli.ts";
import { openWorld } from "./_cli-world.ts";

const STRANGER = "did:key:z6MkwSD8dBdqcXQzKJZQFPy2hh2izzxskndKCjdmC2dBpfME";
const anyone = `apiVersion: peerage.dev/v1\nkind: Policy\nopen: true\nallow:\n  - { tools: "*", agents: "*" }\n`;

let home: Home;
let registry: Awaited<ReturnType<typeof openTestRegistry>>;
beforeAll(async () => {
  [home, registry] = await Promise.all([Home.make(), openTestRegistry()]);
  await home.ok(["init", "bot", "--registry", registry.url]);
  await registry.registry.published(1);
});
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});

describe("A-CLI-07 foreign text", () => {
  const hostile: readonly string[] = [
    "\u001b[31mred\u001b[0m",
    "\u001b]0;title\u0007",
    "\u001b]8;;http://evil.example\u001b\\link\u001b]8;;\u001b\\",
    "\u009b31m",
    "a\u202egnp.exe",
    "\u2066isolate\u2069",
    "zero\u200bwidth\u2060",
    "\u{e0041}tag",
    `z${"\u0301".repeat(10_000)}`,
    "line\nbreak\r\ttab",
    "\u3164",
    "<img onerror=alert(1)>",
  ];
  const dangerous =
    /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\u3164]|\p{M}{3}|[\u{e0000}-\u{e007f}]/u;

  const obeyed =
    /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\u{e0000}-\u{e007f}]/u;

  it("A-CLI-07 is one visible line, whatever it is", () => {
    for (const text of hostile) {
      expect(visible(text)).not.toMatch(dangerous);
      expect(visible(text)).not.toContain("\n");
      expect(visible(text).length).toBeLessThan(1_000);
    }
    expect(visible("café, naïve, Ωμέγα, 你好, 👍")).toBe("café, naïve, Ωμέγα, 你好, 👍");
    expect(visible("x".repeat(100))).toBe(`${"x".repeat(64)}…`);
  });

  it("A-CLI-07 is neutralised where it is typed, named in an error, or read from a file", async () => {
    for (const text of hostile) {
      const path = join(home.path, "hostile.json");
      await writeFile(path, JSON.stringify({ type: text, proof: { cryptosuite: text } }));
      const runs = [
        ["trust", text],
        ["names", "set", text, STRANGER],
        ["log", "entry", text],
        ["show", text],
        ["verify", path],
        [text],
      ];
      for (const argv of runs) {
        const { code, stdout, stderr } = await home.call(argv);
        expect(code, argv.join(" ")).not.toBe(0);
        expect(stdout + stderr, argv.join(" ")).not.toMatch(dangerous);
        const json = await home.call([...argv, "--json"]);
        // The text itself is data and comes back as it was; on a terminal it does nothing.
        expect(json.stdout + json.stderr, argv.join(" ")).not.toMatch(obeyed);
      }
    }
  });

  it("A-CLI-07 is neutralised in self-chosen names, and never stands without a fingerprint", async () => {
    const agent = generateIdentity();
    const note = createNote({ name: "\u202eevil \u200bname" });
    const profile = await issueProfile(agent, { role: "agent", noteDigest: noteDigest(note) });
    const { index } = await registry.registry.submit(profile.bytes);
    await registry.registry.published(index);
    for (const argv of [["find"], ["show", agent.did], ["trust", agent.did], ["show", String(index)]]) {
      const { stdout, stderr } = await home.run(argv);
      expect(stdout + stderr).not.toMatch(dangerous);
      expect(stdout).toContain(agent.did.slice(8, 17));
    }
  });

  it("A-CLI-07 is neutralised in a tool's answer and in a refusal", async () => {
    const server = join(home.path, "server.mjs");
    const text = JSON.stringify(hostile.join("\n"));
    await writeFile(
      server,
      `import { createInterface } from "node:readline";
for await (const line of createInterface({ input: process.stdin })) {
  const { id, method } = JSON.parse(line);
  if (id === undefined) continue;
  const say = (body) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, ...body }) + "\\n");
  if (method === "initialize") say({ result: { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo: { name: "s", version: "1" } } });
  else if (process.argv[2] === "error") say({ error: { code: -31401, message: ${text}, data: { reason: "ERR_PROOF_MISSING" } } });
  else say({ result: { content: [{ type: "text", text: ${text} }] } });
}
`,
    );
    const answer = await home.run(["call", "any", "--", process.execPath, server]);
    expect(answer.code, answer.stderr).toBe(0);
    expect(answer.stdout + answer.stderr).not.toMatch(dangerous);
    expect(answer.stdout).toContain("\\u{1b}[31mred");
    const refused = await home.run(["call", "any", "--", process.execPath, server, "error"]);
    expect(refused.code).toBe(3);
    expect(refused.stdout + refused.stderr).not.toMatch(dangerous);
  });

  it("A-CLI-07 is neutralised in every command that shows what somebody called, asked for, wrote or named", async () => {
    await using world = await openWorld();
    const text = hostile
      .slice(0, 8)
      .join(" ")
      .replaceAll(/[\r\n\t]/g, "");
    await world.callThroughGuard([
      [text.slice(0, 200), { path: text }],
      ["transfer_funds", { to: text, [text.slice(0, 30)]: 1 }],
    ]);
    const seen = async (...argv: string[]): Promise<Ran> => {
      const ran = await world.home.call(argv);
      // The tabs of `--plain` are ours: none comes of a text.
      expect((ran.stdout + ran.stderr).replaceAll("\t", " "), argv.join(" ")).not.toMatch(dangerous);
      return ran;
    };
    const { calls } = JSON.parse((await world.home.call(["calls", "--limit", "2", "--json"])).stdout).data;
    const [asked, refused] = (calls as { seq: number }[]).map(({ seq }) => String(seq)) as [string, string];
    const { items } = JSON.parse((await world.home.call(["approvals", "--json"])).stdout).data;
    const word = items.at(-1).req.slice(7, 15);
    for (const flags of [[], ["--plain"], ["--json"], ["--verbose"]]) {
      for (const argv of [
        ["calls"],
        ["calls", "show", refused],
        ["calls", "replay"],
        ["approvals"],
        ["policy", "suggest"],
      ])
        expect((await seen(...argv, ...flags)).code).toBe(0);
      expect((await seen("policy", "explain", refused, "--policy", "guard.yaml", ...flags)).code).toBe(3);
      expect((await seen("policy", "explain", asked, "--policy", "guard.yaml", ...flags)).code).toBe(8);
    }
    for (const flags of [[], ["--json"]])
      for (const argv of [
        ["approvals", "show", word],
        ["approvals", "approve", word, "--identity", "alice", "--yes", "--dry-run"],
        ["audit", "disclose", refused],
        ["policy", "diff", "policy.yaml", "guard.yaml"],
        [
          "history",
          "append",
          "hostile.json",
          "--step",
          "asked",
          "--result",
          "passed",
          "--tool",
          text,
          "--sub",
          `a=${text}`,
        ],
        ["history", "show", "hostile.json", "--full"],
        ["names", "list"],
        ["find", text],
        ["sign", text],
        ["verify", text],
        ["config", "set", "audience", text],
        ["call", text],
        ["policy", "check", text],
        ["roots", "add", text],
        ["vouch", text],
        ["report", text],
        ["help", text],
        ["completion", text],
        ["key", "import", text],
        ["log", "report", text],
        ["proxy", "install", text],
        ["registry", "mirror", text],
        ["pack", "verify", text],
        ["note", "show", text],
        ["spiffe", "verify", text],
        ["prove", "domain", text],
        ["send", text, text],
      ])
        await seen(...argv, ...flags);
  });

  it("A-CLI-07 stdout of guard and proxy is frames from the first byte to the last, verbose or not", async () => {
    await writeFile(join(home.path, "policy.yaml"), anyone);
    const everything = fileURLToPath(
      new URL("../node_modules/@modelcontextprotocol/server-everything/dist/index.js", import.meta.url),
    );
    const guard = [
      "guard",
      "--verbose",
      "--policy",
      join(home.path, "policy.yaml"),
      "--",
      process.execPath,
      everything,
    ];
    const messages = [
      {
        jsonrpc: "2.0",
        id: 1,
        method: "initialize",
        params: {
          protocolVersion: "2025-06-18",
          capabilities: {},
          clientInfo: { name: "\u001b[31mhost", version: "1" },
        },
      },
      { jsonrpc: "2.0", method: "notifications/initialized" },
      { jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "\u202eecho", arguments: {} } },
      { jsonrpc: "2.0", id: 3, method: "tools/call", params: { name: "echo", arguments: { message: "\u001b[2Jhi" } } },
    ];
    const input = `not json\n${messages.map((message) => JSON.stringify(message)).join("\n")}\n`;
    const both = [
      guard,
      [
        "proxy",
        "--verbose",
        "--",
        process.execPath,
        BIN,
        "--identity",
        "bot",
        "guard",
        "--verbose",
        "--policy",
        join(home.path, "policy.yaml"),
        "--",
        process.execPath,
        everything,
      ],
    ];
    for (const argv of both) {
      // Two hops: the inner one has no PEERAGE_ variable, so its folders come from the XDG ones.
      const env = {
        PEERAGE_HOME: undefined,
        XDG_DATA_HOME: home.path,
        XDG_STATE_HOME: home.path,
        XDG_CACHE_HOME: home.path,
        XDG_CONFIG_HOME: home.path,
      };
      const frames = await talk(argv, env, input, 4);
      const ids = frames.flatMap((line) => {
        const message = JSON.parse(line);
        expect(message.jsonrpc).toBe("2.0");
        return message.id === undefined || message.method !== undefined ? [] : [message.id];
      });
      expect(ids.toSorted()).toEqual([1, 2, 3, null].toSorted());
      for (const line of frames) expect(line).not.toMatch(/[\u0000-\u001f]/);
    }
  });
});

/** Feeds a process and closes its stdin once it has answered so often; its stdout as lines. */
async function talk(
  argv: readonly string[],
  env: Record<string, string | undefined>,
  input: string,
  answers: number,
): Promise<string[]> {
  const child = spawn(process.execPath, [BIN, ...argv], {
    cwd: home.path,
    env: { PATH: process.env["PATH"], LANG: "C.UTF-8", HOME: home.path, ...env },
    stdio: ["pipe", "pipe", "ignore"],
  });
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    if (out.split("\n").filter((line) => /"id":/.test(line)).length >= answers) child.stdin.end();
  });
  child.stdin.write(input);
  await new Promise((resolve) => child.once("close", resolve));
  expect(out.endsWith("\n")).toBe(true);
  return out.slice(0, -1).split("\n");
}
