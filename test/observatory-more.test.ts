import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  buildTrustGraph,
  type Did,
  FlowVector,
  generateIdentity,
  generateSeed,
  identityFromSeed,
  issueKeyInit,
  issueKeyRevoke,
  issueKeyRotate,
  issueRevocation,
  issueVouch,
  keyDigest,
  type MultibaseKey,
  multibaseOf,
  type Statement,
} from "../core/src/index.ts";
import { hullOf, type Point } from "../observatory/src/map/hull.ts";
import { launchBrowser } from "./_browser.ts";
import { type ExampleNetwork, exampleNetwork } from "./_example-network.ts";
import { startObservatory, type TestObservatory } from "./_observatory.ts";

const browser: Browser | undefined = await launchBrowser();
afterAll(async () => browser?.close());

const html = { accept: "text/html" };
let network: ExampleNetwork;
let site: TestObservatory;

beforeAll(async () => {
  let now = new Date();
  network = await exampleNetwork(40, now);
  site = await startObservatory({ roots: network.roots, names: network.names, now: () => now });
  // As the weeks went by, so that the past has days.
  for (let i = 0; i < network.statements.length; i += 10) {
    const batch = network.statements.slice(i, i + 10);
    now = batch.at(-1)!.at;
    await site.publish(...batch.map(({ statement }) => statement));
  }
});
afterAll(async () => site[Symbol.asyncDispose]());

describe("the past", () => {
  it("U16 is what a registry says that was replayed to that size", async () => {
    const size = 60;
    let now = network.statements[0]!.at;
    await using then = await startObservatory({ roots: network.roots, names: network.names, now: () => now });
    for (let i = 0; i < size; i += 10) {
      const batch = network.statements.slice(i, i + 10);
      now = batch.at(-1)!.at;
      await then.publish(...batch.map(({ statement }) => statement));
    }
    const agents: string[] = [...then.registry.view.agents()];
    for (const did of agents) {
      const [past, real] = [await site.json(`/a/${did}.json?at=${size}`), await then.json(`/a/${did}.json`)];
      expect([did, past.score]).toEqual([did, real.score]);
      expect(past.working.terms).toEqual(real.working.terms);
      expect(past.received.map(({ id }: { id: string }) => id)).toEqual(
        real.received.map(({ id }: { id: string }) => id),
      );
    }
    const list = async (at: TestObservatory, query: string): Promise<unknown[]> => {
      const data = await at.json(`/agents.json?sort=given${query}`);
      return data.agents.map(({ did, score, received, given }: Record<string, unknown>) => [
        did,
        score,
        received,
        given,
      ]);
    };
    expect(await list(site, `&at=${size}`)).toEqual(await list(then, ""));
    const map = await site.json(`/map.json?at=${size}`);
    expect(map.from).toHaveLength(then.registry.view.vouchesInForce().length);
    expect(map.absent).toHaveLength(site.registry.view.agentCount - agents.length);
  });

  it("U16 is the same whichever page was asked first, and asking leaves the present as it is", async () => {
    const size = 20;
    const grown = async (upTo: number): Promise<TestObservatory> => {
      let now = network.statements[0]!.at;
      const at = await startObservatory({ roots: network.roots, names: network.names, now: () => now });
      for (let i = 0; i < upTo; i += 10) {
        const batch = network.statements.slice(i, Math.min(upTo, i + 10));
        now = batch.at(-1)!.at;
        await at.publish(...batch.map(({ statement }) => statement));
      }
      return at;
    };
    await using fresh = await grown(network.statements.length);
    await using then = await grown(size);
    // The first to ask for the communities looks back, and the first to ask for the agents of that time was at home.
    const { clusters } = await fresh.json(`/clusters.json?at=${size}`);
    const [past, real] = [await fresh.json(`/index.json?at=${size}`), await then.json("/index.json")];
    expect([past.agents, past.vouches, past.entries]).toEqual([real.agents, real.vouches, size]);
    expect(past.feed.map(({ index }: { index: number }) => index)).toEqual(
      real.feed.map(({ index }: { index: number }) => index),
    );
    expect(past.sky.agents.length).toBe(real.agents);
    expect((await fresh.json(`/agents.json?at=${size}`)).found).toBe(real.agents);
    const columns = await fresh.json("/map.json");
    expect(columns.from).toHaveLength(fresh.registry.view.vouchesInForce().length);
    expect(columns.absent).toEqual([]);
    const members = (all: { members: number }[]): number => all.reduce((sum, { members }) => sum + members, 0);
    expect(members(clusters)).toBeLessThanOrEqual(real.agents);
    expect(members((await fresh.json("/clusters.json")).clusters)).toBeGreaterThan(members(clusters));
  });

  it("says so on every page, keeps the links in it, is not indexed, and knows days", async () => {
    const did = network.roots[0]!;
    const page = await (await site.get(`/a/${did}?at=60`, html)).text();
    expect(page).toContain("As it was at log size 60");
    expect(page).toContain('<meta name="robots" content="noindex"');
    expect(page).toContain(`/agents?at=60"`);
    const day = network.statements[59]!.at.toISOString().slice(0, 10);
    const { head } = await site.json(`/agents.json?at=${day}`);
    expect(head.logSize).toBeGreaterThanOrEqual(60);
    expect(head.logSize).toBeLessThan(network.statements.length);
    expect((await site.json(`/agents.json?at=${network.statements.length}`)).head.logSize).toBe(
      network.statements.length,
    );
    expect((await site.get("/agents?at=yesterday", html)).status).toBe(400);
    const late = network.identities.at(-1)!.did;
    expect((await site.get(`/a/${late}?at=5`, html)).status).toBe(404);
  });
});

