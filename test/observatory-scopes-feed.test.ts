import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FlowVector, issueProfile, issueVouch } from "../core/src/index.ts";
import { launchBrowser } from "./_browser.ts";
import type { ExampleNetwork } from "./_example-network.ts";
import { exampleSite } from "./_example-site.ts";
import type { TestObservatory } from "./_observatory.ts";

const browser: Browser | undefined = await launchBrowser();
const html = { accept: "text/html" };
let network: ExampleNetwork;
let site: TestObservatory;

beforeAll(async () => {
  ({ network, site } = await exampleSite(40));
});
afterAll(async () => {
  await browser?.close();
  await site[Symbol.asyncDispose]();
});

describe("the page of a scope", () => {
  it("lists who is relied on for it by the scores of core in that scope, and links to itself from every tag", async () => {
    for (const scope of ["tools", "payments"]) {
      const graph = site.registry.view.graph(scope);
      const scores = new FlowVector(graph, network.roots);
      const data = await site.json(`/scopes/${scope}.json`);
      expect(data).toMatchObject({ scope, vouches: [...graph.vouches()].length });
      expect(data.agents).toBe(new Set([...graph.vouches()].map(({ subject }) => subject)).size);
      for (const { did, score } of data.reliedOn) expect(score).toBe(scores.score(did));
      const known = data.reliedOn.map(({ score }: { score: number | "unknown" }) => (score === "unknown" ? -1 : score));
      expect(known).toEqual(known.toSorted((a: number, b: number) => b - a));
      // The scope of the address wins over one of the query.
      expect((await site.json(`/scopes/${scope}.json?scope=research`)).scope).toBe(scope);
      const [first] = data.reliedOn;
      const page = await (await site.get(`/scopes/${scope}`, html)).text();
      expect(page).toContain(`/explain?scope=${scope}&amp;to=${first.did}`);
      expect(await (await site.get("/scopes", html)).text()).toContain(`href="/scopes/${scope}"`);
    }
    expect((await site.get("/scopes/nobody-uses-this", html)).status).toBe(404);
    expect((await site.get("/scopes/NOT", html)).status).toBe(400);
  });
});

describe("the filters of the feed", () => {
  it("U7 show the entries that are asked for and no others, page by page, in every form", async () => {
    const all = network.statements.map(({ statement }) => statement);
    const vouches = all.flatMap((statement) => (statement.kind === "Vouch" ? [statement] : []));
    const of = async (query: string): Promise<{ id: string; index: number }[]> => {
      const found: { id: string; index: number }[] = [];
      for (let before = ""; ;) {
        const page = await site.json(`/feed.json?${query}${before}`);
        found.push(...page.entries);
        if (page.before === undefined) return found;
        before = `&before=${page.before}`;
      }
    };
    const [one] = vouches;
    for (const [query, expected] of [
      ["", all],
      ["kind=Vouch", vouches],
      ["kind=Revocation", all.filter(({ kind }) => kind === "Revocation")],
      ["in=payments", vouches.filter(({ scope }) => scope.includes("payments"))],
      [`kind=Vouch&agent=${one!.subject}`, vouches.filter((v) => [v.issuer, v.subject].includes(one!.subject))],
    ] as const) {
      const found = await of(query);
      expect([query, found.map(({ id }) => id)]).toEqual([query, expected.map(({ id }) => id).reverse()]);
      const atom = await site.text(`/feed.atom?${query}`);
      expect(atom.match(/<entry>/g)?.length ?? 0).toBe(Math.min(50, expected.length));
    }
    for (const bad of ["kind=nothing", "agent=me", "in=NOT", "before=x"]) {
      expect((await site.get(`/feed.json?${bad}`)).status).toBe(400);
    }
  });

  it.skipIf(!browser)("U7 hold for what comes in live as well", async () => {
    const context = await browser!.newContext();
    const page = await context.newPage();
    await page.goto(`${site.url}/feed?kind=Vouch&in=payments`);
    await page.getByText("live", { exact: true }).waitFor();
    const first = page.locator(".feed li").first();
    const before = await first.getAttribute("data-index");
    const [a, b] = [network.identities[1]!, network.identities[3]!];
    await site.publish(await issueProfile(a, { role: "server" }));
    await site.publish(await issueVouch(a, { subject: b.did, scope: ["support"], confidence: 10 }));
    await site.publish(await issueVouch(b, { subject: a.did, scope: ["payments"], confidence: 33 }));
    const newest = String(site.registry.view.size - 1);
    await expect.poll(() => first.getAttribute("data-index"), { timeout: 60_000 }).toBe(newest);
    expect(await page.locator(".feed li").nth(1).getAttribute("data-index")).toBe(before);
    expect(await first.textContent()).toContain("33");
    await context.close();
  });
});
