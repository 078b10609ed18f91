import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { issueVouch, generateIdentity, utf8 } from "@peerage/core";
import { main } from "../cli/src/main.ts";
import { startHttpGuard } from "../mcp-middleware/src/proxy/index.ts";
import { fileTargets } from "./_fuzz-files.ts";
import { logTargets } from "./_fuzz-log.ts";
import { proofTargets } from "./_fuzz-proofs.ts";
import type { Target } from "./_fuzz.ts";
import { mutateBytes } from "./_fuzz-mutations.ts";
import type { Random } from "./_fuzz-random.ts";
import { scene, signedEcho } from "./_guard.ts";
import { startRegistry } from "./_registry.ts";

interface Live {
  readonly url: string;
}

/** Both live as long as the file of the tests. */
let registry: Promise<Live> | undefined;
let guarded: Promise<Live> | undefined;

async function startGuard(): Promise<Live> {
  const upstream = createServer((request, response) => {
    request.resume().on("end", () => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end('{"jsonrpc":"2.0","id":1,"result":{}}');
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  upstream.unref();
  const { port } = upstream.address() as AddressInfo;
  return startHttpGuard({ guard: scene().guard, upstream: `http://127.0.0.1:${port}/mcp`, log: () => undefined });
}

/** Sends bytes and reads the first of the answer; a server that answers 500 has failed. */
async function exchanged(live: Promise<Live>, bytes: Uint8Array): Promise<void> {
  const { hostname, port } = new URL((await live).url);
  const answer = await new Promise<string>((resolve, reject) => {
    let text = "";
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true }, () => socket.end(bytes));
    // A stream of events goes on for ever: its beginning is an answer.
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      text += chunk;
      if (text.includes("\r\n\r\n")) socket.destroy();
    });
    // A request that is cut off has no answer; its end is a closed connection.
    const late = setTimeout(() => reject(new Error("there is no answer, and the connection stays open")), 20_000);
    socket.on("error", () => undefined);
    socket.once("close", () => {
      clearTimeout(late);
      resolve(text);
    });
  });
  if (/^HTTP\/1\.1 500/.test(answer)) throw new Error(`the server failed: ${answer}`);
  if (answer !== "" && !answer.startsWith("HTTP/1.1 ")) throw new Error(`no HTTP: ${answer.slice(0, 100)}`);
}

const PATHS = [
  "/",
  "/agents",
  "/a/did:key:z6Mk",
  "/explain?to=x",
  "/map",
  "/feed",
  "/feed.sse?after=0",
  "/log/0",
  "/v/sha256:00",
  "/checkpoint",
];
const API = [
  "/v1/statements",
  "/v1/score?to=x",
  "/v1/agents/x",
  "/v1/consistency?from=0&to=1",
  "/tile/0/000.p/1",
  "/tile/entries/000",
  "/v1/notes/x",
  "/witness/add-checkpoint",
  "/v1/forks",
  "/mcp",
  "/.well-known/peerage-registry.json",
  "/1.0/identifiers/x",
  "/scopes/x.svg",
  "/metrics",
  "/v1/feed.sse",
];
const HEADERS = [
  "accept: text/html",
  "accept: text/event-stream",
  "content-type: application/json",
  "last-event-id: -1",
  "prefer: wait=0",
  "mcp-session-id: x",
  "mcp-method: tools/call",
  "mcp-protocol-version: 2025-11-25",
  "range: bytes=0-1",
  "if-none-match: *",
  "authorization: Peerage a.b.c",
  "signature: sig=:AAEC:",
  'signature-input: sig=("@method");created=1',
  "content-encoding: gzip",
  "origin: http://evil.test",
  "expect: 100-continue",
  "transfer-encoding: chunked",
  "upgrade: h2c",
  "cookie: a=b",
  "x-forwarded-for: 1.2.3.4",
];

