import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Did, generateIdentity, issueVouch } from "../core/src/index.ts";
import type { OrbitColumns } from "../observatory/src/map-columns.ts";
import { orbitPlace, wayTo } from "../observatory/src/map/orbit-place.ts";
import { launchBrowser } from "./_browser.ts";
import { type ExampleNetwork, exampleNetwork } from "./_example-network.ts";
import { startObservatory, type TestObservatory } from "./_observatory.ts";

const browser: Browser | undefined = await launchBrowser();
afterAll(async () => browser?.close());

const html = { accept: "text/html" };
let network: ExampleNetwork;
let site: TestObservatory;
let hub: Did;
let path: string;

beforeAll(async () => {
  network = await exampleNetwork(90, new Date());
  site = await startObservatory({ roots: network.roots, names: network.names });
  await site.publish(...network.statements.map(({ statement }) => statement));
  hub = network.roots[0]!;
  path = `/a/${hub}/orbit`;
});
afterAll(async () => site[Symbol.asyncDispose]());

/** Scores as they are, where the columns have steps. */
function scoresOf({ score }: OrbitColumns): number[] {
  let last = 1_000;
  return score.map((step) => (last -= step));
}

describe("an orbit", () => {
  it("U14 has one place for each agent, in the columns for scripts as in the server's picture", async () => {
    const columns: OrbitColumns = await site.json(`${path}/map.json`);
    const { around, reached, unreached } = await site.json(`${path}.json`);
    expect([columns.score.length, columns.unreached]).toEqual([reached, unreached]);
    const scores = scoresOf(columns);
    const page = await (await site.get(path, html)).text();
    const [svg] = /<svg class="orbit[\s\S]*?<\/svg>/.exec(page)!;
    const linked = [...svg.matchAll(/<a href="\/a\/([^"/]+)"[\s\S]*?x="([^"]+)"\s+y="([^"]+)"/g)];
    expect(linked.length).toBeGreaterThan(10);
    for (const [i, [, did, x, y]] of linked.entries()) {
      expect(did).toBe(around[i].did);
      const place = orbitPlace(scores[i]!, columns.angle[i]!, columns.least);
      expect(Number(x) + 9).toBeCloseTo(430 + place.x * 418, 0);
      expect(Number(y) + 9).toBeCloseTo(430 + place.y * 418, 0);
    }
  });

  it("U14 is joined by vouches that are in force, from the middle to everybody", async () => {
    const { through }: OrbitColumns = await site.json(`${path}/map.json`);
    const numbers = through.map((_, i) => i);
    const names = await site.json(
      `${path}/map/names.json?version=${site.registry.view.graph("tools").digest}&i=${numbers.slice(0, 100).join(",")}`,
    );
    const graph = site.registry.view.graph("tools");
    for (const i of numbers) {
      const way = [hub, ...wayTo(i, through).map((n) => names[n].did as Did)];
      expect(new Set(way).size).toBe(way.length);
      for (const [n, subject] of way.slice(1).entries()) expect(graph.vouch(way[n]!, subject)).toBeDefined();
    }
  });

  it("U14 tells that numbers are those of another orbit, and refuses to name more than a hundred", async () => {
    const { digest } = site.registry.view.graph("tools");
    expect((await site.get(`${path}/map/names.json?i=0&version=sha256:other`)).status).toBe(404);
    const many = Array.from({ length: 101 }, (_, i) => i).join(",");
    expect((await site.get(`${path}/map/names.json?i=${many}&version=${digest}`)).status).toBe(400);
    expect((await site.get(`${path}/map/names.json?i=0&version=${digest}`)).status).toBe(200);
  });

  it("U14 is drawn for any DID, also one that nobody has named", async () => {
    const stranger = generateIdentity().did;
    const page = await site.get(`/a/${stranger}/orbit`, html);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain("The log has never named this agent");
    const asked = await fetch(`${site.url}${path}?of=${stranger}`, { headers: html, redirect: "manual" });
    expect([asked.status, asked.headers.get("location")]).toEqual([302, `/a/${stranger}/orbit`]);
    expect((await site.get(`${path}?of=nobody`)).status).toBe(400);
  });

  it("U14 lists page by page whom the picture shows, everybody once", async () => {
    const { reached } = await site.json(`${path}.json`);
    const seen: string[] = [];
    let next: string | undefined = `${path}.json`;
    while (next !== undefined) {
      const data: { list: { did: string }[]; next?: string } = await site.json(next);
      seen.push(...data.list.map(({ did }) => did));
      next = data.next === undefined ? undefined : `${path}.json?after=${data.next}`;
    }
    expect([seen.length, new Set(seen).size]).toEqual([reached, reached]);
  });
});

