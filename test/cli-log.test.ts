import { type ChildProcess, spawn } from "node:child_process";
import { cp, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generateIdentity, issueProfile } from "@peerage/core";
import { openRegistry, type Registry, serveApp } from "@peerage/registry";
import { afterEach, describe, expect, it } from "vitest";
import { answerEnvelope, dataSchemas } from "../cli/src/schemas.ts";
import { BIN, Home } from "./_cli.ts";
import { temporaryFolder } from "./_registry.ts";

const children: ChildProcess[] = [];
afterEach(async () => {
  const ended = children.splice(0).map(
    (child) =>
      new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) resolve(undefined);
        child.once("close", resolve);
        child.kill("SIGINT");
      }),
  );
  await Promise.all(ended);
});

/** Starts a command that goes on, and waits for what it prints. */
async function start(home: Home, argv: readonly string[], wanted: RegExp): Promise<RegExpExecArray> {
  const child = spawn(process.execPath, [BIN, ...argv], {
    cwd: home.path,
    env: { PATH: process.env["PATH"], LANG: "C.UTF-8", PEERAGE_HOME: home.at() },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  let text = "";
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
        const match = wanted.exec(text);
        if (match) resolve(match);
      });
    child.once("close", () => reject(new Error(`it ended: ${text}`)));
  });
}

async function data(home: Home, exit: number, ...argv: string[]) {
  const { code, stdout, stderr } = await home.call([...argv, "--json"]);
  expect(code, stdout + stderr).toBe(exit);
  const said = JSON.parse(stdout);
  expect(answerEnvelope.safeParse(said).error).toBeUndefined();
  expect(dataSchemas[said.command]!.safeParse(said.data).error).toBeUndefined();
  return said.data;
}

async function grow(registry: Registry, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const { index } = await registry.submit((await issueProfile(generateIdentity(), { role: "agent" })).bytes);
    await registry.published(index);
  }
}

/** An address behind which registries can be exchanged. */
async function exchange(first: Registry) {
  const behind = { now: first };
  const served = await serveApp({ fetch: (...args) => behind.now.app.fetch(...args) });
  return Object.assign(behind, { url: served.url, [Symbol.asyncDispose]: () => served[Symbol.asyncDispose]() });
}

describe("peerage log audit", () => {
  it("A-LOG-01 finds an honest log right, also after it grew, and one that contradicts itself forked, with a proof", async () => {
    using one = temporaryFolder();
    using two = temporaryFolder();
    using elsewhere = temporaryFolder();
    await using home = await Home.make();
    await openRegistry({ dataDir: one.path, cadenceMs: 20 }).then(async (registry) => {
      await grow(registry, 3);
      await registry[Symbol.asyncDispose]();
    });
    await cp(one.path, two.path, { recursive: true });
    await using honest = await openRegistry({ dataDir: one.path, cadenceMs: 20 });
    await using behind = await exchange(honest);
    const at = ["--registry", behind.url] as const;
    expect(await data(home, 0, "log", "audit", ...at)).toMatchObject({
      size: 3,
      witnessed: false,
      rejected: [],
      evidence: [],
      observations: [],
    });
    await grow(honest, 2);
    expect(await data(home, 0, "log", "audit", ...at)).toMatchObject({
      size: 5,
      observations: [{ name: "you, before", status: "consistent", size: 3 }],
    });

    await using other = await openRegistry({ dataDir: two.path, cadenceMs: 20 });
    await grow(other, 4);
    behind.now = other;
    const forked = await data(home, 6, "log", "audit", ...at, "--evidence", elsewhere.path);
    expect(forked.evidence).toHaveLength(1);
    expect(forked.kept).toHaveLength(1);
    // Whoever has the proof needs nobody's word.
    expect((await home.run(["verify", forked.kept[0]])).code).toBe(0);
    expect((await home.call(["log", "audit", ...at, "--evidence", elsewhere.path])).stdout).toContain(
      "contradict each other",
    );
    expect(await readdir(elsewhere.path)).toHaveLength(1);
    // Every other command that reads the log notices as well, and keeps the proof.
    for (const argv of [["log", "head"], ["find"]]) {
      const { code, stderr } = await home.call([...argv, ...at]);
      expect(code).toBe(6);
      expect(stderr.replace(/\s+/g, " ")).toContain("peerage verify ");
    }
    expect(await readdir(home.at("state", "evidence"))).toHaveLength(1);
    behind.now = honest;
    await data(home, 0, "log", "audit", ...at);
  });

  it("A-LOG-03 says 3 of a log that is too old, or behind what a mirror has seen", async () => {
    using folder = temporaryFolder();
    using old = temporaryFolder();
    await using home = await Home.make();
    await openRegistry({ dataDir: folder.path, cadenceMs: 20 }).then(async (registry) => {
      await grow(registry, 2);
      await registry[Symbol.asyncDispose]();
    });
    await cp(folder.path, old.path, { recursive: true });
    await using registry = await openRegistry({ dataDir: folder.path, cadenceMs: 20 });
    await grow(registry, 2);
    await using served = await serveApp(registry.app);
    const mirror = await start(
      home,
      ["registry", "mirror", served.url, "--listen", "0"],
      /mirror {5}(http:\S+?)\/mirror\/.*Ctrl-C/s,
    );
    await using before = await openRegistry({ dataDir: old.path });
    await using stale = await serveApp(before.app);
    expect(await data(home, 3, "log", "audit", "--registry", stale.url, "--mirror", mirror[1]!)).toMatchObject({
      size: 2,
      observations: [{ status: "ahead", size: 4 }],
    });
    expect(await data(home, 0, "log", "audit", "--registry", served.url, "--mirror", mirror[1]!)).toMatchObject({
      observations: [{ status: "consistent", size: 4 }],
    });
    expect(
      await data(home, 0, "log", "audit", "--registry", served.url, "--mirror", "http://127.0.0.1:9"),
    ).toMatchObject({
      observations: [{ name: "you, before" }, { status: "unreachable" }],
    });
    await expect
      .poll(async () => (await home.call(["log", "audit", "--registry", stale.url, "--max-age", "1"])).code, {
        timeout: 60_000,
      })
      .toBe(3);
  });

  it("watches for ever, one envelope a look, and ends with 6 once a fork is proven", async () => {
    using one = temporaryFolder();
    using two = temporaryFolder();
    await using home = await Home.make();
    await openRegistry({ dataDir: one.path, cadenceMs: 20 }).then(async (registry) => {
      await grow(registry, 1);
      await registry[Symbol.asyncDispose]();
    });
    await cp(one.path, two.path, { recursive: true });
    await using honest = await openRegistry({ dataDir: one.path, cadenceMs: 20 });
    await grow(honest, 2);
    await using other = await openRegistry({ dataDir: two.path, cadenceMs: 20 });
    await grow(other, 3);
    await using behind = await exchange(honest);
    const ran = home.run(["log", "watch", "--registry", behind.url, "--every", "0.2", "--json"]);
    await expect
      .poll(() => readdir(home.at("state")).catch(() => []), { timeout: 60_000 })
      .toContain("checkpoints.json");
    behind.now = other;
    const { code, stdout } = await ran;
    expect(code).toBe(6);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    lines.forEach((line, seq) => {
      expect(answerEnvelope.safeParse(line).error).toBeUndefined();
      expect(dataSchemas["log watch"]!.safeParse(line.data).error).toBeUndefined();
      expect(line.data.seq).toBe(seq);
    });
    expect(lines[0]).toMatchObject({ answer: "yes", data: { size: 3 } });
    expect(lines.at(-1)).toMatchObject({ answer: "invalid", exit: 6 });
    expect(lines.at(-1).data.evidence).toHaveLength(1);
  });
});