/** A request with a body of the right length, whose every part may be changed. */
function anyRequest(
  bodies: readonly (string | Uint8Array)[],
  paths: readonly string[],
): (random: Random) => Uint8Array {
  return (random) => {
    const method = random.pick(["GET", "GET", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]);
    const body = method === "GET" ? "" : random.pick(bodies);
    const bytes = typeof body === "string" ? utf8(body) : body;
    const changed = random.oneIn(2) ? mutateBytes(bytes, random, [bytes]) : bytes;
    const path =
      random.pick(paths) +
      (random.oneIn(4)
        ? random.pick(["?scope=", "%00", "/..", ".json", ".txt", ".svg", "?at=-1", "#", "%ff", "?from=9e9"])
        : "");
    const lines = [
      `${method} ${path} HTTP/1.1`,
      "host: 127.0.0.1",
      "content-type: application/json",
      ...(changed.length > 0 ? [`content-length: ${changed.length}`] : []),
    ];
    for (let i = random.below(4); i > 0; i--) lines.push(random.pick(HEADERS));
    const head = utf8(`${lines.join("\r\n")}\r\nconnection: close\r\n\r\n`);
    const whole = Uint8Array.from([...(random.oneIn(5) ? mutateBytes(head, random, [head]) : head), ...changed]);
    return random.oneIn(8) ? whole.subarray(0, random.below(whole.length)) : whole;
  };
}

const vouch = await issueVouch(generateIdentity(), {
  subject: generateIdentity().did,
  scope: ["tools"],
  confidence: 50,
});
const call = JSON.stringify(await signedEcho(generateIdentity(), "did:key:x", { n: 1 }));
const bodies = [vouch.bytes, call, "{}", "[]", '{"jsonrpc":"2.0","id":1,"method":"ping"}'];

// `peerage verify` looks at what it is given and recognises it.
const home = mkdtempSync(join(tmpdir(), "peerage-fuzz-home-"));
process.once("exit", () => rmSync(home, { recursive: true, force: true }));
const everything = [...logTargets, ...proofTargets, ...fileTargets]
  .filter(({ name }) => /statement|JWS|proof|entry|history|receipt|checkpoint|manifest|fork|end of a log/.test(name))
  .flatMap(({ samples }) => samples);

/** Whatever stands in a file, the verdict is one of those that the help names, never a crash. */
async function verified(bytes: Uint8Array): Promise<void> {
  let said = "";
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      said += chunk.toString();
      done();
    },
  });
  const code = await main(["verify", "-", "--json"], {
    env: { PEERAGE_HOME: home, PEERAGE_NO_INPUT: "1" },
    cwd: home,
    stdin: Readable.from([Buffer.from(bytes)]),
    stdout: sink,
    stderr: sink,
    now: () => new Date(1_795_200_000_000),
  });
  if (![0, 2, 3, 6].includes(code) || said.includes("ERR_INTERNAL")) throw new Error(`it ended with ${code}: ${said}`);
  JSON.parse(said);
}

/** Whole parts: HTTP heads and bodies to a live registry and a live guard; a file given to `peerage verify`. */
export const headTargets: readonly Target[] = [
  {
    name: "an HTTP request to the registry",
    samples: ["GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"],
    shapes: ["lines"],
    read: (x) => exchanged((registry ??= startRegistry()), x),
    forge: anyRequest(bodies, [...PATHS, ...API]),
    weight: 3,
  },
  {
    name: "an HTTP request to the guard",
    samples: ["POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}"],
    shapes: ["lines"],
    read: (x) => exchanged((guarded ??= startGuard()), x),
    forge: anyRequest(bodies, ["/mcp", "/mcp", "/mcp?x=1", "/", "/.well-known/oauth-protected-resource"]),
    weight: 3,
  },
  {
    name: "what is given to peerage verify",
    samples: [vouch.bytes],
    shapes: ["json", "jws", "lines"],
    read: verified,
    forge: (random) => {
      const one = random.pick(everything);
      const bytes = typeof one === "string" ? utf8(one) : one;
      return mutateBytes(bytes, random, [bytes]);
    },
    weight: 2,
  },
];
