import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { axeViolations } from "../_axe.ts";
import { launchBrowser } from "../_browser.ts";
import { Home } from "../_cli.ts";
import { node } from "../_mcp.ts";
import { type Running, startProcess } from "../_running.ts";

const script = fileURLToPath(new URL("../../scripts/demo-network.ts", import.meta.url));
const artifacts = fileURLToPath(new URL("../artifacts/", import.meta.url));
const browser: Browser | undefined = await launchBrowser();
afterAll(async () => browser?.close());

describe.skipIf(!browser)("every public page over the demo network", () => {
  let home: Home;
  let demo: Running;
  let url: string;
  let pages: readonly (readonly [name: string, path: string])[];

  beforeAll(async () => {
    home = await Home.make();
    demo = startProcess(home, node, [script, "--agents", "140", "--port", "0", "--json"]);
    const line = await vi.waitFor(
      () => {
        const [found] = /^\{"url".*\}$/m.exec(demo.written()) ?? [];
        if (found === undefined) throw new Error(`the network is not there yet: ${demo.written().slice(-200)}`);
        return found;
      },
      { timeout: 170_000, interval: 100 },
    );
    const summary = JSON.parse(line) as { url: string; rings: string[][] };
    ({ url } = summary);
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the shape is that of each page
    const json = async (path: string): Promise<any> => (await fetch(url + path)).json();
    const { agents } = await json("/agents.json?sort=score");
    const trusted = agents.find(({ score }: { score: number }) => score < 1).did;
    const fake = summary.rings[0]![1]!;
    const { received } = await json(`/a/${trusted}.json`);
    pages = [
      ["home", "/"],
      ["agents", "/agents?sort=score"],
      ["search", "/agents?q=invoice"],
      ["agent", `/a/${trusted}`],
      ["agent-of-a-ring", `/a/${fake}`],
      ["orbit", `/a/${trusted}/orbit`],
      ["keys", `/keys/${trusted}`],
      ["explain", `/explain?to=${trusted}`],
      ["what-if", `/explain?to=${trusted}&without=${received[0].id}`],
      ["vouch", `/v/${received[0].id}`],
      ["map", "/map"],
      ["map-past", "/map?lens=trust&at=200"],
      ["log", "/log"],
      ["entry", "/log/30"],
      ["feed", "/feed"],
      ["feed-filtered", "/feed?kind=Revocation"],
      ["scopes", "/scopes"],
      ["scope", "/scopes/payments"],
      ["clusters", "/clusters"],
      ["simulate", "/simulate"],
      ["try", "/try"],
      ["viewpoint", "/viewpoint"],
      ["status", "/status"],
      ["missing", "/no/such/page"],
    ];
  }, 180_000);
  afterAll(async () => {
    await demo[Symbol.asyncDispose]();
    await home[Symbol.asyncDispose]();
  });

  function watch(page: Page): string[] {
    const complaints: string[] = [];
    page.on("console", (message) => {
      // The answer of a page that is not there is 404, and Chromium says so.
      if (["error", "warning"].includes(message.type()) && !message.text().includes("404")) {
        complaints.push(message.text());
      }
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("request", (request) => {
      if (new URL(request.url()).origin !== url) complaints.push(`foreign request: ${request.url()}`);
    });
    return complaints;
  }

  for (const javaScriptEnabled of [true, false]) {
    for (const colorScheme of ["light", "dark"] as const) {
      for (const width of [1280, 390]) {
        it(`U12 must hold 1: is complete, quiet and as wide as the window, and axe finds nothing: scripts ${javaScriptEnabled ? "on" : "off"}, ${colorScheme}, ${width} px`, async () => {
          // The policy of the pages would not let axe in; it is bypassed for nothing else.
          const look = { colorScheme, viewport: { width, height: 900 }, bypassCSP: true };
          const context = await browser!.newContext({ ...look, javaScriptEnabled });
          const page = await context.newPage();
          const complaints = watch(page);
          // Axe itself is a script: where scripts are off, it looks at the same page without its own.
          const bare = javaScriptEnabled ? undefined : await browser!.newContext(look);
          await bare?.route("**/*.js", (route) => route.abort());
          const seen = (await bare?.newPage()) ?? page;
          mkdirSync(artifacts, { recursive: true });
          for (const [name, path] of pages) {
            await page.goto(url + path, { waitUntil: "load" });
            if (javaScriptEnabled && name.startsWith("map")) await page.locator("peerage-map canvas").waitFor();
            expect([name, await page.locator("h1").count()]).toEqual([name, 1]);
            const sizes = await page.locator("html").evaluate((html) => [html.scrollWidth, html.clientWidth]);
            expect([name, sizes[0]]).toEqual([name, sizes[1]]);
            const background = await page.locator("body").evaluate((body) => getComputedStyle(body).backgroundColor);
            expect(background).toBe(colorScheme === "dark" ? "rgb(10, 15, 29)" : "rgb(250, 248, 243)");
            const file = `observatory-${name}-${colorScheme}-${width}${javaScriptEnabled ? "" : "-nojs"}.png`;
            await page.screenshot({ path: artifacts + file, fullPage: true });
            if (seen !== page) await seen.goto(url + path, { waitUntil: "load" });
            expect([name, await axeViolations(seen)]).toEqual([name, []]);
          }
          expect(complaints).toEqual([]);
          await context.close();
          await bare?.close();
        });
      }
    }
  }
});