describe("the history of a key", () => {
  it("is told event by event as what went and what came, and a dispute in red", async () => {
    let now = new Date("2026-05-01T00:00:00Z");
    await using at = await startObservatory({ now: () => now });
    const seeds = Array.from({ length: 3 }, () => generateSeed());
    const first = identityFromSeed(seeds[0]!);
    const [second, third] = seeds.slice(1).map((seed) => identityFromSeed(seed, { did: first.did }));
    const key = ({ kid }: { kid: string }): MultibaseKey => kid.slice(kid.indexOf("#") + 1) as MultibaseKey;
    const init = await issueKeyInit(first, { next: keyDigest(key(second!)), now });
    await at.publish(init);
    now = new Date("2026-05-02T00:00:00Z");
    const rotate = await issueKeyRotate(second!, { prev: init, next: keyDigest(key(third!)), now });
    await at.publish(rotate);
    now = new Date("2026-05-03T00:00:00Z");
    await at.publish(await issueKeyRevoke(second!, { prev: rotate, now }));
    const data = await at.json(`/keys/${first.did}.json`);
    expect(data.status).toBe("suspended");
    expect(data.events.map(({ event }: { event: string }) => event)).toEqual(["init", "rotate", "revoke"]);
    expect(data.events[1].changes.slice(0, 2)).toEqual([
      { sign: "−", what: "key", value: multibaseOf(first.did) },
      { sign: "+", what: "key", value: key(second!) },
    ]);
    expect(data.events[2].changes).toEqual([{ sign: "−", what: "key", value: key(second!) }]);
    const page = await (await at.get(`/keys/${first.did}`, html)).text();
    expect(page).toContain("✕ suspended");
    expect(await at.text(`/keys/${first.did}.txt`)).toContain("rotate");

    const [own, a, b] = [generateIdentity(), generateIdentity(), generateIdentity()];
    await at
      .publish(
        await issueKeyInit(own, { next: keyDigest(multibaseOf(a.did)), now }),
        await issueKeyInit(own, { next: keyDigest(multibaseOf(b.did)), now }),
      )
      .catch(() => undefined);
    const burnt = generateIdentity();
    await at.publish(await issueKeyInit(burnt, { next: keyDigest(multibaseOf(a.did)), now }));
    await at.publish(await issueRevocation(burnt, { revokes: "self", now }));
    expect(await (await at.get(`/keys/${burnt.did}`, html)).text()).toContain("burnt its identity");
    expect(await (await at.get(`/a/${burnt.did}?as=${burnt.did}`, html)).text()).toContain("key burnt");
  });
});

