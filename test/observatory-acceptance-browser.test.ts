import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { explainTrust, formatVerifierKey, generateIdentity, issueVouch } from "../core/src/index.ts";
import { pictureNames } from "../observatory/src/http/pictures.ts";
import { scoreText } from "../observatory/src/ui/format.ts";
import { openLogKeys } from "../registry/src/keys/log-keys.ts";
import { launchBrowser } from "./_browser.ts";
import type { ExampleNetwork } from "./_example-network.ts";
import { exampleSite, graphOf, trustedIn } from "./_example-site.ts";
import { expectReachableByTab } from "./_keyboard.ts";
import { startObservatory, type TestObservatory } from "./_observatory.ts";
import { temporaryFolder } from "./_registry.ts";
import { startWitnesses } from "./_witnesses.ts";

// As observatory-acceptance.test.ts: what people see, in a browser.

const browser: Browser | undefined = await launchBrowser();
afterAll(async () => browser?.close());

let network: ExampleNetwork;
let site: TestObservatory;

beforeAll(async () => {
  ({ network, site } = await exampleSite(40));
});
afterAll(async () => site[Symbol.asyncDispose]());

describe.skipIf(!browser)("in Chromium", () => {
  async function open(options: Parameters<Browser["newContext"]>[0] = {}): Promise<Page> {
    return (await browser!.newContext(options)).newPage();
  }

  it("U1 an agent's page without scripts shows name, score, viewpoint, chains and vouches, and curl prints them", async () => {
    const { did } = trustedIn(network, site);
    const data = await site.json(`/a/${did}.json`);
    const page = await open({ javaScriptEnabled: false });
    await page.goto(`${site.url}/a/${did}`);
    const text = await page.locator("main").innerText();
    expect(await page.locator("h1").innerText()).toContain(network.names(did)!);
    expect(text).toContain(scoreText(data.score));
    expect(text).toMatch(/as seen by 2 roots/i);
    for (const { voucher } of explainTrust(graphOf(site), { roots: network.roots, target: did }).contributions) {
      expect(
        await page.locator(`main svg a[href="/a/${voucher}"], .chainrows a[href="/a/${voucher}"]`).count(),
      ).toBeGreaterThan(0);
    }
    for (const { id, confidence } of data.received) {
      const row = page.locator("tr", { has: page.locator(`a[href="/v/${id}"]`) }).first();
      expect(await row.innerText()).toContain(String(confidence));
    }
    const card = await (await site.get(`/a/${did}`, { accept: "*/*", "user-agent": "curl/8.9.1" })).text();
    expect(card).toContain(network.names(did)!);
    expect(card).toMatch(new RegExp(`score +${scoreText(data.score)}`));
    expect(card).toContain("as seen by 2 roots");
    expect(card).toContain(did);
    await page.context().close();
  });

  it("U5 a form finds agents by name, DID and prefix, a vouch by its id and an entry by its number, without scripts", async () => {
    const { did } = trustedIn(network, site);
    const vouch = network.statements.find(({ statement }) => statement.kind === "Vouch")!.statement.id;
    const page = await open({ javaScriptEnabled: false });
    for (const [typed, at] of [
      [did, `/a/${did}`],
      [vouch, `/v/${vouch}`],
      ["#12", "/log/12"],
    ] as const) {
      await page.goto(`${site.url}/agents`);
      await page.locator("main input[name=q], input[name=q]").first().fill(typed);
      await page.keyboard.press("Enter");
      await page.waitForURL(site.url + at);
    }
    for (const typed of [network.names(did)!, did.slice(0, 19), did.slice(8, 18)]) {
      await page.goto(`${site.url}/agents`);
      await page.locator("main input[name=q], input[name=q]").first().fill(typed);
      await page.keyboard.press("Enter");
      await page.waitForURL(/[?&]q=/);
      expect([typed, await page.locator(`main a[href="/a/${did}"]`).count()]).not.toEqual([typed, 0]);
    }
    await page.context().close();
  });

  it("U11 U13 A-WEB-01 pictures, Atom and sitemap are well-formed XML that holds nothing of what hostile names ask for", async () => {
    const hostile = [
      "</text><script>alert(1)</script>",
      `"><image href="https://foreign.example/x"/>`,
      "&nbsp;]]><!--",
      "\u202e\u0007\u0000x",
    ];
    const people = hostile.map(() => generateIdentity());
    const names = new Map(people.map(({ did }, i) => [did, hostile[i]!]));
    const vouches = people
      .slice(1)
      .map(({ did }) => issueVouch(people[0]!, { subject: did, scope: ["tools"], confidence: 77 }));
    await using at = await startObservatory({ roots: [people[0]!.did], names: (did) => names.get(did) });
    await at.publish(...(await Promise.all(vouches)));
    const page = await open();
    const paths = [
      "/feed.atom",
      "/sitemap.xml",
      ...people.flatMap(({ did }) => pictureNames.map((name) => `/a/${did}/${name}`)),
    ];
    for (const path of paths) {
      const text = await at.text(path);
      const found = await page.evaluate(
        ([xml, type]) => {
          const parsed = new DOMParser().parseFromString(xml!, type as "image/svg+xml");
          return {
            broken: parsed.querySelector("parsererror")?.textContent ?? null,
            root: parsed.documentElement.localName,
            bad: parsed.querySelectorAll("script, image, foreignObject, [onload], [onerror]").length,
          };
        },
        [text, path.endsWith(".svg") ? "image/svg+xml" : "application/xml"],
      );
      const root = path.endsWith(".svg") ? "svg" : path.endsWith(".atom") ? "feed" : "urlset";
      expect([path, found]).toEqual([path, { broken: null, root, bad: 0 }]);
      expect(text).not.toMatch(/[\u202a-\u202e\x00-\x08]/);
    }
    await page.context().close();
  });

  it("U4 U8 A-WEB-05 witnesses elsewhere are counted, and a flipped byte in one of their lines is their own cross", async () => {
    using folder = temporaryFolder();
    const { log } = await openLogKeys(join(folder.path, "keys"), { mayCreate: true });
    using witnesses = await startWitnesses(3, [formatVerifierKey(log.key)]);
    const quorum = { witnesses: witnesses.parties, threshold: 2, fetch: witnesses.fetch };
    await using at = await startObservatory({ dataDir: folder.path, witnesses: quorum });
    const [alice, bob] = [generateIdentity(), generateIdentity()];
    const vouch = await issueVouch(alice, { subject: bob.did, scope: ["tools"], confidence: 50 });
    await at.publish(vouch);
    const verdicts = async (tamper: (note: string) => string): Promise<Record<string, readonly string[]>> => {
      const page = await open();
      await page.route("**/proofs.json*", async (route) => {
        const answer = await route.fetch();
        const bundle = (await answer.json()) as { checkpoint: string };
        await route.fulfill({ response: answer, json: { ...bundle, checkpoint: tamper(bundle.checkpoint) } });
      });
      await page.goto(`${at.url}/v/${vouch.id}`);
      await page.locator("button.verify").first().click();
      await page.locator("peerage-verify .summary").first().waitFor();
      const lines = await page
        .locator("[data-check]")
        .evaluateAll((nodes) =>
          nodes.map(
            (node) =>
              [
                node.getAttribute("data-check") ?? "",
                [node.getAttribute("data-verdict") ?? "", node.lastElementChild?.textContent ?? ""] as const,
              ] as const,
          ),
        );
      await page.context().close();
      return Object.fromEntries(lines);
    };
    const whole = await verdicts((note) => note);
    expect(await (await at.get("/log", { accept: "text/html" })).text()).toMatch(/✓ [23] of 3 cosigned, 2 must/);
    expect((await at.json("/log.json")).witnesses).toMatchObject({ of: 3, threshold: 2 });
    expect(whole["witnesses"]).toEqual(["holds", expect.stringMatching(/^[23] of 3 cosigned, the first at 20/)]);
    const name = witnesses.parties.map(({ key }) => key.name);
    const altered = await verdicts((note) =>
      note
        .split("\n")
        .map((line, i, all) =>
          i === all.findIndex((one) => name.some((of) => one.startsWith(`— ${of} `))) ? flipped(line) : line,
        )
        .join("\n"),
    );
    expect(altered["witnesses"]?.[0]).toBe("fails");
    expect(altered["witnesses"]?.[1]).toContain("1 line does not hold");
    for (const [check, [verdict]] of Object.entries(whole)) {
      if (check !== "witnesses") expect([check, altered[check]?.[0]]).toEqual([check, verdict]);
    }
    const stripped = await verdicts((note) =>
      note
        .split("\n")
        .filter((line) => !name.some((of) => line.startsWith(`— ${of} `)))
        .join("\n"),
    );
    expect(stripped["witnesses"]).toEqual(["fails", "0 of 3 cosigned, 2 must have"]);
  });

  it("U12 every control of home and of an agent is reached by the Tab key, in the order of the page, and shows that it is", async () => {
    const { did } = trustedIn(network, site);
    const page = await open({ viewport: { width: 1280, height: 800 } });
    for (const path of ["/", `/a/${did}`]) {
      await page.goto(site.url + path, { waitUntil: "load" });
      await expectReachableByTab(page, path);
    }
    await page.context().close();
  });

  it("prints dark on white without what only a screen can use, whatever the theme", async () => {
    const { did } = trustedIn(network, site);
    const page = await open({ colorScheme: "dark" });
    await page.goto(`${site.url}/a/${did}`);
    await page.emulateMedia({ media: "print", colorScheme: "dark" });
    const printedPage = await page.evaluate(() => {
      const light = (color: string): number => {
        const [r = 0, g = 0, b = 0] = (/[\d.]+/g[Symbol.match](color) ?? []).map(Number);
        return (r + g + b) / 3;
      };
      const body = getComputedStyle(document.body);
      return {
        ink: light(body.color),
        paper: light(body.backgroundColor),
        wide: document.documentElement.scrollWidth - innerWidth,
      };
    });
    expect(printedPage.ink).toBeLessThan(80);
    expect(printedPage.paper).toBeGreaterThan(235);
    for (const hidden of [".top", "button.verify"]) {
      expect([hidden, await page.locator(hidden).first().isVisible()]).toEqual([hidden, false]);
    }
    expect(await page.locator("main h1").isVisible()).toBe(true);
    await page.context().close();
  });
});

/** A signature line with one byte of the signature altered. */
function flipped(line: string): string {
  const at = line.length - 12;
  return line.slice(0, at) + (line[at] === "A" ? "B" : "A") + line.slice(at + 1);
}
