import { existsSync } from "node:fs";
import { chmod, readdir, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type Did,
  generateIdentity,
  generateRun,
  issueVouch,
  parseDid,
  signCall,
  signEntry,
  type Signer,
  verifyStatement,
} from "@peerage/core";
import { auditOrigin } from "@peerage/mcp-middleware";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AgentSigner, ask, statusOf } from "../cli/src/agent/client.ts";
import { answerEnvelope, dataSchemas } from "../cli/src/schemas.ts";
import { BIN, Home, openTestRegistry, type Ran } from "./_cli.ts";
import { type Running, startProcess } from "./_running.ts";

const ECHO = fileURLToPath(new URL("./fixtures/modern-server.ts", import.meta.url));
const PHRASE = "correct horse battery";
const SERVER: Did = parseDid("did:key:z6MkwSD8dBdqcXQzKJZQFPy2hh2izzxskndKCjdmC2dBpfME");

const terminal = ["/usr/bin/script", "/bin/script"].find((path) => existsSync(path));
if (terminal === undefined) console.warn("SKIPPED: no `script` here, so agent --confirm is not tried on a terminal");

let home: Home;
let phrase: string;
let registry: Awaited<ReturnType<typeof openTestRegistry>>;
beforeAll(async () => {
  [home, registry] = await Promise.all([Home.make(), openTestRegistry()]);
  phrase = join(home.path, "phrase");
  await writeFile(phrase, `${PHRASE}\n`);
  for (const name of ["gate", "scout"])
    expect((await home.call(["init", name, "--registry", registry.url])).code).toBe(0);
  expect((await home.call(["key", "lock", "--identity", "scout", "--passphrase-file", phrase])).code).toBe(0);
});
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});

const socketPath = (): string => home.at("state", "agent", "agent.sock");

/** An agent of `scout` that listens. */
async function startAgent(...more: string[]): Promise<Running> {
  const argv = [BIN, "agent", "--identity", "scout", "--passphrase-file", phrase, ...more];
  const running = startProcess(home, process.execPath, argv);
  await running.match(/PEERAGE_AGENT_SOCK=\S+/);
  return running;
}

/** A command in a home that has no key at all, with the agent's socket. */
function through(of: Home, argv: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  return of.run(argv, { env: { PEERAGE_AGENT_SOCK: socketPath(), ...env } });
}

async function data(ran: Ran, exit = 0) {
  expect(ran.code, ran.stdout + ran.stderr).toBe(exit);
  const said = JSON.parse(ran.stdout);
  expect(answerEnvelope.safeParse(said).error).toBeUndefined();
  expect(dataSchemas[said.command]!.safeParse(said.data).error).toBeUndefined();
  return said.data;
}

const status = async (): ReturnType<typeof data> => data(await home.call(["agent", "status", "--json"]));

