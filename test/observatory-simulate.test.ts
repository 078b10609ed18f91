import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { completeInput, decide, type Did, FlowVector, loadCel, parsePolicy } from "../core/src/index.ts";
import { axeViolations } from "./_axe.ts";
import { launchBrowser } from "./_browser.ts";
import type { ExampleNetwork } from "./_example-network.ts";
import { exampleSite } from "./_example-site.ts";
import type { TestObservatory } from "./_observatory.ts";

const browser: Browser | undefined = await launchBrowser();
let network: ExampleNetwork;
let site: TestObservatory;
/** A score between nothing and everything, and whose it is. */
let some: { readonly did: Did; readonly score: number };

beforeAll(async () => {
  ({ network, site } = await exampleSite(24));
  const scores = new FlowVector(site.registry.view.graph("tools"), network.roots);
  const { did } = network.identities.find(({ did }) => Number(scores.score(did)) < 1)!;
  some = { did, score: scores.score(did) as number };
});
afterAll(async () => {
  await browser?.close();
  await site[Symbol.asyncDispose]();
});

const policyOf = (rules: string): string => `apiVersion: peerage.dev/v1\nkind: Policy\n${rules}\n`;
const threshold = (min: number): string => policyOf(`allow:\n  - { id: r, tools: read, agents: "*", trust: ${min} }`);

async function post(fields: Record<string, string>, suffix = ".json"): Promise<Response> {
  return fetch(`${site.url}/simulate${suffix}`, {
    method: "POST",
    body: new URLSearchParams(fields),
    headers: { accept: "text/html" },
  });
}

describe("/simulate", () => {
  it("U18 is the gate's own decide over the form, with the caller's score as seen by the roots, and keeps nothing", async () => {
    const stranger = network.identities.at(-1)!.did;
    const args = { path: "/etc/passwd" };
    const guarded = policyOf(
      `deny:\n  - { id: no-etc, tools: read, args: { path: { like: "/etc/*" } } }\nallow:\n  - { id: r, tools: read, agents: "*" }`,
    );
    const person = policyOf(`allow:\n  - { id: r, tools: read, agents: "*", approval: { by: ["*"] } }`);
    for (const [policy, caller, effect] of [
      [threshold(some.score), some.did, "allow"],
      [threshold(some.score + 0.000001), some.did, "deny"],
      [threshold(0.000001), stranger, "deny"],
      [guarded, some.did, "deny"],
      [person, some.did, "ask"],
    ] as const) {
      const answer = await post({ policy, caller, tool: "read", args: JSON.stringify(args) });
      expect([policy, answer.status, answer.headers.get("cache-control")]).toEqual([policy, 200, "no-store"]);
      const { simulated } = (await answer.json()) as { simulated: { explanation: { decision: { effect: string } } } };
      const trust = caller === some.did ? { tools: some.score } : {};
      const parsed = parsePolicy(policy, { roots: network.roots });
      const decision = decide(parsed, completeInput({ tool: "read", args, calling_agent: caller, trust }));
      expect([policy, simulated.explanation.decision.effect]).toEqual([policy, effect]);
      expect(simulated.explanation.decision).toEqual(JSON.parse(JSON.stringify(decision)));
      const page = await (await post({ policy, caller, tool: "read", args: JSON.stringify(args) }, "")).text();
      expect(page).toContain({ allow: "✓ allowed by r", ask: "◔ a person is asked by r", deny: "✕ denied" }[effect]);
      expect(page).toContain(`value="${caller}"`);
    }
    expect(await (await site.get("/simulate", { accept: "text/html" })).text()).not.toContain("no-etc");
  });

  it("U18 says what cannot be read, with the line, and takes no more than 64 KiB", async () => {
    const { problem } = (await (await post({ policy: threshold(2), tool: "read" })).json()) as { problem: string };
    expect(problem).toMatch(/line 4.*at most 1/s);
    const wrong = await post({ policy: threshold(0.5), tool: "read", args: "[1]" });
    expect(await wrong.json()).toMatchObject({ problem: "the arguments are a JSON object" });
    const tooLong = await post({ policy: "#".repeat(70_000), tool: "read" });
    expect([tooLong.status, ((await tooLong.json()) as { code: string }).code]).toEqual([400, "ERR_REQUEST_INVALID"]);
    const hostile = await (
      await post({ policy: threshold(0.5), tool: "</textarea><script>alert(1)</script>" }, "")
    ).text();
    expect(hostile).not.toContain("<script>alert");
  });

  it("U18 plays conditions in CEL and the history as the guard would", async () => {
    const policy = policyOf(`allow:\n  - { id: r, tools: read, agents: "*", when: "args.n < 3.0" }`);
    for (const [n, effect] of [
      [2, "allow"],
      [3, "deny"],
    ] as const) {
      const parsed = parsePolicy(policy, {}, { compileWhen: await loadCel() });
      expect(decide(parsed, completeInput({ tool: "read", args: { n } })).effect).toBe(effect);
      const answer = await post({ policy, tool: "read", args: JSON.stringify({ n }) });
      expect(await answer.json()).toMatchObject({ simulated: { explanation: { decision: { effect } } } });
    }
    const history = [{ step: "fraud_check", result: "ok", agent: network.roots[0]! }];
    const needs = policyOf(
      `allow:\n  - { id: r, tools: read, agents: "*", require: [{ step: fraud_check, result: ok, by: "@roots" }] }`,
    );
    for (const [facts, effect] of [
      [JSON.stringify({ history, in_custody: true }), "allow"],
      ["", "deny"],
    ] as const) {
      const answer = await post({ policy: needs, caller: some.did, tool: "read", args: "", facts });
      expect(await answer.json()).toMatchObject({ simulated: { explanation: { decision: { effect } } } });
    }
  });
});