describe("pictures for pages elsewhere", () => {
  it("U11 name the viewpoint, say unknown of a stranger, and agree with the page", async () => {
    for (const [did, word] of [
      [network.roots[0]!, "1.00"],
      [network.identities.at(-1)!.did, "unknown"],
    ] as const) {
      const answer = await site.get(`/a/${did}/badge.svg`);
      expect(answer.headers.get("content-type")).toBe("image/svg+xml; charset=utf-8");
      expect(answer.headers.get("cross-origin-resource-policy")).toBe("cross-origin");
      expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
      const svg = await answer.text();
      expect(svg).toContain(`${word} tools · as seen by 2 roots`);
      expect(await site.text(`/a/${did}/card.svg`)).toContain("in tools, as seen by 2 roots");
    }
    const [did] = network.roots;
    expect(await site.text(`/a/${did}/badge.svg?as=${network.identities[4]!.did}`)).toContain("as seen by one agent");
    await using rootless = await startObservatory();
    await rootless.publish(...network.statements.slice(0, 30).map(({ statement }) => statement));
    expect(await rootless.text(`/a/${did}/badge.svg`)).toContain("no viewpoint");
    expect((await site.get(`/a/${generateIdentity().did}/badge.svg`)).status).toBe(404);
  });

  it("U11 the sitemap and robots.txt name what may be crawled, by the registry's own address", async () => {
    const xml = await site.text("/sitemap.xml");
    const locations = [...xml.matchAll(/<loc>([^<]+)<\/loc>/g)].map(([, url]) => new URL(url!));
    expect(new Set(locations.map(({ origin }) => origin))).toEqual(new Set(["https://registry.example"]));
    expect(locations.filter(({ pathname }) => pathname.startsWith("/a/"))).toHaveLength(site.registry.view.agentCount);
    for (const { pathname } of locations) expect((await site.get(pathname, html)).status).toBe(200);
    expect(await site.text("/robots.txt")).toContain("Sitemap: https://registry.example/sitemap.xml");
  });
});

describe("what depends on a vouch", () => {
  it("is every score that is another without it, and no more", async () => {
    const { view } = site.registry;
    const graph = view.graph("tools");
    const vouches = [...graph.vouches()];
    const before = new FlowVector(graph, network.roots);
    let some = 0;
    for (const { id } of vouches.slice(0, 12)) {
      const without = new FlowVector(
        buildTrustGraph(
          vouches.filter((vouch) => vouch.id !== id),
          { scope: "tools" },
        ),
        network.roots,
      );
      const expected = [...view.agents()].filter((did) => before.score(did) !== without.score(did));
      const { dependents } = await site.json(`/v/${id}.json`);
      expect(dependents.count).toBe(expected.length);
      for (const { did } of dependents.first) expect(expected).toContain(did);
      for (const { did, without: after } of dependents.first) expect(after).toBe(without.score(did));
      some += expected.length;
    }
    expect(some).toBeGreaterThan(0);
  });
});

describe("what if", () => {
  it("U15 is the engine's answer on the graph without the chosen vouches, and changes nothing", async () => {
    const graph = site.registry.view.graph("tools");
    const vouches = [...graph.vouches()];
    const scores = new FlowVector(graph, network.roots);
    const target = network.identities.find(({ did }) => {
      const score = scores.score(did);
      return score !== "unknown" && score > 0.2 && score < 0.95;
    })!.did;
    const { working } = await site.json(`/explain.json?to=${target}`);
    const ids: string[] = working.terms.map(({ vouch }: { vouch: string }) => vouch);
    for (const without of [ids.slice(0, 1), ids]) {
      const rest = buildTrustGraph(
        vouches.filter(({ id }) => !without.includes(id)),
        { scope: "tools" },
      );
      const data = await site.json(`/explain.json?to=${target}&without=${without.join("&without=")}`);
      expect(data.whatIf.score).toBe(new FlowVector(rest, network.roots).score(target));
      expect(data.score).toBe(scores.score(target));
      const page = await (await site.get(`/explain?to=${target}&without=${without.join(",")}`, html)).text();
      expect(page.match(/ checked /g)).toHaveLength(without.length);
    }
    expect((await site.get(`/explain?to=${target}&without=nothing`, html)).status).toBe(400);
  });
});

describe("what would change this", () => {
  it("U15 names vouches that lift an agent over the threshold: with one of them the engine says what the page says", async () => {
    const vouches = [...site.registry.view.graph("tools").vouches()];
    const own = new Map(network.identities.map((identity) => [identity.did, identity]));
    let tried = 0;
    for (const { did } of network.identities) {
      const { working } = await site.json(`/explain.json?to=${did}&min=0.25`);
      if (!working.raise || tried > 12) continue;
      for (const { by, confidence, scoreAfter } of working.raise.options) {
        expect(scoreAfter).toBeGreaterThanOrEqual(0.25);
        expect(working.score === "unknown" || working.score < 0.25).toBe(true);
        const given = await Promise.all(
          by.map((voucher: { did: Did }) =>
            issueVouch(own.get(voucher.did)!, { subject: did, scope: ["tools"], confidence }),
          ),
        );
        for (const vouch of given) {
          const rest = vouches.filter(({ issuer, subject }) => issuer !== vouch.issuer || subject !== did);
          const graph = buildTrustGraph([...rest, vouch], { scope: "tools" });
          expect(new FlowVector(graph, network.roots).score(did)).toBe(scoreAfter);
          tried++;
        }
      }
    }
    expect(tried).toBeGreaterThan(3);
  });
});