describe("the vouches of an agent", () => {
  it("are a link away where there are many, page by page, without scripts", async () => {
    const [subject, ...issuers] = Array.from({ length: 61 }, () => generateIdentity());
    const vouches = issuers.map((issuer) =>
      issueVouch(issuer, { subject: subject!.did, scope: ["tools"], confidence: 50 }),
    );
    await site.publish(...(await Promise.all(vouches)));
    const address = `/a/${subject!.did}`;
    const front = await (await site.get(address, html)).text();
    expect(front).toContain("60 vouches in");
    expect(front.match(/<tr class="[^"]*" data-entry=/g)).toHaveLength(6);
    const [, all] = /<a href="([^"]*vouches=received[^"]*)">All 60 vouches received/.exec(front)!;
    const seen: string[] = [];
    let next: string | undefined = all;
    while (next !== undefined) {
      const page: string = await (await site.get(next.replaceAll("&amp;", "&"), html)).text();
      seen.push(...[...page.matchAll(/<tr class="[^"]*" data-entry="(\d+)"/g)].map(([, index]) => index!));
      next = /<a href="([^"]*vouches=received[^"]*)">Next</.exec(page)?.[1];
    }
    expect([seen.length, new Set(seen).size]).toEqual([60, 60]);
  });
});

describe.skipIf(!browser)("an orbit in Chromium", () => {
  it("U14 shows the score and the way to whom the pointer is over, at the place of the server's picture", async () => {
    const columns: OrbitColumns = await site.json(`${path}/map.json`);
    const context = await browser!.newContext({ viewport: { width: 1280, height: 1000 } });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto(site.url + path);
    const canvas = page.locator("peerage-map canvas");
    await canvas.waitFor();
    await canvas.scrollIntoViewIfNeeded();
    // Somebody to whom another leads, with room around: the furthest out.
    const i = columns.through.findLastIndex((before) => before >= 0);
    const place = orbitPlace(scoresOf(columns)[i]!, columns.angle[i]!, columns.least);
    const card = page.locator(".starcard");
    await expect
      .poll(
        async () => {
          const box = (await canvas.boundingBox())!;
          const scale = Math.min(box.width, box.height) / 2 - 8;
          await page.mouse.move(box.x + box.width / 2 + place.x * scale, box.y + box.height / 2 + place.y * scale);
          return (await card.isVisible()) ? card.locator(".chain").textContent() : "";
        },
        { timeout: 30_000 },
      )
      .toMatch(/ → .* → /);
    expect(await card.innerText()).toContain(`${(scoresOf(columns)[i]! / 1_000).toFixed(2)} from here`);
    const { did } = (await site.json(`${path}.json`)).around[i];
    expect(await card.locator("a.agent").getAttribute("href")).toBe(`/a/${did}`);
    expect(complaints).toEqual([]);
    await context.close();
  });

  it("U21 is a picture on a page elsewhere, and so are the chains of a score, light and dark", async () => {
    const trusted = network.identities.find(({ did }) => !network.roots.includes(did))!.did;
    const pictures = [`${path}.svg`, `/a/${trusted}/chains.svg`].flatMap((svg) => [svg, `${svg}?theme=dark`]);
    for (const svg of pictures) {
      const answer = await site.get(svg);
      expect(answer.headers.get("cross-origin-resource-policy")).toBe("cross-origin");
      expect(await answer.text()).not.toMatch(/<script|<style|style=|href=|<image/);
    }
    expect((await site.get(`${path}.svg?theme=pink`)).status).toBe(400);
    const images = pictures.map((svg) => `<img src="${site.url}${svg}">`).join("");
    const elsewhere = createServer((_, answer) => {
      answer.setHeader("content-type", "text/html").end(`<!doctype html><title>elsewhere</title>${images}`);
    }).listen(0, "127.0.0.1");
    await new Promise((listening) => elsewhere.once("listening", listening));
    const context = await browser!.newContext();
    const page = await context.newPage();
    await page.goto(`http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/`);
    const widths = await page.evaluate(() => Array.from(document.images, (image) => image.naturalWidth));
    expect(widths).toEqual([420, 420, 1080, 1080]);
    await context.close();
    elsewhere.close();
  });
});