describe.skipIf(!browser)("/simulate in Chromium", () => {
  it("U18 decides in the browser: the policy is in no request, and the fragment of the address restores it", async () => {
    const context = await browser!.newContext({ bypassCSP: false });
    const page = await context.newPage();
    const asked: string[] = [];
    const complaints: string[] = [];
    page.on("request", (request) => asked.push(`${request.method()} ${request.url()} ${request.postData() ?? ""}`));
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto(`${site.url}/simulate`);
    await page.locator("peerage-simulate[data-ready]").waitFor({ state: "attached" });
    asked.length = 0;
    const told: string[] = [];
    for (const policy of [
      threshold(some.score),
      threshold(some.score + 0.000001),
      policyOf(`allow:\n  - { id: r, tools: read, agents: "*", when: "args.secretword < 3.0" }`),
    ]) {
      await page.locator("[name=policy]").fill(policy);
      await page.locator("[name=caller]").fill(some.did);
      await page.locator("[name=tool]").fill("read");
      await page.locator("[name=args]").fill('{ "secretword": 2 }');
      await page.getByRole("button", { name: "Decide" }).click();
      const form = { policy, caller: some.did, tool: "read", args: '{ "secretword": 2 }' };
      const { simulated } = (await (await post(form)).json()) as { simulated: { digest: string } };
      await page.locator("#outcome code", { hasText: simulated.digest.slice(0, 19) }).waitFor();
      told.push((await page.locator("#verdict").textContent())!);
    }
    expect(told).toEqual(["✓ allowed by r", "✕ denied: ERR_TRUST_INSUFFICIENT", "✓ allowed by r"]);
    expect(asked.filter((line) => /secretword|apiVersion|POST/.test(line))).toEqual([]);
    expect(asked.some((line) => line.includes("/simulate.json?caller="))).toBe(true);
    await page.reload();
    await page.locator("#verdict").waitFor();
    expect(await page.locator("#verdict").textContent()).toBe("✓ allowed by r");
    expect(complaints).toEqual([]);
    await context.close();
  });

  it("U18 U12 is complete without scripts, and axe finds nothing: light and dark, 1280 and 390 px", async () => {
    for (const [javaScriptEnabled, colorScheme, width] of [
      [false, "light", 390],
      [true, "dark", 1280],
    ] as const) {
      const context = await browser!.newContext({
        javaScriptEnabled,
        colorScheme,
        bypassCSP: true,
        viewport: { width, height: 800 },
      });
      const page = await context.newPage();
      await page.goto(`${site.url}/simulate`);
      await page.locator("[name=caller]").fill(some.did);
      await page.getByRole("button", { name: "Decide" }).click();
      await page.locator("#verdict").waitFor();
      expect(await page.locator("#verdict").textContent()).toMatch(/allowed|denied/);
      const sizes = await page.locator("html").evaluate((html) => [html.scrollWidth, html.clientWidth]);
      expect(sizes[0]).toBe(sizes[1]);
      if (javaScriptEnabled) expect(await axeViolations(page)).toEqual([]);
      await context.close();
    }
  });
});
