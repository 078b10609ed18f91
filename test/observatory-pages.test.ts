import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  buildTrustGraph,
  explainTrust,
  fromHex,
  generateIdentity,
  issueVouch,
  leafHash,
  parseJson,
  verifyInclusion,
} from "../core/src/index.ts";
import type { ExampleNetwork } from "./_example-network.ts";
import { exampleSite } from "./_example-site.ts";
import { startObservatory, type TestObservatory } from "./_observatory.ts";
import { type SseEvent, sseEvents } from "./_sse.ts";

const html = { accept: "text/html" };
let network: ExampleNetwork;
let site: TestObservatory;

beforeAll(async () => {
  ({ network, site } = await exampleSite(24));
});
afterAll(async () => site[Symbol.asyncDispose]());

/** One address of every kind of page. */
function addresses(): string[] {
  const did = network.identities[2]!.did;
  const vouch = network.statements.find(({ statement }) => statement.kind === "Vouch")!.statement.id;
  const pages = [
    "/agents",
    `/a/${did}`,
    `/explain?to=${did}`,
    `/v/${vouch}`,
    "/log",
    "/log/30",
    "/feed",
    "/scopes",
    "/scopes/tools",
    "/viewpoint",
    "/clusters",
    "/status",
    "/try",
    "/simulate",
    `/a/${did}/orbit`,
    `/keys/${did}`,
  ];
  return ["/", ...pages];
}

function withSuffix(address: string, suffix: string): string {
  const [path = "", query] = address.split("?");
  return `${path === "/" ? "/index" : path}${suffix}${query === undefined ? "" : `?${query}`}`;
}

describe("every page", () => {
  it("U1 answers as HTML, JSON and text, by suffix and by Accept", async () => {
    for (const address of addresses()) {
      const page = await site.get(address, html);
      expect([address, page.status]).toEqual([address, 200]);
      expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
      expect(page.headers.get("vary")).toBe("Accept, Accept-Encoding");
      expect(await page.text()).toMatch(/^<!doctype html>.*<h1>/s);

      const json = await site.get(withSuffix(address, ".json"));
      expect(json.headers.get("content-type")).toBe("application/json; charset=utf-8");
      const body = await json.text();
      expect(parseJson(body)).toHaveProperty("head.logSize", network.statements.length);
      const negotiated = await site.get(address, { accept: "application/json" });
      expect(await negotiated.text()).toBe(body);

      const text = await site.get(withSuffix(address, ".txt"));
      expect(text.headers.get("content-type")).toBe("text/plain; charset=utf-8");
      const card = await site.get(address, { accept: "*/*", "user-agent": "curl/8.5.0" });
      expect(card.headers.get("cache-control")).toBe("no-store");
      expect(await card.text()).toBe(await text.text());
    }
  });

  it("U13 A-WEB-02 allows nothing to run, load or frame but its own, and holds nothing inline or from elsewhere", async () => {
    const all = [
      ...addresses(),
      ...addresses().map((address) => withSuffix(address, ".json")),
      "/feed.atom",
      "/nothing",
    ];
    for (const address of [...all, "/a/did:key:z6MkInvalid", "/agents?scope=NOT%20A%20SCOPE", "//foreign.example/x"]) {
      const answer = await site.get(address, html);
      const csp = answer.headers.get("content-security-policy") ?? "";
      expect(csp).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'; /);
      expect(csp).toContain(
        "frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
      );
      expect(csp).not.toContain("unsafe");
      expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
      expect(answer.headers.get("referrer-policy")).toBe("no-referrer");
      expect(answer.headers.get("cross-origin-opener-policy")).toBe("same-origin");
      expect(answer.headers.get("cross-origin-resource-policy")).toBe("same-origin");
      expect(answer.headers.get("set-cookie")).toBeNull();
      if (!answer.headers.get("content-type")!.startsWith("text/html")) continue;
      const page = await answer.text();
      expect(page).not.toMatch(/<style|\sstyle=|\son[a-z]+=|javascript:/i);
      expect(page.match(/<script/g)).toHaveLength(1);
      for (const [, url] of page.matchAll(/\s(?:href|src|action)="([^"]*)"/g)) expect(url).toMatch(/^(?:\/(?!\/)|#)/);
    }
  });

  it("serves its assets under names that hold their hash, for ever", async () => {
    const page = await (await site.get("/", html)).text();
    const assets = [...page.matchAll(/"(\/assets\/[^"]+)"/g)].map(([, path]) => path!);
    expect(assets).toHaveLength(3);
    for (const path of assets) {
      const answer = await site.get(path);
      expect(answer.status).toBe(200);
      expect(answer.headers.get("cache-control")).toContain("immutable");
      expect(answer.headers.get("content-security-policy")).not.toBeNull();
    }
    expect((await site.get("/assets/000000000000/site.js")).status).toBe(404);
  });

  it("is not sent twice while nothing has changed", async () => {
    const { roots, statements } = network;
    await using other = await startObservatory({ roots });
    await other.publish(...statements.slice(0, 60).map(({ statement }) => statement));
    const agent = `/a/${roots[0]!}`;
    for (const path of ["/agents", "/map.json", `${agent}/orbit.svg`, `${agent}/orbit/map.json`]) {
      const tag = (await other.get(path, html)).headers.get("etag")!;
      expect([path, (await other.get(path, { ...html, "if-none-match": tag })).status]).toEqual([path, 304]);
      expect((await other.get("/log", { ...html, "if-none-match": tag })).status).toBe(200);
    }
    // Another form of the same address is another answer.
    const page = (await other.get("/agents", html)).headers.get("etag")!;
    expect((await other.get("/agents", { accept: "application/json", "if-none-match": page })).status).toBe(200);
    const tag = (await other.get("/agents", html)).headers.get("etag")!;
    await other.publish(statements[60]!.statement);
    expect((await other.get("/agents", { ...html, "if-none-match": tag })).status).toBe(200);
  });

  it("A-WEB-06 is one request, and a viewpoint's answer is never another's", async () => {
    const [a, b] = [network.identities[0]!.did, network.identities[9]!.did];
    const tags = new Set<string | null>();
    for (const as of ["", `?as=${a}`, `?as=${b}`, `?as=${a}&scope=research`]) {
      const page = await site.get(`/agents${as}`, html);
      tags.add(page.headers.get("etag"));
      const { head } = await site.json(`/agents.json${as}`);
      if (as !== "") expect(head.viewpoint).toEqual({ kind: "agent", roots: [as.includes(a) ? a : b] });
      if (as !== "") expect(await page.text()).toContain('<meta name="robots" content="noindex"');
    }
    expect(tags.size).toBe(4);
  });
});

