import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Did, generateIdentity, type Identity, issueVouch, type Statement } from "../core/src/index.ts";
import { chartOf } from "../observatory/src/map/chart.ts";
import { Layouts, MOST_AGENTS } from "../observatory/src/map/layouts.ts";
import { communityData } from "../observatory/src/ui/community-chart.ts";
import { patchForceGraph } from "../scripts/build-islands.ts";
import { launchBrowser } from "./_browser.ts";
import type { ExampleNetwork } from "./_example-network.ts";
import { exampleSite } from "./_example-site.ts";
import { startObservatory, type TestObservatory } from "./_observatory.ts";

const browser: Browser | undefined = await launchBrowser();
afterAll(async () => browser?.close());

const html = { accept: "text/html" };
/** A busy machine takes its time. */
const patient = { timeout: 30_000 };
let network: ExampleNetwork;
let site: TestObservatory;

beforeAll(async () => {
  ({ network, site } = await exampleSite(90));
});
afterAll(async () => site[Symbol.asyncDispose]());

/** A registry that names so many agents, all vouched for by the first. */
async function star(agents: number): Promise<TestObservatory> {
  const started = await startObservatory();
  const [hub, ...others] = Array.from({ length: agents }, () => generateIdentity());
  const vouches = others.map(({ did }) => issueVouch(hub!, { subject: did, scope: ["tools"], confidence: 50 }));
  await started.publish(...(await Promise.all(vouches)));
  return started;
}

