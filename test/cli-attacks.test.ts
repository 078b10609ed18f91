import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createNote, generateIdentity, issueProfile, noteDigest } from "@peerage/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { visible } from "../cli/src/ui/visible.ts";
import { BIN, Home, openTestRegistry, type Ran, runProcess } from "./_cli.ts";

const STRANGER = "did:key:z6MkwSD8dBdqcXQzKJZQFPy2hh2izzxskndKCjdmC2dBpfME";
const ENVIRONMENT = fileURLToPath(new URL("./fixtures/cli-show-environment.ts", import.meta.url));
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

describe("A-CLI-03 secrets", () => {
  it("A-CLI-03 are in nothing that is written, told or handed on", async () => {
    await using own = await Home.make();
    const phrase = "quite a secret phrase 77";
    const phraseFile = join(own.path, "phrase");
    await writeFile(phraseFile, `${phrase}\n`);
    await writeFile(join(own.path, "policy.yaml"), anyone);
    await own.ok(["init", "bot"]);
    const everything: Ran[] = [];
    const run = async (...argv: string[]): Promise<Ran> => {
      const env = {
        PEERAGE_PASSPHRASE_FILE: phraseFile,
        PEERAGE_PASSPHRASE: phrase,
        PEERAGE_KEY_FILE: own.at("keys", "bot.key"),
      };
      const ran = await own.run(argv, { env });
      everything.push(ran);
      return ran;
    };
    await run("init", "sealed", "--verbose");
    for (const json of [[], ["--json"]]) {
      await run("whoami", "--verbose", ...json);
      await run("doctor", ...json);
      await run("vouch", STRANGER, "--dry-run", "--verbose", ...json);
      await run("vouch", STRANGER, "--registry", "http://127.0.0.1:9", ...json);
      await run("config", "get", "--origin", ...json);
    }
    const called = await run(
      "call",
      "env",
      "--header",
      "authorization: Bearer tok-5521",
      "--json",
      "--",
      process.execPath,
      ENVIRONMENT,
    );
    const guarded = await run(
      "call",
      "env",
      "--json",
      "--",
      process.execPath,
      BIN,
      "guard",
      "--policy",
      join(own.path, "policy.yaml"),
      "--",
      process.execPath,
      ENVIRONMENT,
    );
    const secrets = [phrase, "tok-5521"];
    for (const name of ["bot", "sealed"]) {
      for (const ending of ["key", "next", "recovery"]) {
        const form = JSON.parse(await readFile(own.at("keys", `${name}.${ending}`), "utf8"));
        if (form.seed === undefined) continue;
        const seed = Buffer.from(form.seed, "base64url");
        secrets.push(form.seed, seed.toString("hex"), seed.toString("base64"));
      }
    }
    expect(secrets.length).toBe(2 + 9);
    for (const { stdout, stderr } of everything)
      for (const secret of secrets) expect(stdout + stderr).not.toContain(secret);
    // The wrapped child sees none of our variables, through one hop or two; what it needs is there.
    for (const { code, stdout } of [called]) {
      expect(code, stdout).toBe(0);
      const { env } = JSON.parse(JSON.parse(stdout).data.result.content[0].text);
      expect(Object.keys(env).filter((name) => /peerage/i.test(name))).toEqual([]);
      expect(env.PATH).toBe(process.env["PATH"]);
    }
    expect(guarded.stdout + guarded.stderr).not.toContain(phrase);
  });
});