describe("a score", () => {
  it("U2 is that of explainTrust, and the printed line adds up to it", async () => {
    const graph = site.registry.view.graph("tools");
    let explained = 0;
    for (const { did } of network.identities) {
      const { score, evidence, contributions } = explainTrust(graph, { roots: network.roots, target: did });
      const page = await (await site.get(`/a/${did}`, html)).text();
      const data = await site.json(`/a/${did}.json`);
      expect(data.score).toBe(score);
      expect((await site.json(`/explain.json?to=${did}`)).working.score).toBe(score);
      const sum = /<code class="sum">([^<]*)<\/code>/.exec(page)?.[1];
      if (score === "unknown" || network.roots.includes(did)) {
        expect(sum).toBeUndefined();
        continue;
      }
      explained++;
      // Whoever repeats the arithmetic of the line gets the evidence, and the smaller of it and 1 is the score.
      const [left = "", right = ""] = sum!.split(" = ");
      const result = left.includes("×")
        ? left.split(" × ").reduce((product, factor) => product * Number(factor), 1)
        : left.split(" + ").reduce((total, addend) => total + Number(addend), 0);
      expect(Math.min(1, Number(result.toFixed(6)))).toBe(score);
      if (right !== "") expect(Number(right.replace(/,.*/, ""))).toBe(Number(evidence.toFixed(6)));
      for (const { decay, power, dilution, weight, value } of contributions) {
        expect(decay * power * dilution * weight).toBeCloseTo(value, 12);
      }
      for (const { voucher } of contributions) expect(page).toContain(`/a/${voucher}`);
    }
    expect(explained).toBeGreaterThan(8);
  });

  it("U3 names the vouch that holds it up, and without it is what the page says", async () => {
    const target = network.identities.find(({ did }) => {
      const graph = site.registry.view.graph("tools");
      const { contributions, score } = explainTrust(graph, { roots: network.roots, target: did });
      return contributions.length > 1 && score !== 1;
    })!;
    const { working } = await site.json(`/a/${target.did}.json`);
    const without = site.registry.view
      .vouchesInForce()
      .filter(({ statement }) => statement.id !== working.holdsUp.vouch);
    const graph = buildTrustGraph(
      without.filter(({ scopes }) => scopes.includes("tools")).map(({ statement }) => statement),
      { scope: "tools" },
    );
    expect(explainTrust(graph, { roots: network.roots, target: target.did }).score).toBe(working.holdsUp.scoreAfter);
    expect(working.holdsUp.scoreAfter).not.toBe(working.score);
  });

  it("is always somebody's: named on the page, unknown for a stranger and never 0, left out without roots", async () => {
    const stranger = network.identities.at(-1)!.did;
    const page = await (await site.get(`/a/${stranger}`, html)).text();
    expect(page).toContain("as seen by <b>2 roots</b>");
    expect(page).toMatch(/class="score unknown">unknown</);
    expect(page).not.toContain("0.00");
    expect(await site.text(`/a/${stranger}.txt`)).toContain("score   unknown   as seen by 2 roots, scope tools");
    const root = network.roots[0]!;
    const asRoot = await (await site.get(`/a/${root}?as=${root}`, html)).text();
    expect(asRoot).toContain("one of the roots");
    expect(asRoot).toContain(`?as=${root}`);

    await using rootless = await startObservatory();
    await rootless.publish(...network.statements.slice(0, 40).map(({ statement }) => statement));
    const home = await (await rootless.get(`/a/${root}`, html)).text();
    expect(home).toContain("This registry publishes no roots");
    expect(home).toContain('<a href="/viewpoint">Choose a viewpoint');
    expect(home).not.toMatch(/class="score(?: unknown)?">(?:unknown|\d)/);
    expect(await (await rootless.get("/agents", html)).text()).not.toMatch(/class="meter unknown">unknown</);
    expect((await rootless.json(`/a/${root}.json?as=${root}`)).score).toBe(1);
  });
});