describe("peerage agent", () => {
  it("A-CLI-03 signs a call that a real guard admits, for a process that has no key and no passphrase", async () => {
    await using agent = await startAgent();
    await using other = await Home.make();
    for (const [path, mode] of [
      [socketPath(), 0o600],
      [dirname(socketPath()), 0o700],
    ] as const)
      expect((await stat(path)).mode & 0o777, path).toBe(mode);
    const policy = join(home.path, "policy.yaml");
    await writeFile(
      policy,
      `apiVersion: peerage.dev/v1\nkind: Policy\nallow:\n  - { tools: echo, agents: "*", trust: 0.25 }\n`,
    );
    // The guard, which is wrapped, has the folders of `home`; the caller has none of them.
    const folders = Object.fromEntries(["CONFIG", "DATA", "STATE", "CACHE"].map((x) => [`XDG_${x}_HOME`, home.path]));
    const guard = [process.execPath, BIN, "--identity", "gate", "--registry", registry.url, "guard"];
    const argv = [
      ...["call", "echo", "--arg", "message=hello", "--json", "--", ...guard],
      ...["--root", await home.did("scout"), "--policy", policy, "--", process.execPath, ECHO, "stdio"],
    ];
    const ran = await through(other, argv, folders);
    expect(await data(ran)).toMatchObject({ admitted: true, signed: true });
    expect(await readdir(other.at())).not.toContain("keys");
    expect(ran.stdout + ran.stderr + agent.written()).not.toContain(PHRASE);
    const said = await status();
    expect(said).toMatchObject({ did: await home.did("scout"), locked: false, sealed: true, refused: 0 });
    expect(said.signed).toBeGreaterThan(0);
  });

  it("signs calls and entries by itself, and statements only where it was started for them", async () => {
    await using other = await Home.make();
    const steps = join(other.path, "steps");
    const append = ["history", "append", steps, "--step", "checked", "--result", "passed"];
    const vouch = ["vouch", SERVER, "--yes", "--dry-run", "--registry", registry.url, "--json"];
    {
      await using agent = await startAgent();
      expect((await through(other, append)).code).toBe(0);
      const refused = await through(other, vouch);
      expect(refused.code, refused.stderr).toBe(3);
      expect(refused.stdout).toContain("does not sign statements");
      await agent.match(/refused\s+statements/);
    }
    await using agent = await startAgent("--allow", "statements");
    expect((await through(other, append)).code).toBe(3);
    expect((await data(await through(other, vouch))).issuer).toBe(await home.did("scout"));
    expect(agent.written()).toContain("statements");
    // What needs the key file itself says so; and an identity of this machine must be the agent's.
    expect(await through(other, ["key", "lock"])).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/not\s+a\s+regular\s+file/),
    });
    const wrong = await home.call([...vouch, "--identity", "gate"], { env: { PEERAGE_AGENT_SOCK: socketPath() } });
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining("does not sign as gate") });
  });

  it("judges by the bytes themselves: another's name, another audience and unknown bytes are refused", async () => {
    await using _agent = await startAgent("--allow", "calls", "--allow", "entries", "--audience", SERVER);
    const signer = await AgentSigner.open(socketPath());
    const denied = { code: "ERR_POLICY_DENIED" };
    const message = { method: "tools/call", params: { name: "echo" } };
    expect(await signCall(signer, { audience: SERVER, message })).toContain(".");
    await expect(signCall(signer, { audience: signer.did, message })).rejects.toMatchObject(denied);
    const entry = { run: generateRun(), prev: [], step: "checked", result: "passed" };
    expect(await signEntry(signer, entry)).toContain(".");
    expect(await signEntry(signer, { ...entry, aud: SERVER })).toContain(".");
    for (const more of [
      { aud: signer.did },
      { step: "human_approval", aud: SERVER },
      { step: "tool_call", aud: SERVER },
    ])
      await expect(signEntry(signer, { ...entry, ...more }), JSON.stringify(more)).rejects.toMatchObject(denied);
    // In another's name, as that one would sign it.
    const stranger = generateIdentity();
    const foreign: Signer = { did: stranger.did, kid: stranger.kid, sign: (bytes) => signer.sign(bytes) };
    await expect(signCall(foreign, { audience: SERVER, message })).rejects.toMatchObject(denied);
    await expect(issueVouch(signer, { subject: SERVER, scope: ["tools"], confidence: 50 })).rejects.toMatchObject(
      denied,
    );
    const head = `${auditOrigin(signer.did)}\n1\n${"A".repeat(43)}=\n`;
    for (const text of ["", "hello", "a.b", head, "x".repeat(40_000)])
      await expect(signer.sign(Buffer.from(text)), text.slice(0, 20)).rejects.toMatchObject(denied);
    expect(await status()).toMatchObject({ signed: 3, refused: 11, audiences: [SERVER] });
  });

  it("locks when nobody needs it and when asked, and opens by the passphrase alone", async () => {
    await using agent = await startAgent("--idle", "1s");
    await expect.poll(async () => (await statusOf(socketPath())).locked, { timeout: 30_000 }).toBe(true);
    await using other = await Home.make();
    const append = ["history", "append", join(other.path, "steps"), "--step", "checked", "--result", "passed"];
    expect(await through(other, append)).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("peerage agent unlock"),
    });
    const wrong = join(home.path, "wrong");
    await writeFile(wrong, "incorrect horse battery\n");
    expect((await home.call(["agent", "unlock", "--passphrase-file", wrong])).code).toBe(4);
    expect((await home.call(["agent", "unlock"])).code).toBe(4);
    expect((await status()).locked).toBe(true);
    const opened = await home.call(["agent", "unlock", "--passphrase-file", phrase, "--json"]);
    expect(opened.stdout + opened.stderr + agent.written()).not.toContain(PHRASE);
    expect(dataSchemas["agent unlock"]!.safeParse(await data(opened)).error).toBeUndefined();
    await agent.match(/unlocked/);
    await data(await home.call(["agent", "lock", "--json"]));
    expect((await status()).locked).toBe(true);
  });

  it("A-CLI-01 answers nobody, and nobody asks it, once others could reach its socket", async () => {
    await using _agent = await startAgent();
    const folder = dirname(socketPath());
    await chmod(folder, 0o755);
    const refused = await home.call(["agent", "status"]);
    expect(refused).toMatchObject({ code: 4, stderr: expect.stringContaining("open to others") });
    // Whoever asks all the same gets no signature.
    const socket = connect(socketPath());
    const said = new Promise<string>((done) => socket.setEncoding("utf8").once("data", (text: string) => done(text)));
    socket.write(`${JSON.stringify({ v: 1, op: "status" })}\n`);
    expect(JSON.parse(await said)).toMatchObject({ ok: false });
    socket.destroy();
    await chmod(folder, 0o700);
    expect((await status()).locked).toBe(false);
  });

  it("takes the place of one that was killed, not of one that runs, and its socket goes with it", async () => {
    {
      await using killed = await startAgent();
      killed.child.kill("SIGKILL");
    }
    expect((await stat(socketPath())).isSocket()).toBe(true);
    expect((await home.call(["agent", "status"])).code).toBe(7);
    {
      await using _agent = await startAgent();
      const second = await home.run(["agent", "--identity", "gate"]);
      expect(second).toMatchObject({ code: 2, stderr: expect.stringMatching(/runs\s+at/) });
      expect((await status()).did).toBe(await home.did("scout"));
      for (const line of ["", "{}", "[1]", "x".repeat(70_000)]) {
        const socket = connect(socketPath());
        const ended = new Promise<void>((done) =>
          socket
            .on("error", done)
            .on("data", () => done())
            .on("close", done),
        );
        socket.write(`${line}\n`);
        await ended;
        socket.destroy();
      }
      expect(await ask(socketPath(), { v: 1, op: "status" })).toMatchObject({ ok: true });
    }
    await expect(stat(socketPath())).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("is named in the settings as well, and a signature by it is the identity's own", async () => {
    await using _agent = await startAgent("--allow", "statements");
    await using other = await Home.make();
    expect((await other.call(["config", "set", "agent", "agent.sock"])).code).toBe(2);
    expect((await other.call(["config", "set", "agent", socketPath()])).code).toBe(0);
    const file = join(other.path, "notes.txt");
    await writeFile(file, "something to sign");
    const ran = await other.run(["sign", file]);
    expect(ran.code, ran.stderr).toBe(0);
    expect((await other.call(["verify", file])).code).toBe(0);
    const vouch = await issueVouch(await AgentSigner.open(socketPath()), {
      subject: SERVER,
      scope: ["tools"],
      confidence: 50,
    });
    expect((await verifyStatement(vouch.bytes)).issuer).toBe(await home.did("scout"));
  });

  it.skipIf(terminal === undefined)("asks on its terminal before each signature where --confirm says so", async () => {
    const shell = (text: string): string[] => ["-qefc", `stty cols 100 rows 40; ${text}`, "/dev/null"];
    const argv = `'${process.execPath}' '${BIN}' agent --identity scout --confirm --passphrase-file '${phrase}'`;
    // Without a terminal there is nobody to ask.
    const blind = await home.call(["agent", "--identity", "scout", "--confirm", "--passphrase-file", phrase]);
    expect(blind).toMatchObject({ code: 2, stderr: expect.stringContaining("a person at a terminal") });
    await using agent = startProcess(home, terminal!, shell(argv));
    await agent.match(/PEERAGE_AGENT_SOCK=\S+/);
    const signer = await AgentSigner.open(socketPath());
    for (const [step, answer] of [
      ["looked_at", "y"],
      ["thrown_away", "n"],
    ] as const) {
      const signed = signEntry(signer, { run: generateRun(), prev: [], step, result: "passed" });
      const settled = signed.then(
        () => "signed",
        (error: unknown) => (error as { code?: string }).code,
      );
      await agent.match(new RegExp(`Sign entries \\(${step} passed\\)`));
      agent.child.stdin!.write(answer);
      expect(await settled).toBe(answer === "y" ? "signed" : "ERR_POLICY_DENIED");
    }
    expect(await status()).toMatchObject({ signed: 1, refused: 1 });
  });

  it("is what doctor looks at where it is named, and what it says is down when it is", async () => {
    const looked = async (env: Record<string, string>): Promise<{ name: string; state: string }> => {
      const { stdout } = await home.call(["doctor", "--json", "--identity", "scout"], { env });
      return JSON.parse(stdout).data.checks.find(({ name }: { name: string }) => name === "agent" || name === "key");
    };
    const env = { PEERAGE_AGENT_SOCK: socketPath() };
    {
      await using _agent = await startAgent();
      expect(await looked(env)).toMatchObject({ name: "agent", state: "ok" });
      await home.call(["agent", "lock"]);
      expect(await looked(env)).toMatchObject({ name: "agent", state: "warn", fix: "peerage agent unlock" });
    }
    expect(await looked(env)).toMatchObject({ name: "agent", state: "problem", fix: "peerage agent" });
    expect(await looked({})).toMatchObject({ name: "key", state: "ok" });
  });

  it("says in one line of JSON what it does, and listens where the settings say", async () => {
    const socket = join(home.path, "elsewhere", "agent.sock");
    expect((await home.call(["config", "set", "agent", socket])).code).toBe(0);
    try {
      const argv = [BIN, "agent", "--identity", "gate", "--json", "--allow", "receipts", "--idle", "5m"];
      await using agent = startProcess(home, process.execPath, argv);
      await agent.match(/"command":"agent run".*\n/);
      const line = agent.written().trim();
      const started = await data({ code: 0, stdout: line, stderr: "" });
      expect(started).toMatchObject({ name: "gate", socket, sealed: false, kinds: ["receipts"], idle: 300 });
      expect((await status()).socket).toBe(socket);
    } finally {
      await home.call(["config", "set", "agent"]);
    }
  });
});