describe("A-CLI-05 nothing is signed by mistake", () => {
  it.each([
    ["vouch", STRANGER, "--scop", "code"],
    ["vouch", STRANGER, "--confidence", "high"],
    ["vouch", STRANGER, "extra"],
    ["vuoch", STRANGER],
    ["vouch"],
    ["vouch", "did:key:z6Mkw"],
    ["vouch", "wSD8dBdqc"],
    ["unvouch", STRANGER, "--force"],
    ["call", "http://127.0.0.1:9/mcp", "echo", "--args", "/dev/null"],
  ])("A-CLI-05 `%s %s %s` ends with an error, and the log has no more entries than before", async (...argv) => {
    const before = registry.registry.view.size;
    const { code, stdout, stderr } = await home.run(argv.filter((word) => typeof word === "string"));
    expect([2, 5]).toContain(code);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/fix {2}\S/);
    expect(registry.registry.view.size).toBe(before);
  });

  it("A-CLI-05 names the flag that was meant", async () => {
    const { code, stderr } = await home.run(["vouch", STRANGER, "--scop", "code"]);
    expect(code).toBe(2);
    expect(stderr).toContain("did you mean --scope?");
  });

  it("A-CLI-05 never ends with 0 when the answer is no, the thing is tampered with, or nobody answers", async () => {
    const tampered = join(home.path, "tampered.json");
    await writeFile(tampered, (await home.ok(["show", "0", "--raw"])).replace('"seq":0', '"seq":1'));
    const runs = await Promise.all([
      home.run(["trust", STRANGER]),
      home.run(["verify", tampered]),
      home.run(["trust", STRANGER, "--registry", "http://127.0.0.1:9"]),
    ]);
    expect(runs.map(({ code }) => code)).toEqual([3, 6, 7]);
  });

  it("A-CLI-05 asks for a yes before it signs for a prefix, and does the right thing for the full DID", async () => {
    await home.ok(["names", "set", "lantern", STRANGER]);
    const { code, stderr } = await home.run(["vouch", STRANGER.slice(8, 20), "--yes"]);
    expect(code).toBe(2);
    expect(stderr).toContain(STRANGER);
    await home.ok(["vouch", "lantern", "--dry-run"]);
    await home.ok(["names", "remove", "lantern"]);
  });
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

describe("A-CLI-09 transport and platform", () => {
  it("A-CLI-09 refuses a registry over plain HTTP off loopback, wherever it is named", async () => {
    const url = "http://registry.example";
    const runs = await Promise.all([
      home.run(["trust", "bot", "--registry", url]),
      home.run(["whoami"], { env: { PEERAGE_REGISTRY: url } }),
      home.run(["config", "set", "registry", url]),
      home.run(["trust", "bot", "--registry", "http://127.0.0.1.evil.example"]),
      home.run(["trust", "bot", "--registry", "https://user:secret-5512@registry.example"]),
    ]);
    for (const { code, stderr } of runs) {
      expect(code).toBe(2);
      expect(stderr.replace(/\s+/g, " ")).toContain("must be https, or http on loopback");
      expect(stderr).not.toContain("secret-5512");
    }
    expect((await home.run(["trust", "bot"])).code).toBe(3);
  });

  it("A-CLI-09 follows no redirect, to wherever it leads", async () => {
    let reached = 0;
    const target = createServer((_request, response) => {
      reached++;
      response.end("{}");
    });
    await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
    const away = createServer((request, response) => {
      response
        .writeHead(307, { location: `http://127.0.0.1:${(target.address() as AddressInfo).port}${request.url ?? ""}` })
        .end();
    });
    await new Promise<void>((resolve) => away.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(away.address() as AddressInfo).port}`;
    try {
      for (const argv of [
        ["trust", "bot"],
        ["vouch", STRANGER],
        ["init", "bot"],
      ]) {
        const { code, stdout } = await home.run([...argv, "--registry", url]);
        expect(code, argv.join(" ")).toBe(7);
        expect(stdout).toBe("");
      }
      expect(reached).toBe(0);
    } finally {
      away.close();
      target.close();
    }
  });

  it("A-CLI-09 refuses a registry whose certificate is not good", async () => {
    // No certificate at all is the worst one: a plain server on the port where TLS is expected.
    const server = createServer((_request, response) => response.end("{}"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const { code, stderr } = await home.run([
        "trust",
        "bot",
        "--registry",
        `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
      ]);
      expect(code).toBe(7);
      expect(stderr).toContain("cannot be reached");
    } finally {
      server.close();
    }
  });

  it("A-CLI-09 refuses a registry that shows another log key than at first contact, and keeps the first", async () => {
    await using other = await openTestRegistry();
    await using own = await Home.make();
    await own.ok(["init", "bot", "--registry", registry.url]);
    const pins = JSON.parse(await readFile(own.at("registries.json"), "utf8"));
    const wrong = await fetch(`${other.url}/.well-known/peerage-registry.json`).then(
      (response) => response.json() as Promise<{ logKey: string }>,
    );
    pins.pins[registry.url].logKey = wrong.logKey;
    await writeFile(own.at("registries.json"), JSON.stringify(pins));
    const { code, stderr } = await own.run(["whoami"]);
    expect(code).toBe(6);
    expect(stderr).toContain("another log key");
    expect(JSON.parse(await readFile(own.at("registries.json"), "utf8"))).toEqual(pins);
  });

  it("A-CLI-09 a project file that chooses keys, roots or a registry is refused; one that chooses a scope is taken", async () => {
    await using own = await Home.make();
    await own.ok(["init", "bot"]);
    const file = join(own.path, ".peerage.json");
    for (const bad of [
      { registry: "https://evil.example" },
      { identity: "other" },
      { roots: [STRANGER] },
      { keys: "/tmp" },
    ]) {
      await writeFile(file, JSON.stringify(bad));
      const { code, stderr } = await own.run(["whoami"]);
      expect(code).toBe(2);
      expect(stderr).toContain("a project file sets policy, scope and audience only");
    }
    await writeFile(file, JSON.stringify({ scope: "code" }));
    expect(await own.ok(["config", "get", "--origin", "--plain"])).toContain("scope\tcode\tproject\n");
  });

  it("A-CLI-09 ends with one clear line on a Node that is too old, and does not crash", async () => {
    const entry = await readFile(new URL("../cli/bin/peerage.js", import.meta.url), "utf8");
    expect(entry).not.toMatch(/^import /m);
    const old = join(home.path, "old.mjs");
    await writeFile(old, entry);
    // The check is played with another version number; where an old Node is at hand it is run as well.
    const version = join(home.path, "version.mjs");
    await writeFile(version, `Object.defineProperty(process.versions, "node", { value: "20.20.2" });\n`);
    for (const path of [old, BIN]) {
      const ran = await runProcess(process.execPath, ["--import", version, path, "version"], { cwd: home.path });
      expect(ran.code).toBe(1);
      expect(ran.stdout).toBe("");
      expect(ran.stderr).toMatch(/^peerage needs Node 22\.18 or newer; this is v.*\n$/);
    }
    const plain = await runProcess("node", ["--version"], {
      env: {
        PATH: (process.env["PATH"] ?? "")
          .split(":")
          .filter((part) => !part.includes("node_modules"))
          .join(":"),
      },
    }).catch(() => undefined);
    const major = Number(/^v(\d+)/.exec(plain?.stdout ?? "")?.[1] ?? 99);
    if (major < 22) {
      const path = (process.env["PATH"] ?? "")
        .split(":")
        .filter((part) => !part.includes("node_modules"))
        .join(":");
      const ran = await runProcess(
        "node",
        [fileURLToPath(new URL("../cli/bin/peerage.js", import.meta.url)), "version"],
        { env: { PATH: path } },
      );
      expect(ran.code).toBe(1);
      expect(ran.stderr).toMatch(/^peerage needs Node 22\.18 or newer; this is v.*\n$/);
    }
  });
});
