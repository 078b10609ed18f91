import { generateIdentity } from "@peerage/core";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { axeViolations } from "../_axe.ts";
import { launchBrowser } from "../_browser.ts";
import { checkedRun, examplePolicy, exampleTraffic, startConsole, type TestConsole } from "../_console.ts";
import { visitConsole } from "../_console-visit.ts";
import { unsigned } from "../_guard.ts";
import { expectReachableByTab } from "../_keyboard.ts";

const browser: Browser | undefined = await launchBrowser();
afterAll(async () => browser?.close());

describe.skipIf(!browser)("every page of the console", () => {
  let site: TestConsole;

  beforeAll(async () => {
    site = await startConsole();
    const [human, fraud] = [generateIdentity(), generateIdentity()];
    const guard = await site.addGuard("search-server", examplePolicy([human.did], fraud.did));
    await exampleTraffic(guard, site.people);
    await guard.send(unsigned(77));
    await guard.call(site.people["vivid-weaver"]!, "run_shell");
    const agent = site.people["mossy-weaver"]!;
    const history = await checkedRun(agent, fraud, new Date(Date.now() - 60_000));
    const args = {
      amount_cents: 1_000_000,
      currency: "EUR",
      to: "DE89 3704 0044 0532 0130 00",
      memo: "refund order 4471",
    };
    expect(await guard.call(agent, "transfer_funds", args, { history })).toBe("ERR_APPROVAL_REQUIRED");
    const second = await site.addGuard("mail-server", examplePolicy([human.did], fraud.did));
    await exampleTraffic(second, site.people, 3);
  });
  afterAll(async () => site[Symbol.asyncDispose]());

  for (const javaScriptEnabled of [true, false]) {
    for (const colorScheme of ["light", "dark"] as const) {
      for (const width of [1280, 390]) {
        it(`U12 is complete, quiet and as wide as the window, and axe finds nothing: scripts ${javaScriptEnabled ? "on" : "off"}, ${colorScheme}, ${width} px`, async () => {
          const { did } = site.people["eager-ledger"]!;
          const look = { javaScriptEnabled, colorScheme, width };
          await visitConsole(browser!, site, { ...look, did, axe: axeViolations, pictures: true });
        });
      }
    }
  }

  it("U12 is usable at 320 px, and every control is reached and seen by the keyboard alone", async () => {
    const { did } = site.people["eager-ledger"]!;
    const context = await site.browser(browser!, { viewport: { width: 320, height: 800 } });
    const page = await context.newPage();
    const [{ id: call }] = (await site.json("/calls.json?verdict=refused")).calls;
    const [{ id: item }] = (await site.json("/approvals.json")).open;
    for (const path of [
      "/",
      `/calls/${call}`,
      `/approvals/${item}`,
      "/approver",
      "/policy",
      "/audit",
      `/agents/${did}`,
    ]) {
      await page.goto(site.url + path, { waitUntil: "load" });
      if (path === "/") await page.getByText("live", { exact: true }).waitFor();
      if (path === "/approver") await page.getByRole("button").first().waitFor();
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect([path, over]).toEqual([path, 0]);
      // What is live is drawn anew while calls come in; nothing comes in here.
      await expectReachableByTab(page, path);
    }
    await context.close();
  });
});
