import { type ChildProcess, spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  canonicalize,
  digest,
  forkEvidence,
  generateIdentity,
  issueProfile,
  issueReport,
  type JsonObject,
  noteSignerFromSeed,
  signCheckpoint,
  verifyCheckpoint,
} from "@peerage/core";
import { BIN, Home, openTestRegistry } from "./_cli.ts";

/** A busy machine takes its time. */
const patient = { timeout: 60_000 };

/** A `peerage` that goes on running, with all that it says. */
interface Running extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly url: string;
  readonly said: () => string;
  readonly ended: Promise<number | null>;
}

async function start(home: Home, ...argv: readonly string[]): Promise<Running> {
  const child = spawn(process.execPath, [BIN, ...argv], {
    cwd: home.path,
    env: { PATH: process.env["PATH"], LANG: "C.UTF-8", PEERAGE_HOME: join(home.path, "peerage") },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (said += text));
  const address = (): string | undefined => /http:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0];
  await Promise.race([expect.poll(address, { ...patient, interval: 20 }).toBeDefined(), ended]);
  return {
    child,
    url: address() ?? "",
    said: () => said,
    ended,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

const serve = (home: Home, ...more: readonly string[]): Promise<Running> =>
  start(home, "registry", "serve", "--listen", "0", "--data", "registry", ...more);
const post = async (url: string): Promise<Response> =>
  fetch(`${url}/v1/statements`, {
    method: "POST",
    body: Buffer.from((await issueProfile(generateIdentity(), { role: "agent" })).bytes),
  });

describe("peerage registry serve", () => {
  let home: Home;
  beforeAll(async () => {
    home = await Home.make();
  });
  afterAll(() => home[Symbol.asyncDispose]());

  it("A-LOG-07 ends with 1 and a line that says why once another process has taken over its database", async () => {
    await using first = await serve(home);
    expect((await post(first.url)).status).toBe(201);
    await using second = await serve(home);
    expect((await post(second.url)).status).toBe(201);
    await post(first.url).then(
      (response) => expect(response.status).not.toBe(201),
      () => undefined,
    );
    expect(await first.ended).toBe(1);
    expect(first.said()).toMatch(/the registry stops: another process has opened this log for writing/);
    expect(first.said()).not.toMatch(/\n\s+at /);
    expect((await post(second.url)).status).toBe(201);
    second.child.kill("SIGTERM");
    expect(await second.ended).toBe(0);
  });

  it("logs JSON lines alone when asked, and tells when it stops", async () => {
    await using registry = await serve(home, "--log", "json");
    expect((await post(registry.url)).status).toBe(201);
    registry.child.kill("SIGTERM");
    expect(await registry.ended).toBe(0);
    const lines = registry.said().trimEnd().split("\n");
    const events = lines.map((line) => JSON.parse(line) as { msg: string; level: string });
    expect(events[0]).toMatchObject({ level: "info", msg: "registry started", address: registry.url });
    expect(events.at(-1)).toMatchObject({ msg: "registry stops in order", signal: "SIGTERM" });
    expect(events).toContainEqual(expect.objectContaining({ msg: "answered", route: "/v1/statements", status: 201 }));
  });

  it("A-RATE-03 says when it cannot tell addresses apart, and counts those that a named proxy reports", async () => {
    const named = ["--public-url", "https://registry.example", "--data", "named"];
    {
      await using blind = await serve(home, ...named);
      await expect.poll(blind.said, patient).toMatch(/nothing is limited by address: name the proxy/);
      const about = await (await fetch(`${blind.url}/.well-known/peerage-registry.json`)).json();
      expect(about).toMatchObject({ limits: { mode: "public", byAddress: false, writesPerMinute: null } });
    }
    await using seeing = await serve(home, ...named, "--behind-proxy", "127.0.0.1");
    expect(seeing.said()).not.toMatch(/name the proxy/);
    const statuses = [];
    for (let i = 0; i < 61; i++) {
      const response = await fetch(`${seeing.url}/v1/statements`, {
        method: "POST",
        body: "{}",
        headers: { "x-forwarded-for": "203.0.113.5" },
      });
      statuses.push(response.status);
      await response.text();
    }
    // The minute may have turned in between.
    expect(statuses.filter((status) => status === 422).length).toBeGreaterThanOrEqual(60 - 1);
    const other = await fetch(`${seeing.url}/v1/statements`, {
      method: "POST",
      body: "{}",
      headers: { "x-forwarded-for": "198.51.100.5" },
    });
    expect(other.status).toBe(422);
    expect(other.headers.get("ratelimit-policy")).toBe('"writes";q=60;w=60');
  });

  it("shows agents on its pages by the names in their notes, and no longer once a note is erased", async () => {
    await using registry = await serve(home, "--data", "names");
    await home.ok(["init", "amber-heron", "--registry", registry.url]);
    const did = await home.did("amber-heron");
    const page = async (): Promise<string> => (await fetch(`${registry.url}/a/${did}`)).text();
    await expect.poll(page, patient).toContain("amber-heron");
    const agent = (await (await fetch(`${registry.url}/v1/agents/${did}`)).json()) as {
      profile: { noteDigest: string };
    };
    const { noteDigest } = agent.profile;
    await home.ok(["note", "erase", noteDigest, "--yes", "--registry", registry.url, "--identity", "amber-heron"]);
    expect(await page()).not.toContain("amber-heron");
  });

  it("refuses options that cannot be meant, with 2", async () => {
    for (const argv of [
      ["--log", "xml"],
      ["--log-level", "debug"],
      ["--behind-proxy", "proxy.example"],
      ["--database", "mysql://host/db"],
      ["--database", "postgres://user:secret@host/db"],
    ]) {
      const ran = await home.call(["registry", "serve", "--listen", "0", "--data", "refused", ...argv]);
      expect(ran, argv.join(" ")).toMatchObject({ code: 2, stdout: "" });
      expect(ran.stderr).not.toContain("secret");
    }
    rmSync(join(home.path, "refused"), { recursive: true, force: true });
  });
});

describe("peerage log report", () => {
  let home: Home;
  let registry: Awaited<ReturnType<typeof openTestRegistry>>;
  beforeAll(async () => {
    [home, registry] = await Promise.all([Home.make(), openTestRegistry()]);
    await home.ok(["init", "watcher", "--registry", registry.url]);
  });
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    await home[Symbol.asyncDispose]();
  });

  it("A-LOG-02 shows the proof of a fork to another registry, which keeps it and logs the report", async () => {
    const log = noteSignerFromSeed("forked.example", 1, new Uint8Array(32).fill(7));
    const witness = noteSignerFromSeed("forked.example/witness", 4, new Uint8Array(32).fill(8));
    const heads = await Promise.all(
      [1, 2].map(async (n) => {
        const note = await signCheckpoint(
          { origin: "forked.example", size: 5, root: new Uint8Array(32).fill(n) },
          { log, witness, now: new Date() },
        );
        return verifyCheckpoint(note, { origin: "forked.example", logKey: log.key });
      }),
    );
    const evidence = await forkEvidence([heads[0]!, heads[1]!], log.key);
    const file = join(home.path, "fork.json");
    writeFileSync(file, JSON.stringify(evidence));
    const reported = await home.data(["log", "report", file]);
    expect(reported).toMatchObject({ origin: "forked.example", category: "log-fork" });
    const forks = await (await fetch(`${registry.url}/v1/forks`)).json();
    expect(forks).toMatchObject({ forks: [{ type: "ForkEvidence", origin: "forked.example" }] });
    expect(await home.data(["show", reported.id])).toMatchObject({ kind: "Report" });
    writeFileSync(file, JSON.stringify({ ...evidence, b: evidence.a }));
    expect((await home.run(["log", "report", file])).code).toBe(6);
    writeFileSync(file, "nothing");
    expect((await home.run(["log", "report", file])).code).toBe(6);
    expect((await home.run(["log", "report", "missing.json"])).code).toBe(5);
  });

  it("A-RATE-05 keeps no more than enough evidence about one log, and what it has it knows", async () => {
    const log = noteSignerFromSeed("many.example", 1, new Uint8Array(32).fill(9));
    const witness = noteSignerFromSeed("many.example/witness", 4, new Uint8Array(32).fill(8));
    const head = async (n: number) => {
      const checkpoint = { origin: "many.example", size: 5, root: new Uint8Array(32).fill(n) };
      const note = await signCheckpoint(checkpoint, { log, witness, now: new Date() });
      return verifyCheckpoint(note, { origin: "many.example", logKey: log.key });
    };
    const first = await head(0);
    const post = async (n: number): Promise<number> => {
      const body = JSON.stringify(await forkEvidence([first, await head(n)], log.key));
      return (await fetch(`${registry.url}/v1/forks`, { method: "POST", body })).status;
    };
    const statuses = [];
    for (let n = 1; n <= 18; n++) statuses.push(await post(n));
    expect(statuses).toEqual([...Array.from({ length: 16 }, () => 200), 503, 503]);
  });

  it("A-LOG-06 reports a log that has ended with its last head, and no log without evidence of it", async () => {
    const ended = await openTestRegistry();
    const me = generateIdentity();
    const { index } = await ended.registry.submit((await issueProfile(me, { role: "agent" })).bytes);
    expect(await ended.registry.published(index)).toBe(true);
    const reported = await home.data(["log", "report", ended.url]);
    expect(reported).toMatchObject({ origin: ended.registry.origin, category: "log-ended" });
    const { note } = await ended.registry.reader.checkpoint();
    await ended[Symbol.asyncDispose]();
    const other = { type: "LogEnd", origin: "x", vkey: "y", checkpoint: note } as JsonObject;
    const unknown = await issueReport(me, {
      subject: generateIdentity().did,
      category: "log-ended",
      evidence: [digest(other)],
    });
    await expect(registry.registry.submit(unknown.bytes)).rejects.toMatchObject({ code: "ERR_STATEMENT_INVALID" });
    const crossed = await issueReport(me, {
      subject: generateIdentity().did,
      category: "log-fork",
      evidence: [reported.evidence],
    });
    await expect(registry.registry.submit(crossed.bytes)).rejects.toMatchObject({ code: "ERR_STATEMENT_INVALID" });
    const refused = await fetch(`${registry.url}/v1/forks`, { method: "POST", body: canonicalize(other) });
    expect(refused.status).toBe(400);
  });
});
