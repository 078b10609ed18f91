import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import tls from "node:tls";
import {
  addProof,
  formatPlaceFile,
  generateIdentity,
  generateSeed,
  type Identity,
  identityFromSeed,
  issueKeyInit,
  issueKeyRotate,
  issueRevocation,
  type JsonObject,
  keyDigest,
  MAX_PLACE_FILE_BYTES,
  multibaseOf,
  parsePlace,
  signPlaceProof,
  STATEMENT_CONTEXT,
} from "@peerage/core";
import { openRegistry, type Registry, serveApp } from "@peerage/registry";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Context } from "../cli/src/context.ts";
import { openSnapshot } from "../cli/src/network.ts";
import { ProvenBook } from "../cli/src/proofs/book.ts";
import { checkPlace, type PlaceCheckOptions, standingAt } from "../cli/src/proofs/check.ts";
import { placesOf } from "../cli/src/proofs/claims.ts";
import { placeVerdict } from "../cli/src/proofs/verdict.ts";
import { readPublished, type Reach } from "../cli/src/proofs/published.ts";
import { dataSchemas } from "../cli/src/schemas.ts";
import { Home } from "./_cli.ts";
import { type Certificate, selfSigned, serve } from "./_https.ts";
import { startRegistry, temporaryFolder, type TestRegistry } from "./_registry.ts";

const PATH = "/.well-known/peerage.json";
const NOW = (): Date => new Date();

let certificate: Certificate;
let server: Awaited<ReturnType<typeof serve>>;
let url = "";
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let asked: string[] = [];
const before = tls.getCACertificates();

beforeAll(async () => {
  certificate = await selfSigned("localhost", "other.test", "example.test");
  server = await serve((request, response) => {
    asked.push(`${request.headers.host ?? ""}${request.url ?? ""}`);
    answer(request, response);
  }, certificate);
  url = `https://localhost:${server.port}`;
  tls.setDefaultCACertificates([...before, certificate.cert]);
});
afterAll(async () => {
  tls.setDefaultCACertificates(before);
  await server[Symbol.asyncDispose]();
});
beforeEach(() => {
  asked = [];
  publish(undefined);
});

/** What the place publishes from now on; undefined: nothing. */
function publish(text: string | undefined, at = PATH): void {
  answer = (request, response) => {
    if (text === undefined || request.url !== at) response.writeHead(404).end();
    else response.end(text);
  };
}

const fileOf = async (agent: Identity, place: string, now = NOW()): Promise<string> =>
  formatPlaceFile([await signPlaceProof(agent, parsePlace(place), now)]);

const contextOf = (home: Home): Context => {
  const sink = new Writable({ write: (_chunk, _encoding, done) => done() });
  const env = { PEERAGE_HOME: home.at() };
  return new Context({ env, cwd: home.path, stdin: Readable.from([]), stdout: sink, stderr: sink, now: NOW }, {});
};

/** As the command line asks; the forge's own host stands for this test's server. */
const optionsFor = (home: Home, reach: Reach = { addresses: "any" }): PlaceCheckOptions => ({
  read: (file, maxBytes) => readPublished(file.replace(/^https:\/\/raw\.githubusercontent\.com/, url), maxBytes, reach),
  book: new ProvenBook(contextOf(home)),
  now: NOW,
  viewFor: () => Promise.resolve(undefined),
});