describe("clusters", () => {
  it("U17 lists rings of made-up agents as thinly joined, with their bridges, and honest communities not", async () => {
    const random = (() => {
      let state = 7;
      return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    })();
    const agents = Array.from({ length: 150 }, () => generateIdentity());
    const pairs = new Set<string>();
    const join = (from: number, to: number): unknown => from !== to && pairs.add(`${from} ${to}`);
    // Four honest communities of 30 that know each other, and one ring of 30 with a single vouch from outside.
    for (let c = 0; c < 5; c++) {
      for (let i = 0; i < 30; i++) {
        for (let k = 0; k < 3; k++) join(c * 30 + i, c * 30 + Math.floor(random() * 30));
        if (c < 4 && i % 4 === 0) join(c * 30 + i, ((c + 1) % 4) * 30 + Math.floor(random() * 30));
      }
    }
    join(3, 125);
    const statements: Statement[] = await Promise.all(
      [...pairs].map((pair) => {
        const [from, to] = pair.split(" ").map(Number) as [number, number];
        return issueVouch(agents[from]!, { subject: agents[to]!.did, scope: ["tools"], confidence: 60 });
      }),
    );
    await using at = await startObservatory({ roots: [agents[0]!.did] });
    await at.publish(...statements);
    const map = await at.json("/map.json");
    const data = await at.json("/clusters.json");
    const ring = new Set(agents.slice(120).map(({ did }) => did));
    // The map draws a line around the same agents, and encloses all of them.
    const dids = [...at.registry.view.agents()];
    expect(map.thin.map((members: number[]) => new Set(members.map((i) => dids[i])))).toEqual([ring]);
    const places: Point[] = map.thin[0].map((i: number) => ({ x: map.x[i], y: map.y[i] }));
    const hull = hullOf(places);
    expect(hull.length).toBeGreaterThan(2);
    for (const [n, a] of hull.entries()) {
      const b = hull[(n + 1) % hull.length]!;
      for (const { x, y } of places)
        expect((b.x - a.x) * (y - a.y) - (b.y - a.y) * (x - a.x)).toBeGreaterThanOrEqual(0);
    }
    const thin = data.clusters.filter((cluster: { thin: boolean }) => cluster.thin);
    expect(thin).toHaveLength(1);
    expect(thin[0].members).toBe(30);
    expect(ring.has(thin[0].first.did)).toBe(true);
    expect(thin[0].bridges).toEqual([
      expect.objectContaining({ from: { did: agents[3]!.did }, to: { did: agents[125]!.did } }),
    ]);
    expect(data.clusters[0]).toEqual(thin[0]);
    const page = await (await at.get("/clusters", html)).text();
    expect(page).toContain("◔ thinly joined");
    expect(page).not.toMatch(/\b(?:fraud|suspect|fake)/i);
  });
});

describe("an orbit", () => {
  it("U14 is the network by the agent's own scores, and the same as a list", async () => {
    const did = network.roots[0]!;
    const data = await site.json(`/a/${did}/orbit.json`);
    const own = new FlowVector(site.registry.view.graph("tools"), [did]);
    for (const { did: other, score } of data.around) expect(score).toBe(own.score(other));
    expect(Number(data.reached) + Number(data.unreached) + 1).toBe(site.registry.view.agentCount);
    const page = await (await site.get(`/a/${did}/orbit`, html)).text();
    expect(page.match(/<li class="row">/g)).toHaveLength(Math.min(30, data.reached));
  });
});

describe.skipIf(!browser)("/try", () => {
  it("U20 A-WEB-03 makes keys that the page cannot export, refuses a tampered copy, and sends and keeps nothing", async () => {
    const context = await browser!.newContext();
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => complaints.push(message.text()));
    await page.goto(`${site.url}/try`);
    await page.getByRole("button", { name: "Start" }).waitFor();
    const requests: string[] = [];
    page.on("request", (request) => requests.push(request.url()));
    await page.getByRole("button", { name: "Start" }).click();
    await page.getByRole("button", { name: "Once more" }).waitFor();
    const said = await page.locator("#steps .outcome p").allTextContents();
    expect(said).toHaveLength(5);
    expect(said.every((text) => text.startsWith("✓"))).toBe(true);
    expect(said[0]).toContain("refused to hand either private key out");
    expect(said[2]).toContain("ERR_PROOF_MISMATCH");
    expect(said[2]).toContain("ERR_PROOF_INVALID");
    expect(said[4]).toContain("unknown before, 0.80 now");
    expect(requests).toEqual([]);
    expect(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie])).toEqual([
      0,
      0,
      "",
    ]);
    expect(complaints).toEqual([]);
    await context.close();
  });
});
