import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { toBase64 } from "@peerage/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dataSchemas } from "../cli/src/schemas.ts";
import { bindingAudience } from "../mcp-middleware/src/spiffe/binding-token.ts";
import { signJws } from "../mcp-middleware/src/spiffe/jws.ts";
import { BIN, Home, type Ran, runProcess } from "./_cli.ts";
import { authority, identityOf, type Issued, leaf, newKey, pem } from "./_spiffe.ts";
import { TestAgent } from "./_workload-api.ts";

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
if (!hasOpenssl) console.warn("SKIPPED: openssl not on PATH, the steps of docs/spiffe.md not run");

const ECHO = fileURLToPath(new URL("./fixtures/modern-server.ts", import.meta.url));
const AGENT = "spiffe://a.test/ns/payments/sa/agent";
const GUARD = "spiffe://a.test/ns/payments/sa/guard";
const valid = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
const root = await authority("a.test", valid);
const stranger = await authority("b.test", valid);
const [agent, guard] = [await leaf(root, AGENT, valid), await leaf(root, GUARD, valid)];
const issuer = newKey();
const jwk = { ...issuer.publicKey.export({ format: "jwk" }), kid: "j", use: "jwt-svid" };

/** The SPIFFE bundle document of these authorities. */
function bundleText(sequence: number, ...authorities: readonly Issued[]): string {
  const keys = authorities.map(({ der, key }) => {
    return { ...key.publicKey.export({ format: "jwk" }), use: "x509-svid", x5c: [toBase64(der)] };
  });
  return JSON.stringify({ keys: sequence === 0 ? [] : [...keys, jwk], spiffe_sequence: sequence || 9 });
}

function keyPem({ key }: Issued): string {
  return String(key.privateKey.export({ format: "pem", type: "pkcs8" }));
}

const policy = `apiVersion: peerage.dev/v1
kind: Policy
allow:
  - { id: payments, tools: echo, spiffe: "spiffe://a.test/ns/payments/**" }
`;

