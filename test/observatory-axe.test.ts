import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { brotliCompressSync } from "node:zlib";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launchBrowser } from "./_browser.ts";
import { type ExampleNetwork, exampleNetwork } from "./_example-network.ts";
import { startObservatory, type TestObservatory } from "./_observatory.ts";
import { firstLoad, wireBytes } from "./_page-load.ts";

const browser: Browser | undefined = await launchBrowser();
afterAll(async () => browser?.close());

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

let network: ExampleNetwork;
let site: TestObservatory;

beforeAll(async () => {
  network = await exampleNetwork(70, new Date());
  site = await startObservatory({ roots: network.roots, names: network.names });
  await site.publish(...network.statements.map(({ statement }) => statement));
});
afterAll(async () => site[Symbol.asyncDispose]());

const addresses = (): string[] => {
  const vouch = network.statements.find(({ statement }) => statement.kind === "Vouch")!.statement.id;
  const [root, trusted, stranger] = [network.roots[0]!, network.identities[2]!.did, network.identities.at(-1)!.did];
  return [
    "/",
    "/map",
    "/map?lens=trust&at=90",
    "/agents",
    `/a/${trusted}`,
    `/a/${stranger}`,
    `/a/${trusted}/orbit`,
    `/keys/${root}`,
    `/explain?to=${trusted}`,
    `/v/${vouch}`,
    "/log",
    "/log/30",
    "/feed",
    "/scopes",
    "/scopes/tools",
    "/clusters",
    "/status",
    "/try",
    "/simulate",
    "/viewpoint",
    "/no/such/page",
  ];
};

describe.skipIf(!browser)("accessibility", () => {
  for (const [colorScheme, width] of [
    ["dark", 1280],
    ["light", 390],
  ] as const) {
    it(`U12 axe finds nothing on any page: ${colorScheme}, ${width} px`, async () => {
      // The policy of the pages would not let axe in; it is bypassed for nothing else.
      const context = await browser!.newContext({ bypassCSP: true, colorScheme, viewport: { width, height: 800 } });
      const page = await context.newPage();
      for (const address of addresses()) {
        await page.goto(site.url + address);
        if (address.startsWith("/map")) await page.locator("peerage-map canvas").waitFor();
        const verify = page.locator("button.verify").first();
        if (/^\/(?:v|a|try)/.test(address) && (await verify.count()) > 0) {
          await verify.click();
          await page.locator(".summary, .outcome p").last().waitFor();
        }
        await page.evaluate(axeSource);
        const violations = await page.evaluate(async (values) => {
          const { axe } = globalThis as unknown as {
            axe: {
              run(
                where: Document,
                options: object,
              ): Promise<{
                violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
              }>;
            };
          };
          const found = await axe.run(document, { runOnly: { type: "tag", values } });
          return found.violations.map(
            ({ id, nodes }) => `${id}: ${nodes[0]!.html.slice(0, 200)} ${nodes[0]!.failureSummary}`,
          );
        }, rules);
        expect([address, violations]).toEqual([address, []]);
      }
      await context.close();
    });
  }

  it("U12 pages are usable at 320 px and at twice the size, without sideways scrolling", async () => {
    for (const [width, zoom] of [
      [320, 1],
      [640, 2],
    ] as const) {
      const context = await browser!.newContext({
        viewport: { width: width / zoom, height: 700 },
        deviceScaleFactor: zoom,
      });
      const page = await context.newPage();
      for (const address of addresses()) {
        await page.goto(site.url + address);
        const over = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        expect([address, width, over]).toEqual([address, width, 0]);
        expect(await page.locator("h1").count()).toBe(1);
      }
      await context.close();
    }
  });

  it("U12 nothing moves for those who ask for it, and every control can be reached and seen by keyboard", async () => {
    const context = await browser!.newContext({ reducedMotion: "reduce" });
    const page = await context.newPage();
    await page.goto(site.url);
    const animated = await page.evaluate(() => document.getAnimations().length);
    expect(animated).toBe(0);
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Skip to content");
    await page.keyboard.press("Enter");
    await page.waitForURL(/#main$/);
    await page.keyboard.press("Tab");
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle);
    expect(outline).not.toBe("none");
    await context.close();
  });
});

describe("budgets", () => {
  it("keep pages, requests and the parts that run in browsers within the design's figures at 200 agents", async () => {
    const large = await exampleNetwork(200, new Date());
    await using at = await startObservatory({ roots: large.roots, names: large.names });
    await at.publish(...large.statements.map(({ statement }) => statement));
    const did = large.identities[3]!.did;
    const KiB = 1024;
    const limits: readonly (readonly [string, number, number])[] = [
      ["/", 20 * KiB, 5],
      [`/a/${did}`, 16 * KiB, 4],
      ["/agents", 18 * KiB, 4],
      ["/map", 24 * KiB, 5],
      ["/simulate", 20 * KiB, 5],
    ];
    for (const [address, most, requests] of limits) {
      const load = await firstLoad(at, address);
      expect([address, load.bytes <= most || load.bytes]).toEqual([address, true]);
      expect(load.requests).toBeLessThanOrEqual(requests);
    }
    expect(await wireBytes(at, "/map.json")).toBeLessThanOrEqual(20 * KiB);
    const island = async (page: string): Promise<number> => {
      const html = await (await at.get(page, { accept: "text/html" })).text();
      const path = /data-src="([^"]+)"/.exec(html)![1]!;
      const code = await at.text(path);
      expect(code).not.toMatch(/\bimport\b[^"']*["']node:|require\(["']node:/);
      return brotliCompressSync(code).length;
    };
    expect(await island(`/a/${did}`)).toBeLessThanOrEqual(40 * KiB);
    expect(await island("/map")).toBeLessThanOrEqual(60 * KiB);
    expect(await island("/try")).toBeLessThanOrEqual(40 * KiB);
    expect(await island("/simulate")).toBeLessThanOrEqual(120 * KiB);
  });

  it("A-WEB-06 does not ask more of the store or the network for more agents", async () => {
    const counts: number[][] = [];
    for (const agents of [20, 160]) {
      const example = await exampleNetwork(agents, new Date());
      await using at = await startObservatory({ roots: example.roots, names: example.names });
      await at.publish(...example.statements.map(({ statement }) => statement));
      const row: number[] = [];
      for (const path of ["/", "/agents", `/a/${example.identities[2]!.did}`]) {
        const before = at.reads();
        row.push((await firstLoad(at, path)).requests, at.reads() - before);
      }
      counts.push(row);
    }
    expect(counts[0]).toEqual(counts[1]);
  });
});