describe("a domain's proof", () => {
  let home: Home;
  let did = "";
  beforeAll(async () => {
    home = await Home.make();
    did = JSON.parse((await home.call(["init", "bot", "--json"])).stdout).data.did;
  });
  afterAll(() => home[Symbol.asyncDispose]());

  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- each test knows the shape it asserts
  const verify = async (...more: string[]): Promise<{ code: number | null; data: any; stderr: string }> => {
    const { code, stdout, stderr } = await home.call(["verify", url, ...more, "--json"]);
    const data = stdout === "" ? undefined : JSON.parse(stdout).data;
    if (data !== undefined) expect(dataSchemas["verify"]!.safeParse(data).error).toBeUndefined();
    return { code, data, stderr };
  };

  it("is made by prove, published at its well-known address, and found by verify with the date of the check", async () => {
    const folder = join(home.path, "public", ".well-known");
    await mkdir(folder, { recursive: true });
    const made = await home.call(["prove", "domain", url, "--out", join(folder, "peerage.json"), "--json"]);
    expect(made.code, made.stderr).toBe(0);
    const { data } = JSON.parse(made.stdout);
    expect(dataSchemas["prove domain"]!.safeParse(data).error).toBeUndefined();
    expect(data).toMatchObject({ issuer: did, place: url, file: `${url}${PATH}` });
    publish(await readFile(join(folder, "peerage.json"), "utf8"));
    const found = await verify();
    expect([found.code, found.data.summary]).toEqual([0, expect.stringMatching(/^Proven, as of \d{4}-/)]);
    expect(found.data.content.agents).toEqual([{ did, status: "proven", issued: data.document.issued }]);
    expect(asked).toEqual([`localhost:${server.port}${PATH}`]);
    expect((await verify("--by", "bot")).code).toBe(0);
    expect((await verify("--by", generateIdentity().did)).code).toBe(6);
    const another = await verify("--at", "2027-01-31T12:00:00Z");
    expect([another.code, another.stderr]).toEqual([2, expect.stringContaining("read now")]);
  });

  it("is believed by a process that knows the authority from NODE_EXTRA_CA_CERTS, and unreachable to one that does not", async () => {
    const pem = join(home.path, "authority.pem");
    await writeFile(pem, certificate.cert);
    publish(await readFile(join(home.path, "public", ".well-known", "peerage.json"), "utf8"));
    const [known, unknown] = await Promise.all([
      home.run(["verify", url], { env: { NODE_EXTRA_CA_CERTS: pem } }),
      home.run(["verify", url]),
    ]);
    expect([known.code, known.stdout]).toEqual([0, expect.stringContaining("Proven, as of")]);
    expect([unknown.code, unknown.stderr]).toEqual([7, expect.stringContaining("certificate is not valid")]);
  });

  it("stands beside those of others in one file, and takes the place of an earlier one of the same agent", async () => {
    const path = join(home.path, "both.json");
    const other = generateIdentity();
    await writeFile(path, await fileOf(other, url));
    for (let i = 0; i < 2; i++) expect((await home.call(["prove", "domain", url, "--out", path])).code).toBe(0);
    publish(await readFile(path, "utf8"));
    const { code, data } = await verify();
    expect([code, data.content.agents.map((agent: { did: string }) => agent.did)]).toEqual([0, [other.did, did]]);
    await writeFile(path, "# notes\n");
    const kept = await home.call(["prove", "domain", url, "--out", path]);
    expect([kept.code, await readFile(path, "utf8")]).toEqual([2, "# notes\n"]);
  });

  it("is refused where it was tampered with, made for another place, or signed by another than it names", async () => {
    const agent = generateIdentity();
    const good = JSON.parse(await fileOf(agent, url)).proofs[0] as JsonObject;
    publish(formatPlaceFile([good]));
    expect((await verify("--by", agent.did)).code).toBe(0);
    const thief = generateIdentity();
    const { proof: _, ...unsigned } = good;
    const created = good["issued"] as string;
    const resigned = async (document: JsonObject, method: string): Promise<JsonObject> => ({
      ...document,
      proof: await addProof(thief, document, { verificationMethod: method, created }),
    });
    const wrong: [string, JsonObject | JsonObject[], string][] = [
      ["another date", { ...good, issued: "2026-01-01T00:00:00Z" }, "ERR_STATEMENT_INVALID"],
      ["another name", { ...good, issuer: thief.did }, "ERR_STATEMENT_INVALID"],
      ["one member more", { ...good, note: "x" }, "ERR_STATEMENT_INVALID"],
      ["a thief's key under the name", await resigned(unsigned, thief.kid), "ERR_STATEMENT_INVALID"],
      [
        "the name's key, which did not sign",
        await resigned(unsigned, `${agent.did}#${thief.kid.split("#")[1] ?? ""}`),
        "ERR_KEY_SUPERSEDED",
      ],
      [
        "a copy from another place",
        JSON.parse(await fileOf(agent, "https://other.test")).proofs[0] as JsonObject,
        "ERR_PROOF_MISMATCH",
      ],
      [
        "a date to come",
        JSON.parse(await fileOf(agent, url, new Date(Date.now() + 3_600_000))).proofs[0] as JsonObject,
        "ERR_STATEMENT_NOT_YET_VALID",
      ],
      [
        "another kind of document",
        await resigned({ "@context": STATEMENT_CONTEXT, type: "Manifest", issuer: thief.did }, thief.kid),
        "ERR_STATEMENT_INVALID",
      ],
    ];
    for (const [what, document, code] of wrong) {
      publish(formatPlaceFile([document as JsonObject]));
      const found = await verify();
      const codes = found.data?.checks.map((one: { code?: string }) => one.code);
      expect([what, found.code, codes]).toEqual([what, expect.toBeOneOf([3, 6]), expect.arrayContaining([code])]);
      expect((await verify("--by", thief.did)).code, what).not.toBe(0);
    }
  });

  it("says no longer once it is changed or gone, and never proven while its place cannot be asked", async () => {
    const agent = generateIdentity();
    publish(await fileOf(agent, url));
    expect((await verify("--by", agent.did)).code).toBe(0);
    publish(await fileOf(generateIdentity(), url));
    const changed = await verify("--by", agent.did);
    expect([changed.code, changed.data.summary]).toEqual([3, expect.stringMatching(/^No longer proven/)]);
    expect(changed.data.content.agents).toEqual([{ did: agent.did, status: "no-longer" }]);
    publish(undefined);
    expect((await verify("--by", agent.did)).code).toBe(3);
    for (const unable of [
      (_: IncomingMessage, response: ServerResponse) => response.writeHead(503).end(),
      (request: IncomingMessage) => void request.socket.destroy(),
    ]) {
      answer = unable;
      const { code, stderr } = await verify("--by", agent.did);
      expect([code, stderr]).toEqual([7, expect.stringMatching(/nothing is proven now \(it was proven at \d{4}/)]);
    }
  });

  it("is not there: exit 5, with what to publish and how", async () => {
    await using fresh = await Home.make();
    const { code, stderr } = await fresh.call(["verify", url]);
    expect([code, stderr]).toEqual([5, expect.stringContaining("peerage prove domain localhost")]);
  });
});

describe("reading a place", () => {
  const reach: Reach = { addresses: "any" };

  it("follows no redirect to another host, and to the same one a few", async () => {
    answer = (request, response) => {
      if (request.url === "/a") response.writeHead(302, { location: "/b" }).end();
      else if (request.url === "/b") response.end("here");
      else if (request.url === "/loop") response.writeHead(302, { location: "/loop" }).end();
      else response.writeHead(301, { location: `https://127.0.0.1:${server.port}/b` }).end();
    };
    expect(await readPublished(`${url}/a`, 100, reach)).toMatchObject({ state: "found" });
    const away = await readPublished(`${url}/away`, 100, reach);
    expect(away).toEqual({ state: "absent", why: expect.stringContaining("redirects to https://127.0.0.1") });
    expect(await readPublished(`${url}/loop`, 100, reach)).toMatchObject({ state: "unreachable" });
    // The other host was never asked.
    expect(asked.filter((one) => one.startsWith("127."))).toEqual([]);
  });

  it("stops at the limits of size and time", async () => {
    answer = (_request, response) => void response.end("x".repeat(101));
    expect(await readPublished(`${url}/`, 100, reach)).toMatchObject({ state: "absent" });
    expect(await readPublished(`${url}/`, 101, reach)).toMatchObject({ state: "found" });
    let written = 0;
    answer = (_request, response) => {
      const more = (): void => {
        written += 65_536;
        if (!response.destroyed && written < 1e9) response.write("x".repeat(65_536), () => setImmediate(more));
      };
      more();
    };
    expect(await readPublished(`${url}/`, MAX_PLACE_FILE_BYTES, reach)).toMatchObject({ state: "absent" });
    expect(written).toBeLessThan(64 * 1_048_576);
    // Headers and then silence; and a body that never ends.
    for (const silent of [() => undefined, (response: ServerResponse) => void response.write("{")]) {
      answer = (_request, response) => silent(response);
      const late = await readPublished(`${url}/`, 100, { ...reach, timeoutMs: 100 });
      expect(late).toEqual({ state: "unreachable", why: "no answer in time" });
    }
    answer = (_request, response) => {
      response.writeHead(200, { "content-length": "50" }).write("half");
      setImmediate(() => response.destroy());
    };
    expect(await readPublished(`${url}/`, 100, reach)).toMatchObject({ state: "unreachable" });
  });

  it("asks no private address for what somebody else named, whatever a name resolves to", async () => {
    answer = (_request, response) => void response.end("secret");
    const lookup: Reach["lookup"] = (_name, _options, done) => done(null, [{ address: "127.0.0.1", family: 4 }]);
    const named = `https://example.test:${server.port}/`;
    expect(await readPublished(named, 100, { addresses: "any", lookup })).toMatchObject({ state: "found" });
    asked = [];
    const mixed: Reach["lookup"] = (_name, _options, done) =>
      done(null, [
        { address: "93.184.215.14", family: 4 },
        { address: "127.0.0.1", family: 4 },
      ]);
    for (const [address, how] of [
      [named, lookup],
      [named, mixed],
      [`${url}/`, undefined],
      [`https://127.0.0.1:${server.port}/`, undefined],
      [`https://[::ffff:127.0.0.1]:${server.port}/`, undefined],
      [`https://2130706433:${server.port}/`, undefined],
      [`https://0:${server.port}/`, undefined],
      ["https://169.254.169.254/latest/meta-data", undefined],
      ["https://[fd00::1]/", undefined],
    ] as const) {
      const read = await readPublished(address, 100, { addresses: "public", ...(how ? { lookup: how } : {}) });
      expect([address, read]).toEqual([
        address,
        { state: "unreachable", why: expect.stringContaining("no public address") },
      ]);
    }
    expect(asked).toEqual([]);
  });

  it("knows no http off loopback", async () => {
    expect(await readPublished("http://example.test/", 100, reach)).toEqual({
      state: "unreachable",
      why: "it is not reached by https",
    });
    await using plain = await serve((_request, response) => void response.end("here"));
    expect(await readPublished(`http://127.0.0.1:${plain.port}/`, 100, reach)).toMatchObject({ state: "found" });
  });
});

describe("a repository's proof", () => {
  it("stands at the top of its default branch, whatever the case of its name, and not in a fork", async () => {
    await using home = await Home.make();
    const agent = generateIdentity();
    const place = parsePlace("https://github.com/Owner/name.git");
    expect(place.file).toBe("https://raw.githubusercontent.com/Owner/name/HEAD/peerage-proof.json");
    publish(await fileOf(agent, "github.com/owner/Name"), "/Owner/name/HEAD/peerage-proof.json");
    expect(standingAt(await checkPlace(place, optionsFor(home)), agent.did)).toBe("proven");
    const fork = parsePlace("github.com/thief/name");
    publish(await fileOf(agent, "github.com/owner/Name"), "/thief/name/HEAD/peerage-proof.json");
    const check = await checkPlace(fork, optionsFor(home));
    expect(standingAt(check, agent.did)).toBe("not-proven");
    expect(check.proofs).toMatchObject([{ holds: false, code: "ERR_PROOF_MISMATCH" }]);
  });
});

describe("a place in a profile", () => {
  let registry: TestRegistry;
  let home: Home;
  beforeAll(async () => {
    [registry, home] = await Promise.all([startRegistry(), Home.make()]);
    expect((await home.call(["init", "bot", "--registry", registry.url])).code).toBe(0);
  });
  afterAll(async () => {
    await home[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  });

  it("is listed and taken out by prove, shown by show as a claim until it is proven, and part of no score", async () => {
    const listed = await home.call(["prove", "domain", url, "--list", "--json"]);
    expect(listed.code, listed.stderr).toBe(0);
    expect(JSON.parse(listed.stdout).data).toMatchObject({ urls: [url], index: 2 });
    expect(JSON.parse((await home.call(["prove", "domain", url, "--list", "--json"])).stdout).data.index).toBe(
      undefined,
    );
    const { did } = await contextOf(home).identityFile();
    publish(await fileOf(generateIdentity(), url));
    // Somebody else named it, so this machine is not asked.
    const shown = JSON.parse((await home.call(["show", did, "--json"])).stdout).data;
    expect(dataSchemas["show"]!.safeParse(shown).error).toBeUndefined();
    expect(shown.places).toMatchObject([{ place: url, status: "unreachable", provenAt: null }]);
    expect(asked).toEqual([]);
    const unasked = await home.call(["show", did, "--no-check"]);
    expect(unasked.stdout).toMatch(/domain +https:\/\/localhost:\d+ claimed; not checked/);

    const context = contextOf(home);
    const snapshot = await openSnapshot(context);
    const { read } = optionsFor(home);
    const look = async (): ReturnType<typeof placesOf> =>
      placesOf(context, snapshot, snapshot.view.agent(did)!, { look: true, read });
    expect(await look()).toMatchObject([{ status: "not-proven", provenAt: null }]);
    expect((await home.call(["prove", "domain", url, "--out", join(home.path, "p.json")])).code).toBe(0);
    publish(await readFile(join(home.path, "p.json"), "utf8"));
    expect(await look()).toMatchObject([{ status: "proven", checkedAt: expect.stringMatching(/Z$/), provenAt: null }]);
    publish(undefined);
    expect(await look()).toMatchObject([{ status: "no-longer", provenAt: expect.stringMatching(/Z$/) }]);
    expect(shown.score).toBe("unknown");

    expect((await home.call(["prove", "domain", url, "--unlist"])).code).toBe(0);
    expect(JSON.parse((await home.call(["show", did, "--json"])).stdout).data).toMatchObject({
      selfName: "bot",
      places: [],
    });
  });

  it("is nobody's word while the log by which its key is judged goes back: that is not a log that is away", async () => {
    await using own = await Home.make();
    using one = temporaryFolder();
    using two = temporaryFolder();
    const agent = generateIdentity();
    const open = ({ path }: { path: string }): Promise<Registry> => openRegistry({ dataDir: path, cadenceMs: 20 });
    await open(one).then((log) => log[Symbol.asyncDispose]());
    await cp(one.path, two.path, { recursive: true });
    await using log = await open(one);
    await using older = await open(two);
    const burn = await issueRevocation(agent, { revokes: "self" });
    await log.published((await log.submit(burn.bytes)).index);
    let behind: Registry | undefined = log;
    await using served = await serveApp({
      fetch: (...args) => behind?.app.fetch(...args) ?? new Response("", { status: 503 }),
    });
    publish(await fileOf(agent, url));
    const verify = async (...flags: string[]): Promise<unknown> => {
      const env = { PEERAGE_REGISTRY: served.url };
      const { code, stdout, stderr } = await own.call(["verify", url, ...flags, "--json"], { env });
      return [code, /ERR_[A-Z_]+/.exec(stderr + stdout)?.[0]];
    };
    expect(await verify()).toEqual([6, "ERR_KEY_REVOKED"]);
    behind = older;
    expect(await verify()).toEqual([3, "ERR_REGISTRY_STALE"]);
    // Offline a DID's own first key is believed, and that is said.
    behind = undefined;
    expect(await verify()).toEqual([0, undefined]);
    // Whoever names a registry in the command wants its word.
    expect(await verify("--registry", served.url)).toEqual([7, "ERR_REGISTRY_UNREACHABLE"]);
  });

  it("is no agent's once its key is burnt, by the log", async () => {
    const agent = generateIdentity();
    publish(await fileOf(agent, url));
    expect((await home.call(["verify", url, "--by", agent.did])).code).toBe(0);
    await registry.publish((await issueRevocation(agent, { revokes: "self" })).bytes);
    const burnt = await home.call(["verify", url, "--by", agent.did, "--json"]);
    expect([burnt.code, burnt.stdout]).toEqual([6, expect.stringContaining("ERR_KEY_REVOKED")]);
  });

  it("is a retired key's word for an agent that goes on, and nobody's for one that has ended", async () => {
    let now = NOW();
    await using own = await startRegistry({ now: () => now });
    const seed = generateSeed();
    const agent = generateIdentity();
    const next = identityFromSeed(seed, { did: agent.did });
    const commit = keyDigest(multibaseOf(identityFromSeed(seed).did));
    const log = async (issue: Promise<{ readonly bytes: Uint8Array }>): Promise<void> => {
      await own.publish((await issue).bytes);
      now = new Date(now.getTime() + 2_000);
    };
    const verify = async (): Promise<unknown> => {
      const { code, stdout } = await home.call(["verify", url, "--by", agent.did, "--registry", own.url, "--json"]);
      return [code, /ERR_[A-Z_]+/.exec(stdout)?.[0]];
    };
    publish(await fileOf(agent, url, now));
    const init = await issueKeyInit(agent, { next: commit, now });
    await log(Promise.resolve(init));
    await log(issueKeyRotate(next, { prev: init, next: commit, now }));
    expect(await verify()).toEqual([0, undefined]);
    // What a log of the day before yesterday says is no answer of now.
    const context = contextOf(home);
    const { view } = await openSnapshot(new Context(context.io, { registry: own.url }));
    for (const [days, state] of [
      [0, "ok"],
      [2, "none"],
    ] as const) {
      const later = (): Date => new Date(now.getTime() + days * 86_400_000);
      const options = { ...optionsFor(home), now: later, viewFor: () => Promise.resolve(view) };
      const { checks } = placeVerdict(await checkPlace(parsePlace(url), options), agent.did);
      expect(checks.find(({ name }) => name === "key")).toMatchObject({ state });
    }
    await log(issueRevocation(next, { revokes: "self", now }));
    expect(await verify()).toEqual([6, "ERR_KEY_REVOKED"]);
  });
});
