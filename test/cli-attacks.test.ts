import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
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