describe("SPIFFE on the command line", () => {
  let home: Home;
  let at: (name: string) => string;
  let gate: string;
  beforeAll(async () => {
    home = await Home.make();
    at = (name) => join(home.path, name);
    const files = {
      "policy.yaml": policy,
      "a.json": bundleText(1, root),
      "agent.pem": pem(agent),
      "agent.key": keyPem(agent),
      "guard.pem": pem(guard) + keyPem(guard),
      "stranger.pem": await leaf(stranger, "spiffe://b.test/x", valid).then((one) => pem(one) + keyPem(one)),
      "spiffe.json": JSON.stringify({ trustDomains: { "a.test": { file: "a.json" } }, accept: ["token"], maxBundleAge: "24h" }), // prettier-ignore
    };
    await Promise.all(Object.entries(files).map(([name, text]) => writeFile(at(name), text)));
    for (const name of ["gate", "scout"]) expect((await home.call(["init", name])).code).toBe(0);
    gate = await home.did("gate");
  });
  afterAll(() => home[Symbol.asyncDispose]());

  const own = (): string[] => ["--spiffe", "--spiffe-svid", at("agent.pem"), "--spiffe-key", at("agent.key")];
  const env = (): Record<string, string | undefined> => ({
    ...Object.fromEntries(["DATA", "CONFIG", "STATE", "CACHE"].map((name) => [`XDG_${name}_HOME`, home.path])),
    PEERAGE_HOME: undefined,
  });
  const guardOf = (...more: string[]): string[] => [
    ...[BIN, "--identity", "gate", "guard", "--policy", at("policy.yaml"), "--refresh", "0.2"],
    ...["--spiffe-bundle", `a.test=${at("a.json")}`, ...more],
  ];
  const call = async (flags: readonly string[], ...server: string[]): Promise<string> => {
    const tool = server.length === 1 ? [...server, "echo"] : ["echo"];
    const rest = server.length === 1 ? [] : ["--", process.execPath, ...server];
    const argv = [
      "--identity",
      "scout",
      "call",
      ...tool,
      "--arg",
      "message=hi",
      "--json",
      ...flags,
      "--audience",
      gate,
      ...rest,
    ];
    const ran = await home.call(argv, { env: env() });
    const said = JSON.parse(ran.stdout || ran.stderr);
    return said.data?.admitted === true
      ? "admitted"
      : (said.data?.reason ?? said.data?.error?.code ?? said.error?.code ?? ran.stderr);
  };
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- each test knows the shape it asserts
  const asked = async (argv: readonly string[], options: { env?: Record<string, string> } = {}): Promise<any> => {
    const ran = await home.call([...argv, "--json"], options);
    expect(ran.code, ran.stdout + ran.stderr).toBe(0);
    return JSON.parse(ran.stdout).data;
  };
  const stdio = (...more: string[]): string[] => [
    ...guardOf(...more, "--quiet"),
    "--",
    process.execPath,
    ECHO,
    "stdio",
  ];

  it("A-SPIFFE-03 admits a caller by its bound SPIFFE ID, asks one without for it, and refuses an untrusted one", async () => {
    expect(await call(own(), ...stdio("--spiffe-require"))).toBe("admitted");
    const upstream = await recordingServer();
    const running = [[], ["--spiffe-config", at("spiffe.json")]].map((more) =>
      start(guardOf("--http", "0", "--upstream", upstream.url, ...more), home, env()),
    );
    try {
      const urls = await Promise.all(running.map((guard) => announced(guard, /connect +(http:\S+)/)));
      const foreign = ["--spiffe", "--spiffe-svid", at("stranger.pem")];
      expect(await call(own(), urls[0]!)).toBe("admitted");
      expect(await call([], urls[0]!)).toBe("ERR_SPIFFE_REQUIRED");
      expect(await call(foreign, urls[0]!)).toBe("ERR_SVID_INVALID");
      // By `token` only, says the file; a binding of another kind is one that does not count.
      expect(await call(own(), urls[1]!)).toBe("ERR_SPIFFE_REQUIRED");
    } finally {
      for (const guard of running) guard.kill("SIGINT");
      upstream.close();
    }
  });

  it("A-SPIFFE-01 serves mutual TLS, and refuses within one refresh once the bundle is emptied", async () => {
    const upstream = await recordingServer();
    const flags = ["--http", "0", "--upstream", upstream.url, "--spiffe-mtls", "--spiffe-svid", at("guard.pem")];
    const running = start(guardOf(...flags), home, env());
    try {
      const url = await announced(running, /connect +(https:\S+)/);
      const trust = ["--spiffe-bundle", `a.test=${at("a.json")}`];
      const tls = [...own(), ...trust, "--spiffe-server", GUARD];
      expect(await call(tls, url)).toBe("admitted");
      expect(await call([...own(), ...trust, "--spiffe-server", AGENT], url)).toBe("ERR_UPSTREAM_UNAVAILABLE");
      const seen = upstream.headers.length;
      const other = ["--spiffe", "--spiffe-svid", at("stranger.pem"), ...trust, "--spiffe-server", GUARD];
      expect(await call(other, url)).toBe("ERR_UPSTREAM_UNAVAILABLE");
      expect(await announced(running, /connection was refused \((\S+)\)/)).toBe("td-unknown");
      expect(upstream.headers.length).toBe(seen);
      await writeFile(at("a.json"), bundleText(0));
      // The caller must still know the guard: it keeps a copy of its own.
      await writeFile(at("mine.json"), bundleText(1, root));
      const mine = [...own(), "--spiffe-bundle", `a.test=${at("mine.json")}`, "--spiffe-server", GUARD];
      let answer = "admitted";
      while (answer === "admitted") answer = await call(mine, url);
      expect(answer).toBe("ERR_UPSTREAM_UNAVAILABLE");
    } finally {
      await writeFile(at("a.json"), bundleText(10, root));
      running.kill("SIGINT");
      upstream.close();
    }
    rmSync(at("peerage/spiffe-sequences.json"), { force: true });
  });

  it("shows the server behind it a JWT-SVID instead of the client's token, and binds through the Workload API", async () => {
    await using api = await TestAgent.start();
    api.setX509([identityOf(guard)], { "a.test": [root.der] });
    const exp = Math.floor(Date.now() / 1000) + 600;
    api.jwtSvid = (aud) => [{ spiffe_id: GUARD, svid: signJws({ alg: "ES256", kid: "j" }, { sub: GUARD, aud: [...aud], exp }, issuer.privateKey), hint: "" }]; // prettier-ignore
    const upstream = await recordingServer();
    const flags = ["--http", "0", "--upstream", upstream.url, "--spiffe-socket", api.address];
    const tokens = ["--upstream-jwt-svid", "echo.a.test", "--upstream-wpt"];
    const cnf = { jwk: { ...issuer.publicKey.export({ format: "jwk" }), alg: "ES256" } };
    const wit = signJws({ alg: "ES256", kid: "j", typ: "wit+jwt" }, { sub: GUARD, exp, cnf }, issuer.privateKey);
    const wit_svid_key = JSON.stringify(issuer.privateKey.export({ format: "jwk" }));
    api.set("FetchWITSVID", { svids: [{ spiffe_id: GUARD, wit_svid: wit, wit_svid_key, hint: "" }] });
    const running = start(guardOf(...flags, ...tokens), home, env());
    try {
      const url = await announced(running, /connect +(http:\S+)/);
      let answer = "";
      // The WIT comes by a stream of its own, perhaps a moment after the guard is there: until then nothing goes on.
      while (answer !== "admitted") {
        answer = await call([...own(), "--header", "Authorization: Bearer mine"], url);
        expect(["admitted", "ERR_UPSTREAM_UNAVAILABLE"]).toContain(answer);
      }
      expect(upstream.headers.at(-1)).toMatchObject({
        "workload-identity-token": wit,
        "workload-proof-token": expect.stringMatching(/^eyJ/) as unknown,
      });
      const shown = upstream.headers.map(({ authorization = "" }) => authorization.replace("Bearer ", ""));
      expect(new Set(shown).has("mine")).toBe(false);
      await writeFile(at("shown.jwt"), shown.at(-1)!);
      const verify = ["spiffe", "verify", at("shown.jwt"), "--spiffe-bundle", `a.test=${at("a.json")}`];
      expect(await asked([...verify, "--audience", "echo.a.test"])).toMatchObject({ valid: true, spiffeId: GUARD });
      expect((await home.call([...verify, "--audience", "another"])).code).toBe(6);
      // The agent's side, by the socket of the environment.
      api.setX509([identityOf(agent)], { "a.test": [root.der] });
      api.set("FetchWITSVID", { svids: [] });
      const socket = { SPIFFE_ENDPOINT_SOCKET: api.address };
      const shows = await asked(["spiffe", "show", "--spiffe-bundle", "a.test"], { env: socket });
      expect(dataSchemas["spiffe show"]!.safeParse(shows).error).toBeUndefined();
      const { checks } = JSON.parse((await home.call(["doctor", "--json"], { env: socket })).stdout).data;
      expect(checks).toContainEqual({ name: "spiffe", state: "ok", text: expect.stringContaining(AGENT) as unknown });
      expect(shows).toMatchObject({ identities: [{ spiffeId: AGENT }], trustDomains: [{ x509Authorities: 1 }] });
    } finally {
      running.kill("SIGINT");
      upstream.close();
    }
  });

  it("writes a binding that anybody verifies, into a private file, and prints nothing of it", async () => {
    const bind = ["--identity", "scout", "spiffe", "bind", ...own().slice(1), "--out", at("binding.json"), "--json"];
    const ran = await home.call(bind);
    expect(ran.code, ran.stderr).toBe(0);
    const { data } = JSON.parse(ran.stdout);
    expect(dataSchemas["spiffe bind"]!.safeParse(data).error).toBeUndefined();
    expect(data).toMatchObject({ proof: "mutual", spiffeId: AGENT });
    expect(ran.stdout).not.toMatch(/(?:\b|\\n)(?:eyJ|MII)|-----BEGIN/);
    expect(statSync(at("binding.json")).mode & 0o777).toBe(0o600);
    const verify = ["spiffe", "verify", at("binding.json"), "--spiffe-bundle", `a.test=${at("a.json")}`];
    const fine = await asked(verify);
    expect(dataSchemas["spiffe verify"]!.safeParse(fine).error).toBeUndefined();
    expect(fine).toMatchObject({ valid: true, kind: "binding", did: data.did, proof: "mutual", spiffeId: AGENT });
    const binding = JSON.parse(readFileSync(at("binding.json"), "utf8")) as Record<string, string>;
    await writeFile(at("bent.json"), JSON.stringify({ ...binding, did: binding["did"]!.replace(/^(.{60})./, "$1-") }));
    const bent = await home.call([...verify.slice(0, 2), at("bent.json"), ...verify.slice(3), "--json"]);
    expect([bent.code, JSON.parse(bent.stdout).data.valid]).toEqual([6, false]);
    const chain = await asked(["spiffe", "verify", at("agent.pem"), ...verify.slice(3)]);
    expect(chain).toMatchObject({ valid: true, kind: "x509-svid", spiffeId: AGENT });
    const unknown = await home.call(["spiffe", "verify", at("stranger.pem"), ...verify.slice(3), "--json"]);
    expect(JSON.parse(unknown.stdout).data).toMatchObject({
      valid: false,
      code: "ERR_SVID_INVALID",
      detail: "td-unknown",
    });
    expect(bindingAudience(data.did)).toContain(data.did);
  });

  it.skipIf(!hasOpenssl)("does what the steps of docs/spiffe.md say, with openssl as the authority", async () => {
    await using fresh = await Home.make();
    const document = readFileSync(fileURLToPath(new URL("../docs/spiffe.md", import.meta.url)), "utf8");
    const steps = /To try it without SPIRE[\s\S]*?```sh\n([\s\S]*?)```/.exec(document)?.[1] ?? "";
    expect(steps).toContain("--spiffe-bundle try.example=ca.pem");
    const shims = join(fresh.path, "bin");
    mkdirSync(shims);
    const shim = (name: string, ...command: string[]): void => {
      const words = command.map((word) => `'${word}'`).join(" ");
      writeFileSync(join(shims, name), `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
    };
    shim("peerage", process.execPath, BIN);
    // The package is here already; npx would look for it elsewhere first.
    shim("npx", process.execPath, ECHO, "stdio");
    // By other names, so that they reach what the guard wraps: PEERAGE_HOME stays with this process.
    const environment: Record<string, string | undefined> = {
      ...env(),
      HOME: fresh.path,
      PATH: `${shims}:${process.env["PATH"] ?? ""}`,
    };
    for (const name of ["DATA", "CONFIG", "STATE", "CACHE"]) environment[`XDG_${name}_HOME`] = fresh.path;
    const script = (text: string): Promise<Ran> =>
      runProcess("/bin/sh", ["-e", "-c", text], { cwd: fresh.path, env: environment });
    const ran = await script(steps);
    expect(ran.code, ran.stdout + ran.stderr).toBe(0);
    expect(ran.stdout).toContain("Echo: hello");
    const last = steps.slice(steps.lastIndexOf("peerage --identity agent call"));
    const without = await script(last.replace("--spiffe --spiffe-svid agent.pem --spiffe-key agent.key", ""));
    expect(without.code).toBe(3);
    expect(without.stdout + without.stderr).toContain("ERR_SPIFFE_REQUIRED");
  });

  it("says what is missing", async () => {
    const runs = await Promise.all([
      home.call(["guard", "--policy", at("policy.yaml"), "--spiffe-require", "--", "true"]),
      home.call(["guard", "--policy", at("policy.yaml"), "--spiffe-mtls", "--", "true"]),
      home.call(["guard", "--policy", at("policy.yaml"), "--spiffe-bundle", "A.test=x", "--", "true"]),
      home.call(["spiffe", "bind", "--spiffe-svid", at("agent.pem")]),
      home.call(["spiffe", "show"]),
      home.call(["spiffe", "verify", at("nothing.pem"), "--spiffe-bundle", `a.test=${at("a.json")}`]),
    ]);
    expect(runs.map(({ code }) => code)).toEqual([2, 2, 2, 2, 2, 5]);
  });
});

function start(argv: readonly string[], home: Home, env: Record<string, string | undefined>): ChildProcess {
  const base = { PATH: process.env["PATH"], LANG: "C.UTF-8", HOME: home.path };
  return spawn(process.execPath, argv, { cwd: home.path, env: { ...base, ...env }, stdio: ["ignore", "pipe", "pipe"] });
}

const heard = new WeakMap<ChildProcess, { text: string }>();

/** Waits for something on a process's stderr. */
async function announced(child: ChildProcess, pattern: RegExp): Promise<string> {
  const state = heard.get(child) ?? { text: "" };
  if (!heard.has(child)) {
    heard.set(child, state);
    child.stderr!.setEncoding("utf8").on("data", (chunk: string) => (state.text += chunk));
  }
  for (;;) {
    const match = pattern.exec(state.text);
    if (match) return match[1]!;
    if (child.exitCode !== null) throw new Error(`it ended: ${state.text}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** An MCP server that says hello, echoes, and keeps the headers of the messages that reached it. */
async function recordingServer(): Promise<{ url: string; headers: IncomingHttpHeaders[]; close: () => void }> {
  const headers: IncomingHttpHeaders[] = [];
  const server = createServer((request, response) => {
    // The stream that a client opens beside its messages comes when it comes.
    if (request.method === "POST") headers.push(request.headers);
    let text = "";
    request.on("data", (chunk: Buffer) => (text += chunk.toString()));
    request.on("end", () => {
      const { id, method } = text === "" ? {} : (JSON.parse(text) as { id?: number; method?: string });
      if (id === undefined) {
        response.writeHead(text === "" ? 405 : 202).end();
        return;
      }
      const hello = { protocolVersion: "2025-11-25", capabilities: {}, serverInfo: { name: "echo", version: "1" } };
      const result = method === "initialize" ? hello : { content: [{ type: "text", text: "hi" }] };
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ jsonrpc: "2.0", id, result }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${String(port)}/mcp`, headers, close };
}