describe("finding", () => {
  it("U5 goes straight to what has one address, and lists the rest", async () => {
    const { did } = network.identities[3]!;
    const vouch = network.statements.find(({ statement }) => statement.kind === "Vouch")!.statement.id;
    const to = async (q: string): Promise<string | null> => {
      const answer = await fetch(`${site.url}/agents?q=${encodeURIComponent(q)}`, {
        redirect: "manual",
        headers: html,
      });
      return answer.status === 302 ? answer.headers.get("location") : null;
    };
    expect(await to(did)).toBe(`/a/${did}`);
    expect(await to(vouch)).toBe(`/v/${vouch}`);
    expect(await to("#12")).toBe("/log/12");
    expect(await to(network.names(did)!)).toBeNull();
    const byName = await site.json(`/agents.json?q=${network.names(did)!.toUpperCase()}`);
    expect(byName.agents.map((agent: { did: string }) => agent.did)).toContain(did);
    const byPrint = await site.json(`/agents.json?q=z6Mk${did.slice(12, 17)}…${did.slice(-4)}`);
    expect(byPrint.agents.map((agent: { did: string }) => agent.did)).toEqual([did]);
  });

  it("says what is wrong with what it cannot read, with the code, in the form that was asked for", async () => {
    const { did } = generateIdentity();
    const missing = await site.get(`/a/${did}.json`);
    expect(missing.status).toBe(404);
    expect(missing.headers.get("content-type")).toBe("application/problem+json");
    expect(await missing.json()).toMatchObject({ status: 404, code: "ERR_NOT_FOUND", about: did });
    expect((await (await site.get(`/a/${did}`, html)).text()).match(/class="agent"/g)).toHaveLength(3);
    for (const [path, status, code] of [
      ["/a/did:key:z6MkInvalid", 400, "ERR_DID_INVALID"],
      ["/agents?as=nobody", 400, "ERR_DID_INVALID"],
      ["/agents?scope=Bad%20Scope", 400, "ERR_REQUEST_INVALID"],
      ["/explain", 400, "ERR_REQUEST_INVALID"],
      ["/log/999999", 404, "ERR_NOT_FOUND"],
      ["/log/-1", 400, "ERR_REQUEST_INVALID"],
      ["/v/sha256:00", 400, "ERR_REQUEST_INVALID"],
      ["/no/such/page", 404, "ERR_NOT_FOUND"],
    ] as const) {
      const page = await site.get(path, html);
      expect([path, page.status]).toEqual([path, status]);
      expect(await page.text()).toContain(code);
    }
  });

  it("teaches how to be the first where nobody is", async () => {
    await using empty = await startObservatory({ registryUrl: "https://registry.example" });
    const home = await (await empty.get("/", html)).text();
    expect(home).toContain("Be the first");
    expect(home.replace(/<[^>]+>/g, "")).toContain("peerage init --registry https://registry.example");
    for (const path of ["/agents", "/log", "/feed", "/scopes", "/feed.atom"])
      expect((await empty.get(path, html)).status).toBe(200);
  });
});

