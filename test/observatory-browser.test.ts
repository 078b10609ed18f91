import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Did, generateIdentity, type Identity, issueVouch } from "../core/src/index.ts";
import { launchBrowser } from "./_browser.ts";
import type { ExampleNetwork } from "./_example-network.ts";
import { exampleSite } from "./_example-site.ts";
import { startObservatory, type TestObservatory } from "./_observatory.ts";

const browser: Browser | undefined = await launchBrowser();
afterAll(async () => browser?.close());

/** What a page must not do, whatever it shows. */
interface Watched {
  readonly page: Page;
  readonly complaints: string[];
}

async function watch(context: BrowserContext, origin: string): Promise<Watched> {
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`page error: ${error.message}`));
  page.on("dialog", (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== origin) complaints.push(`foreign request: ${request.url()}`);
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) =>
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`),
    );
  });
  return { page, complaints };
}

describe.skipIf(!browser)("pages in Chromium", () => {
  let network: ExampleNetwork;
  let site: TestObservatory;

  beforeAll(async () => {
    ({ network, site } = await exampleSite(28));
  });
  afterAll(async () => site[Symbol.asyncDispose]());

  const addresses = (): string[] => {
    const vouch = network.statements.find(({ statement }) => statement.kind === "Vouch")!.statement.id;
    const [trusted, stranger] = [network.identities[2]!.did, network.identities.at(-1)!.did];
    return [
      "/",
      "/agents",
      `/a/${trusted}`,
      `/a/${stranger}`,
      `/explain?to=${trusted}`,
      `/v/${vouch}`,
      "/log",
      "/log/30",
      "/feed",
      "/scopes",
      "/scopes/tools",
      "/feed?kind=Vouch&in=tools",
      "/viewpoint",
      "/map",
      "/clusters",
      "/status",
      "/try",
      "/simulate",
      `/a/${trusted}/orbit`,
      `/keys/${network.identities[0]!.did}`,
      `/a/${trusted}?at=40`,
    ];
  };

  for (const javaScriptEnabled of [true, false]) {
    for (const colorScheme of ["dark", "light"] as const) {
      for (const width of [1280, 390]) {
        it(`U1 U12 are complete, quiet and as wide as the window: scripts ${javaScriptEnabled ? "on" : "off"}, ${colorScheme}, ${width} px`, async () => {
          const context = await browser!.newContext({
            javaScriptEnabled,
            colorScheme,
            viewport: { width, height: 800 },
          });
          const { page, complaints } = await watch(context, site.url);
          for (const address of addresses()) {
            await page.goto(site.url + address, { waitUntil: "load" });
            expect(await page.locator("h1").count()).toBe(1);
            const sizes = await page.locator("html").evaluate((html) => [html.scrollWidth, html.clientWidth]);
            expect([address, sizes[0]]).toEqual([address, sizes[1]]);
            const background = await page.locator("body").evaluate((body) => getComputedStyle(body).backgroundColor);
            expect(background).toBe(colorScheme === "dark" ? "rgb(10, 15, 29)" : "rgb(250, 248, 243)");
          }
          await page.goto(`${site.url}/a/${network.identities[2]!.did}`);
          const visible = page.locator(width > 760 ? "svg.chains" : ".chainrows");
          const data = await site.json(`/a/${network.identities[2]!.did}.json`);
          if (data.working.terms.length > 0) expect(await visible.isVisible()).toBe(true);
          expect(complaints).toEqual([]);
          await context.close();
        });
      }
    }
  }

  it("would be caught if they broke their policy", async () => {
    const context = await browser!.newContext();
    const { page, complaints } = await watch(context, site.url);
    await page.goto(site.url);
    await page.evaluate(() => {
      const image = document.createElement("img");
      image.src = "https://foreign.example/x.png";
      const script = document.createElement("script");
      script.append("document.title = 'ran'");
      document.body.append(image);
      try {
        document.body.append(script);
      } catch (error) {
        console.error(String(error));
      }
    });
    await expect
      .poll(() => complaints.filter((complaint) => complaint.startsWith("console: policy")).length)
      .toBeGreaterThan(1);
    expect(await page.title()).not.toBe("ran");
    await context.close();
  });

  it("keep the reader's theme, go to the search field at / and copy the whole DID", async () => {
    const permissions = ["clipboard-read", "clipboard-write"];
    const context = await browser!.newContext({ colorScheme: "light", permissions });
    const { page, complaints } = await watch(context, site.url);
    await page.goto(site.url);
    await page.getByRole("button", { name: "Light or dark" }).click();
    await page.goto(`${site.url}/agents`);
    expect(await page.locator("body").evaluate((body) => getComputedStyle(body).backgroundColor)).toBe(
      "rgb(10, 15, 29)",
    );
    await page.keyboard.press("/");
    expect(await page.evaluate(() => document.activeElement?.getAttribute("name"))).toBe("q");
    const { did } = network.identities[2]!;
    await page.goto(`${site.url}/a/${did}`);
    // It says so for a moment only, which a busy machine may look away from: the page notes that it was said.
    await page.evaluate(() => {
      new MutationObserver((changes) => {
        const copied = changes.find(({ target }) => target.nodeName === "BUTTON" && target.textContent === "Copied");
        if (copied) document.body.dataset["said"] = "Copied";
      }).observe(document.body, { childList: true, subtree: true });
    });
    await page.getByRole("button", { name: "Copy" }).click();
    await page.locator("body[data-said=Copied]").waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(did);
    expect(complaints).toEqual([]);
    await context.close();
  });

  it("show a new entry as it is logged, and hold it back while the reader has paused", async () => {
    const context = await browser!.newContext();
    const { page, complaints } = await watch(context, site.url);
    await page.goto(`${site.url}/feed`);
    await page.getByText("live", { exact: true }).waitFor();
    const size = site.registry.view.size;
    const vouch = (confidence: number): Promise<Awaited<ReturnType<typeof issueVouch>>> =>
      issueVouch(network.identities[0]!, { subject: generateIdentity().did, scope: ["tools"], confidence });
    await site.publish(await vouch(33));
    await page.locator(`li[data-index="${size}"]`).waitFor();
    const line = page.locator(`li[data-index="${size}"]`);
    expect(await line.locator(".conf").textContent()).toBe("33");
    expect(await line.locator("svg.sigil circle").count()).toBe(2);
    expect(await line.locator("a.tag").getAttribute("href")).toBe("/scopes/tools");

    await page.getByRole("button", { name: "Pause" }).click();
    await site.publish(await vouch(34));
    await page.getByText("1 new").waitFor();
    expect(await page.locator(`li[data-index="${size + 1}"]`).count()).toBe(0);
    await page.getByRole("button", { name: "Resume" }).click();
    await page.locator(`li[data-index="${size + 1}"]`).waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });
});

describe.skipIf(!browser)("hostile names in Chromium", () => {
  const hostile: readonly string[] = [
    `<img src=x onerror="alert(1)">`,
    `"><script>alert(2)</script>`,
    `'><svg onload=alert(3)>`,
    `</svg></title></style><script>alert(4)</script>`,
    `</script><script>alert(5)</script>`,
    `javascript:alert(6)`,
    `" onmouseover="alert(7)" x="`,
    `' onfocus='alert(8)' autofocus='`,
    "` onclick=alert(9) `",
    `\${alert(10)}`,
    "abc\u202Egnp.exe",
    "brisk\u200b-quill",
    `Z${"\u0334\u0338".repeat(5000)}`,
    "\x1b[2J\x1b]8;;https://foreign.example\x07click\x1b]8;;\x07",
    "__proto__",
    "constructor",
    "",
    "https://foreign.example/x.png",
    "&lt;b&gt;&#60;script&#62;",
    "A".repeat(5000),
  ];

  it("U13 A-WEB-01 A-WEB-06 are text on every page, in every form, and never stand without the fingerprint", async () => {
    const identities: Identity[] = hostile.map(() => generateIdentity());
    const names = new Map<Did, string>(identities.map(({ did }, i) => [did, hostile[i]!]));
    await using site = await startObservatory({ roots: [identities[0]!.did], names: (did) => names.get(did) });
    const vouches = await Promise.all(
      identities
        .slice(1)
        .map(({ did }, i) => issueVouch(identities[i % 3]!, { subject: did, scope: ["tools"], confidence: 80 })),
    );
    await site.publish(...vouches);

    const context = await browser!.newContext({ viewport: { width: 1280, height: 800 } });
    const { page, complaints } = await watch(context, site.url);
    const addresses = [
      "/",
      "/agents",
      "/log",
      "/log/3",
      "/feed",
      "/scopes",
      "/viewpoint",
      `/v/${vouches[4]!.id}`,
      `/agents?q=${encodeURIComponent(hostile[0]!)}`,
      `/explain?to=${identities[5]!.did}`,
      ...identities.map(({ did }) => `/a/${did}`),
    ];
    for (const address of addresses) {
      await page.goto(site.url + address);
      const found = await page.evaluate(() => ({
        scripts: document.scripts.length,
        elements: document.querySelectorAll(
          "main img, main iframe, main script, [onerror], [onload], [onclick], [onmouseover], [onfocus]",
        ).length,
        links: Array.from(document.links, (link) => link.protocol),
        nameless: Array.from(document.querySelectorAll("a.agent, .star, .node")).filter(
          (agent) => !agent.querySelector(".fp"),
        ).length,
        overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        text: document.body.innerText,
      }));
      expect([address, found.scripts, found.elements, found.nameless, found.overflow]).toEqual([address, 1, 0, 0, 0]);
      expect(new Set(found.links)).toEqual(new Set(["http:"]));
      expect(found.text).not.toMatch(/[\u202a-\u202e\u2066-\u2069\u200b-\u200f\x1b\x07]/);
    }
    // They are shown, not dropped: the visitor sees what was claimed.
    await page.goto(`${site.url}/agents`);
    const text = await page.locator("main").innerText();
    for (const shown of [
      hostile[0]!,
      hostile[1]!,
      "abc\\u{202e}gnp.exe",
      "brisk\\u{200b}-quill",
      "&lt;b&gt;&#60;script&#62;",
    ]) {
      expect(text).toContain(shown);
    }

    // Live lines are built by the script, from the same data.
    await page.goto(`${site.url}/feed`);
    await page.getByText("live", { exact: true }).waitFor();
    const size = site.registry.view.size;
    const late = await Promise.all(
      identities.map(({ did }, i) =>
        issueVouch(identities[(i + 5) % identities.length]!, { subject: did, scope: ["research"], confidence: 50 }),
      ),
    );
    await site.publish(...late);
    await page.locator(`li[data-index="${size + late.length - 1}"]`).waitFor();
    expect(await page.locator("main img, main script").count()).toBe(0);
    for (const agent of await page.locator("li.new a.agent").all()) expect(await agent.locator(".fp").count()).toBe(1);
    expect(complaints).toEqual([]);
    await context.close();

    for (const path of [
      "/index.txt",
      "/agents.txt",
      "/log.txt",
      "/feed.txt",
      "/feed.atom",
      "/agents.json",
      `/a/${identities[13]!.did}.txt`,
    ]) {
      const body = await site.text(path);
      expect([path, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/.exec(body)?.[0]]).toEqual([
        path,
        undefined,
      ]);
      if (path.endsWith(".atom")) expect(body).not.toMatch(/<(?:img|script|svg)/);
    }
  });
});