describe("peerage registry mirror and log witness", () => {
  it("make a log witnessed whose registry asks them, and keep a copy that goes on without it", async () => {
    using folder = temporaryFolder();
    await using home = await Home.make();
    const path = folder.path;
    const plain = await start(home, ["registry", "serve", "--listen", "0", "--data", path], /key {8}(\S+)\n.*Ctrl-C/s);
    const [child] = children.splice(0);
    await new Promise((resolve) => {
      child!.once("close", resolve);
      child!.kill("SIGINT");
    });
    const vkey = plain[1]!;
    const witness = await start(
      home,
      [
        "log",
        "witness",
        "--listen",
        "0",
        "--name",
        "witness.test/1",
        "--log",
        vkey,
        "--data",
        join(home.path, "witness"),
      ],
      /witness {4}(\S+)\n {4}key {8}(\S+)\n.*Ctrl-C/s,
    );
    const policy = join(home.path, "tlog-policy");
    await writeFile(policy, `log ${vkey}\nwitness w1 ${witness[2]} ${witness[1]}\nquorum w1\n`);
    const serve = ["registry", "serve", "--listen", "0", "--data", path, "--witness-policy", policy];
    const registry = (await start(home, serve, /registry {3}(\S+)\n.*1 of 1 witnesses.*Ctrl-C/s))[1]!;
    await home.ok(["init", "bot", "--registry", registry]);
    // With witnesses a head is published every ten seconds.
    const size = async (): Promise<number> => (await data(home, 0, "log", "head", "--registry", registry)).size;
    await expect.poll(size, { timeout: 90_000, interval: 500 }).toBe(2);
    const witnessed = await data(home, 0, "log", "audit", "--registry", registry, "--witness-policy", policy);
    expect(witnessed).toMatchObject({ size: 2, witnessed: true });
    expect(witnessed.observations).toContainEqual(expect.objectContaining({ status: "consistent" }));
    // Without naming whom one believes, it is the operator's word.
    expect(await data(home, 0, "log", "head", "--registry", registry)).toMatchObject({ witnessed: false });
    // A policy that asks for another witness believes none of it.
    const other = await start(
      home,
      ["log", "witness", "--listen", "0", "--name", "w2", "--log", vkey, "--data", join(home.path, "w2")],
      /key {8}(\S+)\n.*Ctrl-C/s,
    );
    const strict = join(home.path, "strict-policy");
    await writeFile(strict, `log ${vkey}\nwitness w2 ${other[1]} ${witness[1]}\nquorum w2\n`);
    expect((await home.call(["log", "audit", "--registry", registry, "--witness-policy", strict])).code).toBe(6);

    const copy = join(home.path, "copy");
    const made = await data(
      home,
      0,
      "registry",
      "mirror",
      registry,
      "--once",
      "--data",
      copy,
      "--witness-policy",
      policy,
    );
    expect(made).toMatchObject({ registry, size: 2, rejected: 0 });
    for (const bad of [
      ["registry", "mirror", "http://registry.example"],
      ["log", "witness"],
      ["registry", "serve", "--witness-policy", join(home.path, "none")],
    ])
      expect((await home.call(bad)).code, bad.join(" ")).toBe(2);
  });
});