describe("the log", () => {
  it("U8 shows each entry with a proof that leads to the checkpoint", async () => {
    for (const index of [0, 1, 31, network.statements.length - 1]) {
      const data = await site.json(`/log/${index}.json`);
      expect(data.entry.id).toBe(network.statements[index]!.statement.id);
      verifyInclusion({
        index,
        size: data.size,
        root: fromHex(data.root),
        leafHash: leafHash(network.statements[index]!.statement.bytes),
        proof: data.inclusion.map(fromHex),
      });
    }
  });

  it("pages from the newest to the oldest without gap or repetition", async () => {
    const seen: number[] = [];
    for (let path: string | undefined = "/log.json"; path !== undefined;) {
      const data: { entries: { index: number }[]; before?: number } = await site.json(path);
      seen.push(...data.entries.map(({ index }) => index));
      path = data.before === undefined ? undefined : `/log.json?before=${data.before}`;
    }
    expect(seen).toEqual(network.statements.map((_, i) => network.statements.length - 1 - i));
  });

  it("says what became of a vouch", async () => {
    const revocation = network.statements
      .map(({ statement }) => statement)
      .find((s) => s.kind === "Revocation" && s.revokes === "statement");
    const target = revocation?.kind === "Revocation" ? revocation.target : "";
    const data = await site.json(`/v/${target}.json`);
    expect(data).toMatchObject({ inForce: false, status: "revoked by its issuer" });
    expect(data.revokedBy.id).toBe(revocation!.id);
    expect(await (await site.get(`/v/${target}`, html)).text()).toContain("✕ revoked by its issuer");
  });
});

describe("the feed", () => {
  it("U7 resumes after a break without gap or duplicate", async () => {
    await using quiet = await startObservatory();
    const [alice, bob] = [generateIdentity(), generateIdentity()];
    const vouches = await Promise.all(
      [10, 20, 30, 40, 50, 60].map((confidence, i) =>
        issueVouch(alice, {
          subject: bob.did,
          scope: ["tools"],
          confidence,
          validFrom: new Date(Date.now() - 60_000 + i * 1000),
        }),
      ),
    );
    const read = async (from: AsyncGenerator<SseEvent>, count: number): Promise<SseEvent[]> => {
      const events: SseEvent[] = [];
      while (events.length < count) events.push((await from.next()).value as SseEvent);
      await from.return(undefined);
      return events;
    };
    const first = sseEvents(await quiet.get("/feed.sse"));
    const reading = read(first, 2);
    await quiet.publish(...vouches.slice(0, 3));
    const before = await reading;
    await quiet.publish(vouches[3]!);
    const second = sseEvents(await quiet.get("/feed.sse", { "last-event-id": String(before.at(-1)!.id) }));
    const rest = read(second, 4);
    await quiet.publish(...vouches.slice(4));
    const all = [...before, ...(await rest)];
    expect(all.map(({ id }) => id)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(all.map(({ data }) => data.confidence)).toEqual([10, 20, 30, 40, 50, 60]);
    expect(all[0]!.data).toMatchObject({
      index: 0,
      kind: "Vouch",
      from: { did: alice.did },
      to: { did: bob.did },
      scope: ["tools"],
    });
    // A page that shows entry 3 and opens a stream later misses nothing either.
    expect((await read(sseEvents(await quiet.get("/feed.sse?after=3")), 2)).map(({ id }) => id)).toEqual([4, 5]);
  });

  it("U7 is Atom with statement ids", async () => {
    const atom = await site.get("/feed.atom");
    expect(atom.headers.get("content-type")).toBe("application/atom+xml; charset=utf-8");
    const xml = await atom.text();
    expect(xml.match(/<entry>/g)).toHaveLength(50);
    expect(xml).toContain(`<id>urn:peerage:${network.statements.at(-1)!.statement.id}</id>`);
  });
});