describe("the map", () => {
  it("U6 takes the form that fits the number of agents", async () => {
    expect(MOST_AGENTS).toBe(10_000);
    await using empty = await startObservatory();
    expect(await (await empty.get("/map", html)).text()).toContain("Be the first");
    for (const [agents, form] of [
      [59, "poster"],
      [60, "constellation"],
    ] as const) {
      await using at = await star(agents);
      using layouts = new Layouts();
      expect((await chartOf(at.registry.view, layouts, [])).form).toBe(form);
      const page = await (await at.get("/map", html)).text();
      expect(page.includes("peerage-map")).toBe(form === "constellation");
      expect(/<svg\s+class="sky (poster|still)/.exec(page)?.[1]).toBe(form === "poster" ? "poster" : "still");
    }
    // The bound of a constellation, with a smaller bound in its place: the same code asks for both.
    using layouts = new Layouts();
    const { view } = site.registry;
    expect((await chartOf(view, layouts, [], view.agentCount)).form).toBe("constellation");
    const chart = await chartOf(view, layouts, [], view.agentCount - 1);
    if (chart.form !== "communities") throw new Error(chart.form);
    expect(chart.groups.reduce((sum, { members }) => sum + members, 0)).toBe(view.agentCount);
    const [first] = chart.groups;
    const inside = await chartOf(view, layouts, [first!.first], first!.members);
    if (inside.form !== "constellation") throw new Error(inside.form);
    expect(inside.layout.dids).toHaveLength(first!.members);
    expect(inside.layout.dids).toContain(first!.first);
    // One that is still too large is split again.
    expect((await chartOf(view, layouts, [first!.first], first!.members - 1)).form).toBe("communities");
    await expect(chartOf(view, layouts, [generateIdentity().did])).rejects.toMatchObject({ code: "ERR_NOT_FOUND" });
  });

  it("U6 gives the same positions for the same log, in every process, and keeps those who stood when it grows", async () => {
    const columns = await site.json("/map.json");
    expect(await site.json("/map.json")).toEqual(columns);
    await using other = await startObservatory({ roots: network.roots });
    await other.publish(...network.statements.map(({ statement }) => statement));
    const theirs = await other.json("/map.json");
    expect([theirs.x, theirs.y, theirs.community]).toEqual([columns.x, columns.y, columns.community]);
    const { x, y } = columns;
    expect(Math.max(...x, ...y)).toBeLessThanOrEqual(10_500);

    const fresh = await Promise.all(
      Array.from({ length: 9 }, async () =>
        issueVouch(network.identities[0]!, { subject: generateIdentity().did, scope: ["tools"], confidence: 40 }),
      ),
    );
    await other.publish(...fresh);
    await expect.poll(async () => (await other.json("/map.json")).x.length, patient).toBe(Number(x.length) + 9);
    const grown = await other.json("/map.json");
    const moved: number[] = x.map((value: number, i: number) =>
      Math.hypot(Number(grown.x[i]) - value, Number(grown.y[i]) - Number(y[i])),
    );
    moved.sort((a: number, b: number) => a - b);
    expect(moved[Math.floor(moved.length / 2)]).toBeLessThan(4_000);
  });

  it("A-WEB-06 draws the largest communities, however many small ones somebody makes, and says how many there are", () => {
    const first = generateIdentity().did;
    const groups = Array.from({ length: 9_000 }, (_, i) => ({ first, members: 9_000 - i, inner: 1, x: 0, y: 0 }));
    const bridges = groups.slice(1).map((_, i) => ({ a: i, b: i + 1, vouches: 1 }));
    const shown = communityData({ groups, bridges }, { ref: (did) => ({ did }) });
    expect([shown.groups.length, shown.bridges.length, shown.more]).toEqual([150, 149, 8_850]);
    const few = communityData(
      { groups: groups.slice(0, 3), bridges: bridges.slice(0, 2) },
      { ref: (did) => ({ did }) },
    );
    expect([few.groups.length, few.bridges.length, few.more]).toEqual([3, 2, 0]);
  });

  it("A-WEB-06 is one answer of integer columns for any number of agents, with names by the hundred", async () => {
    const columns = await site.json("/map.json");
    const agents = site.registry.view.agentCount;
    for (const column of ["x", "y", "community", "in", "score"]) {
      expect(columns[column]).toHaveLength(agents);
      expect(columns[column].every(Number.isInteger)).toBe(true);
    }
    expect(columns.from).toHaveLength(site.registry.view.vouchesInForce().length);
    expect(columns.names.length).toBeLessThanOrEqual(26);
    const all = Array.from({ length: agents }, (_, i) => i);
    const names = await site.json(`/map/names.json?i=${all.slice(0, 80).join(",")}`);
    expect(names.map(({ did }: { did: Did }) => did)).toEqual([...site.registry.view.agents()].slice(0, 80));
    expect((await site.get(`/map/names.json?i=${Array.from({ length: 101 }, (_, i) => i).join(",")}`)).status).toBe(
      400,
    );
    expect((await site.get("/map/names.json?i=99999")).status).toBe(404);
    // Scores are the viewpoint's own.
    const [root] = network.roots;
    const own = await site.json(`/map.json?as=${root}`);
    expect(own.score).not.toEqual(columns.score);
    expect(own.roots).toEqual([[...site.registry.view.agents()].indexOf(root!)]);
  });

  it("has its list as a twin: the same agents without scripts, found by the same search", async () => {
    const page = await (await site.get("/map?sort=score", html)).text();
    expect(page.match(/<tr>\s*<td><a\s+class="agent"/g)).toHaveLength(50);
    const name = network.names(network.identities[7]!.did)!;
    const found = await (await site.get(`/map?q=${name}`, html)).text();
    expect(found).toMatch(/map\.json\?select=did:key:/);
    expect(await site.text("/map.txt")).toContain(`${site.registry.view.agentCount} agents`);
  });

  it("is built from force-graph without a style sheet, HTML labels or innerHTML, or not at all", () => {
    const transform = patchForceGraph().transform as unknown as (code: string, id: string) => string | null;
    const good = "import Tooltip from 'float-tooltip';\nstyleInject(css_248z);\n domNode.innerHTML = '';\n";
    expect(transform(good, "x/force-graph.mjs")).not.toMatch(/innerHTML|styleInject\(css|float-tooltip/);
    for (const line of good.trim().split("\n")) {
      expect(() => transform(good.replace(line.trim(), "other()"), "x/force-graph.mjs")).toThrow(
        "force-graph has changed",
      );
    }
    expect(() => transform(`${good}node.innerHTML = name`, "x/force-graph.mjs")).toThrow("markup");
    expect(transform("other", "x/other.mjs")).toBeNull();
  });
});

describe.skipIf(!browser)("the map in Chromium", () => {
  it("U6 pans, zooms, finds, walks by keys and opens what was chosen, without a complaint", async () => {
    const context = await browser!.newContext({ viewport: { width: 1280, height: 900 } });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));
    const asking = new Set<unknown>();
    page.on("request", (request) => request.url().includes("/names.json") && asking.add(request));
    for (const end of ["requestfinished", "requestfailed"] as const)
      page.on(end as "request", (one) => asking.delete(one));
    await page.goto(`${site.url}/map`);
    const canvas = page.locator("peerage-map canvas");
    await canvas.waitFor();
    const pixels = (): Promise<string> => canvas.evaluate((node) => (node as HTMLCanvasElement).toDataURL());
    await page.waitForTimeout(200);
    const whole = await pixels();
    await page.getByRole("button", { name: "Zoom in" }).click();
    await expect.poll(pixels, patient).not.toBe(whole);
    const box = (await canvas.boundingBox())!;
    await page.mouse.move(box.x + 300, box.y + 300);
    const before = await pixels();
    await page.mouse.down();
    await page.mouse.move(box.x + 420, box.y + 340, { steps: 4 });
    await page.mouse.up();
    await expect.poll(pixels, patient).not.toBe(before);
    await page.getByRole("button", { name: "Show all" }).click();

    const stage = page.getByRole("application");
    await stage.focus();
    await page.keyboard.press("ArrowRight");
    const said = page.locator("peerage-map .said");
    await expect.poll(() => said.textContent(), patient).toMatch(/vouch(?:es)? received$/);
    const first = await said.textContent();
    const walked = new Set([first]);
    // Not every way has somebody, and a name may have to be asked for.
    const ways = ["ArrowLeft", "ArrowDown", "ArrowUp", "ArrowRight"];
    let steps = 0;
    await expect
      .poll(async () => {
        await page.keyboard.press(ways[steps++ % ways.length]!);
        return walked.add(await said.textContent()).size;
      }, patient)
      .toBeGreaterThan(2);
    // The last step may still be asking for a name; what has come is drawn in a moment.
    await expect.poll(() => asking.size, patient).toBe(0);
    await page.waitForTimeout(250);
    const open = await page.locator(".starcard a.agent").getAttribute("href");
    await page.keyboard.press("Enter");
    await page.waitForURL(`${site.url}${open}`);

    const { did } = network.identities[7]!;
    await page.goto(`${site.url}/map?q=${did}&lens=trust`);
    await expect.poll(() => page.locator(".starcard a.agent").getAttribute("href"), patient).toContain(did);
    expect(complaints).toEqual([]);
    await context.close();
  });

  it("stays a picture and a list without scripts, and where the registry does not answer", async () => {
    for (const javaScriptEnabled of [false, true]) {
      const context = await browser!.newContext({ javaScriptEnabled });
      const page = await context.newPage();
      await page.route("**/map.json*", (route) => route.abort());
      await page.goto(`${site.url}/map`);
      await page.waitForTimeout(300);
      expect(await page.locator(".mapbox svg.sky").isVisible()).toBe(true);
      expect(await page.locator("#list tbody tr").count()).toBe(50);
      await context.close();
    }
  });

  it("A-WEB-01 shows hostile names as text in its card, its labels and its clusters", async () => {
    const hostile = [
      `<img src=x onerror="alert(1)">`,
      `"><script>alert(2)</script>`,
      "abc\u202Egnp.exe",
      "A".repeat(5000),
    ];
    const agents: Identity[] = Array.from({ length: 64 }, () => generateIdentity());
    const names = new Map<Did, string>(agents.map(({ did }, i) => [did, hostile[i % hostile.length]!]));
    await using at = await startObservatory({ roots: [agents[0]!.did], names: (did) => names.get(did) });
    const vouches: Statement[] = await Promise.all(
      agents
        .slice(1)
        .map(({ did }, i) => issueVouch(agents[i % 5]!, { subject: did, scope: ["tools"], confidence: 80 })),
    );
    await at.publish(...vouches);
    const context = await browser!.newContext({ viewport: { width: 1000, height: 800 } });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => complaints.push(message.text()));
    page.on("dialog", (dialog) => {
      complaints.push(dialog.message());
      void dialog.dismiss();
    });
    for (const i of [0, 1, 2, 3]) {
      await page.goto(`${at.url}/map?q=${agents[i]!.did}`);
      const card = page.locator(".starcard");
      await card.locator(".fp").waitFor();
      expect(await page.locator("main img, main script, main [onerror]").count()).toBe(0);
      expect(await card.innerText()).not.toMatch(/[\u202a-\u202e]/);
      expect((await card.innerText()).length).toBeLessThan(300);
    }
    for (const path of ["/clusters", `/a/${agents[0]!.did}/orbit`, `/keys/${agents[1]!.did}`, `/v/${vouches[3]!.id}`]) {
      await page.goto(at.url + path);
      expect(await page.locator("main img, main script, main [onerror]").count()).toBe(0);
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect([path, overflow]).toEqual([path, 0]);
    }
    // Badge and card as a page elsewhere would show them: pictures that parse, and run nothing.
    for (const name of ["badge.svg", "card.svg", "orbit.svg", "chains.svg"]) {
      for (const { did } of agents.slice(0, 4)) {
        const svg = await at.text(`/a/${did}/${name}`);
        const parsed = await page.evaluate((text) => {
          const parser = new DOMParser();
          try {
            const document = parser.parseFromString(text, "image/svg+xml");
            return [
              document.querySelectorAll("parsererror, script, img, foreignObject, [onerror], [onload]").length,
              document.documentElement.tagName,
            ];
          } catch {
            return "trusted types";
          }
        }, svg);
        if (parsed !== "trusted types") expect(parsed).toEqual([0, "svg"]);
        expect(svg).not.toMatch(/<(?:script|img|foreignObject)|[\u202a-\u202e]/);
      }
    }
    expect(complaints.filter((text) => !text.includes("TrustedHTML"))).toEqual([]);
    await context.close();
  });
});
