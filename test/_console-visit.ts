import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Did } from "@peerage/core";
import type { Browser, Page } from "playwright-core";
import { expect } from "vitest";
import { type TestConsole, watchPage } from "./_console.ts";

const artifacts = fileURLToPath(new URL("./artifacts/", import.meta.url));

export interface VisitOptions {
  readonly javaScriptEnabled: boolean;
  readonly colorScheme: "light" | "dark";
  readonly width: number;
  /** An agent that has called. */
  readonly did: Did;
  readonly axe: (page: Page) => Promise<string[]>;
  /** Of the pages only these. */
  readonly only?: readonly string[];
  /** True: pictures of all pages are kept in `test/artifacts`. */
  readonly pictures?: boolean;
}

/** Visits every page of a console as one kind of browser: complete, quiet, as wide as the window, and accessible. */
export async function visitConsole(browser: Browser, site: TestConsole, options: VisitOptions): Promise<void> {
  const { javaScriptEnabled, colorScheme, width, did } = options;
  const { calls } = await site.json("/calls.json?verdict=refused");
  const { open } = await site.json("/approvals.json");
  const pages: readonly (readonly [name: string, path: string])[] = [
    ["live", "/"],
    ["replay", `/?lens=trust&at=${Math.floor(Date.now() / 1000) - 60}`],
    ["calls", "/calls"],
    ["call", `/calls/${calls[0].id}`],
    ["approvals", "/approvals"],
    ["approval", `/approvals/${open[0].id}`],
    ["approver", "/approver"],
    ["policy", "/policy"],
    ["audit", "/audit"],
    ["agent", `/agents/${did}`],
    ["missing", "/no/such/page"],
  ];
  // The policy of the pages would not let axe in; it is bypassed for nothing else.
  const look = { colorScheme, viewport: { width, height: 900 }, bypassCSP: true };
  const context = await site.browser(browser, { ...look, javaScriptEnabled });
  const page = await context.newPage();
  // Axe itself is a script: where scripts are off, it looks at the same page without its own.
  const bare = javaScriptEnabled ? undefined : await site.browser(browser, look);
  await bare?.route("**/*.js", (route) => route.abort());
  const seen = (await bare?.newPage()) ?? page;
  const complaints = watchPage(page, site.url);
  if (options.pictures === true) mkdirSync(artifacts, { recursive: true });
  for (const [name, path] of pages) {
    if (options.only && !options.only.includes(name)) continue;
    await page.goto(site.url + path, { waitUntil: "load" });
    if (javaScriptEnabled && name === "live") await page.getByText("live", { exact: true }).waitFor();
    if (javaScriptEnabled && name === "approver") await page.getByRole("button").first().waitFor();
    expect([name, await page.locator("h1").count()]).toEqual([name, 1]);
    const sizes = await page.locator("html").evaluate((html) => [html.scrollWidth, html.clientWidth]);
    expect([name, sizes[0]]).toEqual([name, sizes[1]]);
    const background = await page.locator("body").evaluate((body) => getComputedStyle(body).backgroundColor);
    expect(background).toBe(colorScheme === "dark" ? "rgb(10, 15, 29)" : "rgb(250, 248, 243)");
    if (seen !== page) await seen.goto(site.url + path, { waitUntil: "load" });
    expect([name, await options.axe(seen)]).toEqual([name, []]);
    if (options.pictures === true) {
      const file = `console-${name}-${colorScheme}-${width}-${javaScriptEnabled ? "js" : "nojs"}.png`;
      await page.screenshot({ path: `${artifacts}${file}`, fullPage: true });
    }
  }
  await page.goto(site.url);
  expect(await page.locator(width > 760 ? "svg.topology.wide" : "svg.topology.narrow").isVisible()).toBe(true);
  expect(await page.locator("table.calls tbody tr").count()).toBeGreaterThan(3);
  // The page that is missing says so by its status, which browsers log.
  expect(complaints.filter((text) => !text.includes("status of 404"))).toEqual([]);
  await context.close();
  await bare?.close();
}
