import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { CALL_META, type Identity, type JsonObject, signCall } from "@peerage/core";
import "./_reflect.ts";
import * as x509 from "@peculiar/x509";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BIN, Home } from "./_cli.ts";
import { type Answer, bridged, openPolicy, party, rawServer, StdioPeer } from "./_mcp.ts";

const nobody = 'apiVersion: peerage.dev/v1\nkind: Policy\nallow:\n  - { tools: never, agents: "*" }\n';
const alice = party();
let home: Home;
const at = (name: string): string => join(home.path, name);

beforeAll(async () => {
  home = await Home.make();
  writeFileSync(at("nobody.yaml"), nobody);
  writeFileSync(at("open.yaml"), JSON.stringify(openPolicy));
  await home.ok(["init", "gate", "--no-input"]);
});
afterAll(() => home[Symbol.asyncDispose]());

/** The environment of a guard, where `PEERAGE_*` would not reach it: it is started by another program. */
const env = (more: Record<string, string> = {}): Record<string, string> => ({
  PATH: process.env["PATH"] ?? "",
  HOME: home.path,
  ...Object.fromEntries(["DATA", "CONFIG", "STATE", "CACHE"].map((name) => [`XDG_${name}_HOME`, home.path])),
  ...more,
});

const guard = (...more: string[]): [string, ...string[]] => [process.execPath, BIN, "guard", ...more];

/** A guard over HTTP, as a process of its own. */
async function serve(more: readonly string[], variables: Record<string, string> = {}) {
  const [command, ...args] = guard("--http", "0", ...more);
  const child: ChildProcess = spawn(command, args, {
    cwd: home.path,
    env: env(variables),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = new Promise((resolve) => child.once("close", resolve));
  let text = "";
  child.stdout!.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr!.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const found = /connect +(https?:\S+)/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once("close", () => reject(new Error(`the guard ended: ${text}`)));
  });
  return {
    url,
    said: () => text,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await closed;
    },
  };
}

let lastId = 0;

async function post(url: string, who: Identity, name: string, ca?: string): Promise<Answer> {
  const params: JsonObject = { name, arguments: {} };
  const token = await signCall(who, { audience: url, message: { method: "tools/call", params } });
  const meta: JsonObject = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": { name: "t", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": {},
    [CALL_META]: token,
  };
  const message = { jsonrpc: "2.0", id: ++lastId, method: "tools/call", params: { ...params, _meta: meta } };
  const headers = { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": name };
  return new Promise((resolve, reject) => {
    const take = (response: IncomingMessage): void => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve(JSON.parse(text)));
    };
    const options = { method: "POST", agent: false as const, headers: { ...headers, authorization: "Bearer mine" } };
    const outgoing = ca === undefined ? httpRequest(url, options, take) : httpsRequest(url, { ...options, ca }, take);
    outgoing.on("error", reject);
    outgoing.end(JSON.stringify(message));
  });
}

describe("a guard that only watches", () => {
  it("in shadow refuses nothing, and records what it would have refused", async () => {
    await using peer = new StdioPeer(
      guard(
        "--policy",
        at("nobody.yaml"),
        "--audit",
        at("shadow.db"),
        "--mode",
        "shadow",
        "--until",
        "7d",
        "--",
        ...rawServer,
      ),
      env(),
    );
    await peer.initialize();
    const answer = await peer.call("received", { secret: 1 });
    expect(JSON.parse(answer.result.content[0].text)).toEqual({ name: "received", arguments: { secret: 1 } });
    expect(peer.stderr).toContain("nothing is refused until");
    const listed = await home.ok(["calls", "--json", "--audit", at("shadow.db")]);
    expect(listed).toContain("ERR_PROOF_MISSING");
    expect(await home.ok(["calls", "--audit", at("shadow.db")])).toMatch(/! shadow .* executed/s);
  });

  it("A-POL-10 does not start without an end, or with one further than 30 days away", async () => {
    for (const more of [[], ["--until", "31d"], ["--until", "2020-01-01"]]) {
      const ran = await home.run(["guard", "--policy", at("nobody.yaml"), "--mode", "shadow", ...more, "--", "true"]);
      expect([more, ran.code, ran.stdout]).toEqual([more, 2, ""]);
      expect(ran.stderr).toContain("--until");
    }
  });

  it("recommends the policy that the calls needed, under which a guard that enforces admits them", async () => {
    const call = async (flags: readonly string[]): Promise<Answer> => {
      // What it recommends it writes as it leaves, however busy the machine is.
      const inner = guard(...flags, "--", ...rawServer);
      await using peer = new StdioPeer(bridged(alice, inner, { graceMs: 60_000 }), env());
      await peer.initialize();
      return await peer.call("echo", { a: 1 });
    };
    const file = at("recommended.yaml");
    const watching = ["--policy", at("nobody.yaml"), "--mode", "recommend", "--until", "1d", "--recommend-to", file];
    const state = ["--state", at("recommend-state")];
    expect((await call([...watching, ...state])).result.content).toBeDefined();
    const policy = readFileSync(file, "utf8");
    expect(policy).toContain(alice.identity.did);
    expect(policy).toContain("echo");
    const enforcing = await call(["--policy", file, ...state]);
    expect(enforcing.result.isError).not.toBe(true);
    expect(enforcing.result._meta["dev.peerage/receipt"]).toMatch(/^ey/);
    const refused = await call(["--policy", at("nobody.yaml"), ...state]);
    expect(refused.result.isError).toBe(true);
  });
});

describe("a guard over HTTP", () => {
  it("ends TLS, gives the server its own credentials from a file, and shows them to nobody", async () => {
    const seen: IncomingMessage["headers"][] = [];
    const upstream = createServer((incoming, response) => {
      seen.push(incoming.headers);
      let body = "";
      incoming.on("data", (chunk: Buffer) => (body += chunk.toString()));
      incoming.on("end", () => {
        const { id } = JSON.parse(body) as JsonObject;
        response.writeHead(200, { "content-type": "application/json" });
        response.end(JSON.stringify({ jsonrpc: "2.0", id, result: { content: [], resultType: "complete" } }));
      });
    });
    await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    const ca = await selfSigned();
    writeFileSync(at("token"), "first-secret\n", { mode: 0o600 });
    writeFileSync(
      at("hooks.mjs"),
      "export const before = ({ tool, caller }) => (tool === 'forbidden' && caller.did ? { refuse: 'no' } : undefined);\n",
    );
    const flags = [
      ...[
        "--policy",
        at("open.yaml"),
        "--upstream",
        `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/mcp`,
      ],
      ...["--tls-cert", at("cert.pem"), "--tls-key", at("key.pem"), "--hooks", at("hooks.mjs")],
      ...["--upstream-header", `Authorization: Bearer \${file:${at("token")}}`],
      ...["--upstream-header", "X-Api-Key: ${env:UPSTREAM_KEY}"],
    ];
    await using server = await serve(flags, { UPSTREAM_KEY: "second-secret" });
    expect(server.url).toMatch(/^https:/);
    const first = await post(server.url, alice.identity, "echo", ca);
    expect(first.result._meta["dev.peerage/receipt"]).toMatch(/^ey/);
    writeFileSync(at("token"), "rotated-secret\n", { mode: 0o600 });
    const refused = await post(server.url, alice.identity, "forbidden", ca);
    expect(refused.result.isError).toBe(true);
    const second = await post(server.url, alice.identity, "echo", ca);
    expect(seen.map((headers) => [headers.authorization, headers["x-api-key"]])).toEqual([
      ["Bearer first-secret", "second-secret"],
      ["Bearer rotated-secret", "second-secret"],
    ]);
    const shown = JSON.stringify([first, second, refused]) + server.said();
    expect(shown).not.toMatch(/first-secret|second-secret|rotated-secret/);
    upstream.closeAllConnections();
    upstream.close();
  });

  it("never takes a credential from the command line, nor a reference that leads nowhere", async () => {
    const tries: readonly (readonly string[])[] = [
      ["--upstream-header", "Authorization: Bearer abc"],
      ["--upstream-header", "Authorization: ${env:NOT_THERE}"],
      ["--upstream-header", `X-Key: \${file:${at("none")}}`],
      ["--upstream-header", "Mcp-Session-Id: ${env:PATH}"],
      ["--tls-cert", at("nobody.yaml")],
    ];
    for (const flags of tries) {
      const more = ["--policy", at("open.yaml"), "--upstream", "http://127.0.0.1:9/mcp", ...flags];
      const ran = await home.run(["guard", "--http", "0", ...more]);
      expect([flags, ran.code === 2 || ran.code === 4 || ran.code === 5, ran.stderr.includes("connect ")]).toEqual([
        flags,
        true,
        false,
      ]);
    }
  });

  it("stands before a command, whose secrets come from a file, and gives up on a call that takes too long", async () => {
    writeFileSync(at("key"), "child-secret", { mode: 0o600 });
    const flags = [
      "--policy",
      at("open.yaml"),
      "--call-timeout",
      "1",
      "--child-env",
      `PEER_TEST_KEY=\${file:${at("key")}}`,
    ];
    const child = [process.execPath, "-e", childServer];
    await using server = await serve([...flags, "--", ...child]);
    // On a busy machine the child itself may take longer than a call may.
    const key = async (): Promise<string> => (await post(server.url, alice.identity, "key")).result.content[0].text;
    await expect.poll(key, { timeout: 60_000 }).toBe("12");
    const late = await post(server.url, alice.identity, "hang");
    expect(late.error.data.reason).toBe("ERR_UPSTREAM_UNAVAILABLE");
    expect(late.error.message).toContain("within 1 s");
    const cancelled = async (): Promise<string> =>
      (await post(server.url, alice.identity, "cancelled")).result.content[0].text;
    await expect.poll(cancelled, { timeout: 60_000 }).toBe("1");
    expect(server.said()).not.toContain("child-secret");
  });
});

/** Tells how long its key is, never answers `hang`, and counts the cancellations of that. */
const childServer = `
  let cancelled = 0;
  let hung;
  require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
    const { id, method, params } = JSON.parse(line);
    if (method === "notifications/cancelled" && params.requestId === hung) cancelled++;
    if (params?.name === "hang") hung = id;
    if (id === undefined || params?.name === "hang") return;
    const text = params?.name === "key" ? String(process.env.PEER_TEST_KEY.length) : String(cancelled);
    const result = { content: [{ type: "text", text }], resultType: "complete" };
    process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\\n");
  });`;

/** Writes `cert.pem` and `key.pem` for 127.0.0.1. @returns the certificate, which is its own authority */
async function selfSigned(): Promise<string> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  x509.cryptoProvider.set(crypto as never);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=guard",
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 3_600_000),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.SubjectAlternativeNameExtension([{ type: "ip", value: "127.0.0.1" }]),
    ],
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  writeFileSync(at("key.pem"), `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`, { mode: 0o600 });
  writeFileSync(at("cert.pem"), certificate.toString("pem"));
  return certificate.toString("pem");
}
