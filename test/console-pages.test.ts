import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { createNote, generateIdentity, issueProfile, noteDigest, type Policy } from "@peerage/core";
import { AuditReader } from "@peerage/mcp-middleware";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { axeViolations } from "./_axe.ts";
import { launchBrowser } from "./_browser.ts";
import {
  checkedRun,
  type ConsoleGuard,
  examplePolicy,
  exampleTraffic,
  startConsole,
  type TestConsole,
  watchPage,
} from "./_console.ts";
import { visitConsole } from "./_console-visit.ts";
import { unsigned } from "./_guard.ts";

const browser: Browser | undefined = await launchBrowser();
afterAll(async () => browser?.close());

const fraud = generateIdentity();
const human = generateIdentity();
let site: TestConsole;
let guard: ConsoleGuard;
let policy: Policy;

beforeAll(async () => {
  site = await startConsole();
  policy = examplePolicy([human.did], fraud.did);
  guard = await site.addGuard("search-server", () => policy);
  await exampleTraffic(guard, site.people, 5);
  await guard.send(unsigned(77));
  await guard.call(site.people["vivid-weaver"]!, "run_shell");
  const agent = site.people["mossy-weaver"]!;
  const history = await checkedRun(agent, fraud, new Date(Date.now() - 60_000));
  expect(await guard.call(agent, "transfer_funds", { amount_cents: 99 }, { history })).toBe("ERR_APPROVAL_REQUIRED");
});
afterAll(async () => site[Symbol.asyncDispose]());

interface Counted {
  readonly admitted: number;
  readonly refused: number;
}
interface Line {
  readonly id: string;
  readonly why: string;
  readonly target: string;
  readonly verdict: string;
  readonly name?: string;
}
const all = ({ admitted, refused }: Counted): number => admitted + refused;
const callsOf = async (query: string): Promise<Line[]> => (await site.json(`/calls.json?${query}`)).calls;

describe("the console's pages", () => {
  it("U9 show of a refused call the rule, the number and the threshold that its caller was not told", async () => {
    const [refused] = await callsOf("caller=eager-ledger&target=send_mail");
    expect(refused).toMatchObject({ verdict: "refused", why: "score 0.41 < 0.60" });
    const call = await site.json(`/calls/${refused!.id}.json`);
    const states = call.steps.map(({ state }: { state: string }) => state);
    expect(states).toEqual([..."held held held held none held held none failed later later held".split(" ")]);
    const rule = call.rules.find(({ decided }: { decided: boolean }) => decided);
    expect(rule).toMatchObject({ rule: "writers", met: false });
    expect(rule.conditions.at(-1)).toMatchObject({
      condition: "trust",
      holds: false,
      wanted: "a score of at least 0.6 in tools, from data younger than 24h",
      found: expect.stringContaining("0.41"),
    });
    const page = await (await site.get(`/calls/${refused!.id}`, { accept: "text/html" })).text();
    expect(page).toContain("a score of at least 0.6 in tools");
    expect(await (await site.get(`/calls/${refused!.id}.txt`)).text()).toMatch(/failed +policy/);
    const [shell] = await callsOf("target=run_shell");
    expect(shell!.why).toBe("denied by rule no-shell");
    const [unproven] = await callsOf("caller=unsigned");
    expect(unproven).toMatchObject({ why: "unsigned", verdict: "refused" });
  });

  it("show of an admitted call how it ended, and the history that it presented, each signature checked", async () => {
    const [admitted] = await callsOf("verdict=admitted&caller=vivid-weaver");
    const call = await site.json(`/calls/${admitted!.id}.json`);
    expect(call.outcome).toMatchObject({ outcome: "executed", res: expect.stringMatching(/^sha256:/) });
    expect(call.steps.at(-1)).toMatchObject({ step: "receipt", state: "held" });
    const [asked] = await callsOf("verdict=asked");
    const { history, steps } = await site.json(`/calls/${asked!.id}.json`);
    expect(history.map(({ step, state }: { step: string; state: string }) => [step, state])).toEqual([
      ["request_received", "signed"],
      ["fraud_check", "signed"],
    ]);
    expect(steps.find(({ step }: { step: string }) => step === "approval")).toMatchObject({ state: "waits" });
  });

  it("count the same calls in the picture, in the list and in the log itself", async () => {
    const live = await site.json("/index.json?window=1h");
    using reader = new AuditReader(guard.path);
    const decided = [...reader.calls()];
    const of = (verdict: string): number => decided.filter(({ decision }) => decision.verdict === verdict).length;
    expect(live.counts).toEqual({ admitted: of("admitted"), refused: of("refused"), asked: of("asked"), waiting: 1 });
    const total = (kind: "agents" | "tools", verdict: "admitted" | "refused"): number =>
      live[kind].reduce((sum: number, one: Record<string, number>) => sum + one[verdict]!, 0);
    expect(total("agents", "admitted")).toBe(of("admitted"));
    expect(total("tools", "refused")).toBe(of("refused"));
    const lines = (await (await site.get("/calls.ndjson")).text()).trim().split("\n");
    expect(lines).toHaveLength(decided.length);
    const exported = lines.map((line) => JSON.parse(line));
    for (const [i, { decision, outcome }] of decided
      .sort((a, b) => Date.parse(b.decision.at) - Date.parse(a.decision.at))
      .entries()) {
      expect(exported.find(({ id }) => id === decision.id)).toEqual({
        guard: "search-server",
        ...decision,
        ...(outcome ? { outcome } : {}),
      });
      expect(i).toBeLessThan(lines.length);
    }
    const refused = await (await site.get("/calls.ndjson?verdict=refused&target=send_mail")).text();
    for (const line of refused.trim().split("\n"))
      expect(JSON.parse(line)).toMatchObject({ verdict: "refused", target: "send_mail" });
  });

  it("U19 replay a stretch of the past as it was, by the address alone", async () => {
    const now = await site.json("/index.json?window=15m");
    const bar = now.bars.findIndex((one: Counted) => all(one) > 0);
    const at: number = Math.floor(Date.parse(now.from as string) / 1000) + (Number(bar) + 1) * 15;
    const then = await site.json(`/index.json?window=15m&at=${at}`);
    expect(then.at).toBeDefined();
    expect(all(then.counts)).toBeLessThan(all(now.counts));
    expect(all(then.counts)).toBeGreaterThan(0);
    for (const { at: one } of then.calls) expect(Date.parse(one)).toBeLessThanOrEqual(Date.parse(then.at));
    const page = await (await site.get(`/?window=15m&at=${at}&lens=trust`)).text();
    expect(page).toContain("As it was");
    expect(page).toContain("lens-trust");
  });

  it("U18 say which rules were hit and which never, and what another policy would have done with the same calls", async () => {
    const { rules, digest } = await site.json("/policy.json");
    expect(digest).toBe(policy.digest);
    const hits = Object.fromEntries(
      rules.map((rule: { rule: string; admitted: number; asked: number; refused: number }) => [
        rule.rule,
        [rule.admitted, rule.asked, rule.refused],
      ]),
    );
    const refusedAs = async (query: string): Promise<number> => (await callsOf(`verdict=refused&${query}`)).length;
    expect(hits["archive"]).toEqual([0, 0, 0]);
    expect(hits["transfers"]).toEqual([0, 1, 0]);
    expect(hits["no-shell"]).toEqual([0, 0, 1]);
    expect(hits["readers"]![0]).toBe((await callsOf("rule=readers")).length);
    expect(hits["readers"]![2]).toBe(
      (await refusedAs("target=search&reason=ERR_TRUST_INSUFFICIENT")) + (await refusedAs("target=read_file")),
    );
    const stricter = {
      ...policy.document,
      allow: policy.document.allow.map((rule) => (rule.id === "readers" ? { ...rule, trust: 0.7 } : rule)),
    };
    const dryRun = async (text: string): Promise<string> => {
      const headers = { cookie: await site.cookie(), origin: site.url, accept: "text/html" };
      const body = new URLSearchParams({ policy: text });
      return (await fetch(`${site.url}/policy`, { method: "POST", headers, body })).text();
    };
    const reading = [...(await callsOf("rule=readers"))];
    const low = reading.filter(({ why }) => Number(/score ([\d.]+)/.exec(why)?.[1]) < 0.7).length;
    expect(low).toBeGreaterThan(0);
    expect(await dryRun(JSON.stringify(stricter))).toContain(`${low} would have been refused`);
    expect(await dryRun(JSON.stringify(policy.document))).toContain("0 would have been refused");
    expect(await dryRun("allow: [")).toContain('role="alert"');
    // Nothing was changed by trying.
    expect((await site.json("/policy.json")).digest).toBe(policy.digest);
  });

  it("verify the logs: unbroken as the guard wrote it, broken at the record that somebody edited", async () => {
    const report = async (name: string): Promise<{ defect?: object; size: number }> =>
      (await site.json("/audit.json")).logs.find((log: { name: string }) => log.name === name).report;
    expect(await report("search-server")).not.toHaveProperty("defect");
    expect(await (await site.get("/audit")).text()).toContain("Unbroken");
    const copy = join(site.state, "audit", "edited.db");
    const database = new Database(guard.path);
    database.pragma("wal_checkpoint(TRUNCATE)");
    database.close();
    copyFileSync(guard.path, copy);
    const edited = new Database(copy);
    edited.prepare("UPDATE record SET body = replace(body, '\"verdict\"', '\"verdikt\"') WHERE seq = 3").run();
    edited.close();
    try {
      expect((await report("edited")).defect).toEqual({ seq: 3, kind: "edited" });
      expect(await report("search-server")).not.toHaveProperty("defect");
      expect(await (await site.get("/audit")).text()).toContain("Broken at record 3");
    } finally {
      for (const suffix of ["", "-wal", "-shm"]) rmSync(`${copy}${suffix}`, { force: true });
    }
    expect((await site.json("/index.json")).guards).toHaveLength(1);
  });

  it("show an agent with what it did, and lines that would grant or block it", async () => {
    const { did } = site.people["eager-ledger"]!;
    const page = await (await site.get(`/agents/${did}`)).text();
    expect(page).toContain(`agents: &quot;${did}&quot;`);
    expect(page).toContain(`peerage policy revoke ${did}`);
    expect((await site.get("/agents/did:key:z6Mknobody")).status).toBe(400);
    expect((await site.get("/calls/no-such-call-at-all")).status).toBe(404);
  });
});

describe.skipIf(!browser)("the console in Chromium", () => {
  it("must hold 5: shows a refused call by itself within a second of the refusal, and an admitted one with its time", async () => {
    const context = await site.browser(browser!);
    const page = await context.newPage();
    const complaints = watchPage(page, site.url);
    await page.goto(site.url);
    await page.getByText("live", { exact: true }).waitFor();
    const times: number[] = [];
    // A machine that is busy with other tests may stall for a round or two.
    for (let i = 0; i < 3 || (Math.min(...times) >= 1_000 && i < 5); i++) {
      const tool = `forbidden_${i}`;
      const shown = page.locator("table.calls tr", { hasText: tool }).waitFor({ timeout: 20_000 });
      const from = performance.now();
      expect(await guard.call(site.people["fable-signal"]!, tool)).toBe("ERR_POLICY_DENIED");
      await shown;
      times.push(Math.round(performance.now() - from));
      expect(await page.locator("table.calls tr", { hasText: tool }).innerText()).toContain("refused");
    }
    console.log(`a refused call is shown after ${times.join(", ")} ms`);
    expect(Math.min(...times)).toBeLessThan(1_000);
    await page.getByRole("button", { name: "Pause" }).click();
    expect(await guard.call(site.people["fable-signal"]!, "while_paused")).toBe("ERR_POLICY_DENIED");
    await page.getByText(/paused, [1-9]\d* new/).waitFor();
    expect(await page.getByText("while_paused").count()).toBe(0);
    await page.getByRole("button", { name: "Resume" }).click();
    await page.locator("table.calls tr", { hasText: "while_paused" }).waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });

  it("U19 replays what the slider is moved to, and the address restores it", async () => {
    const context = await site.browser(browser!);
    const page = await context.newPage();
    await page.goto(`${site.url}/?window=1h`);
    await page.getByText("live", { exact: true }).waitFor();
    const tally = page.locator(".tally .ok");
    const now = await tally.innerText();
    await page.locator("input[data-replay]").focus();
    await page.keyboard.press("Home");
    await page.getByRole("heading", { name: "As it was" }).waitFor();
    await expect.poll(() => tally.innerText()).not.toBe(now);
    const then = await tally.innerText();
    expect(page.url()).toMatch(/at=\d+/);
    // A lens is one more word of the address, and takes nothing else away.
    await page.getByRole("navigation", { name: "What lines show" }).getByRole("link", { name: "trust" }).click();
    await page.waitForURL(/lens=trust/);
    expect(page.url()).toMatch(/window=1h.*at=|at=.*window=1h/);
    await page.reload();
    expect(await tally.innerText()).toBe(then);
    expect(await page.locator(".lens-trust").count()).toBeGreaterThan(0);
    expect(await page.locator('[aria-label="Stretch of time"] [aria-current="true"]').innerText()).toBe("1h");
    await page.getByText("replay", { exact: true }).waitFor();
    await page.getByRole("link", { name: "Back to now" }).click();
    await expect.poll(() => tally.innerText()).toBe(now);
    await context.close();
  });

  it("lets a browser in by the fragment of the address, and takes the code out of it", async () => {
    const context = await browser!.newContext();
    const page = await context.newPage();
    await page.goto(`${site.url}/#code=${await site.served.access.makeCode()}`);
    await page.getByRole("heading", { name: "search-server" }).waitFor();
    expect(page.url()).toBe(`${site.url}/`);
    await context.close();
  });

  it("U12 pages are complete, quiet and as wide as the window, and axe finds nothing: light, 390 px", async () => {
    // All combinations of scripts, colours and widths, on every page: test/slow/console-matrix.test.ts.
    const only = ["live", "call", "approval", "policy"];
    const { did } = site.people["eager-ledger"]!;
    const look = { javaScriptEnabled: true, colorScheme: "light", width: 390 } as const;
    await visitConsole(browser!, site, { ...look, did, axe: axeViolations, only });
  });
});

describe("budgets", () => {
  it("a first look at a page of the console costs at most 40 KiB and five requests", async () => {
    const encoding = { "accept-encoding": "br", accept: "text/html" };
    const wire = async (path: string): Promise<number> => {
      const { request } = await import("node:http");
      const headers = { ...encoding, cookie: await site.cookie() };
      return new Promise((resolve, reject) => {
        const asked = request(site.url + path, { headers }, (answer) => {
          let bytes = 0;
          answer.on("data", (chunk: Buffer) => (bytes += chunk.length));
          answer.on("end", () => resolve(bytes));
        });
        asked.on("error", reject);
        asked.end();
      });
    };
    const { open } = await site.json("/approvals.json");
    for (const path of ["/", "/calls", "/approvals", `/approvals/${open[0].id}`, "/policy"]) {
      const page = await (await site.get(path)).text();
      const linked = [
        ...page.matchAll(/(?:<link rel="(?:stylesheet|icon)" href|<script (?:type="module" )?src)="([^"]+)"/g),
      ];
      let bytes = await wire(path);
      for (const [, asset = ""] of linked) bytes += await wire(asset);
      console.log(`${path}: ${Math.round(bytes / 102.4) / 10} KiB, ${linked.length + 1} requests`);
      expect([path, bytes <= 40 * 1024 || bytes]).toEqual([path, true]);
      expect(linked.length + 1).toBeLessThanOrEqual(5);
    }
  });
});

describe.skipIf(!browser)("hostile words", () => {
  it("A-WEB-01 shows the name that an agent chose as a claim, beside its fingerprint, with nothing in it obeyed", async () => {
    const stranger = generateIdentity();
    const name = '<img src=x onerror=alert(1)>\u202e"';
    const note = createNote({ name });
    const profile = await issueProfile(stranger, { role: "agent", noteDigest: noteDigest(note) });
    const put = (path: string, body: Uint8Array | string, method: string): Promise<Response> =>
      fetch(site.registryUrl + path, { method, body: body as BodyInit, headers: { prefer: "wait=15" } });
    expect((await put("/v1/statements", profile.bytes, "POST")).ok).toBe(true);
    expect((await put(`/v1/notes/${noteDigest(note)}`, JSON.stringify(note), "PUT")).ok).toBe(true);
    expect(await guard.call(stranger, "search")).toBe("ERR_TRUST_INSUFFICIENT");
    const nameOf = async (): Promise<string | undefined> => (await callsOf(`caller=${stranger.did}`))[0]?.name;
    await expect.poll(nameOf, { timeout: 40_000 }).toBe('“<img src=x onerror=alert(1)>\\u{202e}"”');
    const page = await (await site.get(`/calls?caller=${stranger.did}`)).text();
    expect(page).toContain("“&lt;img src=x onerror=alert(1)&gt;\\u{202e}&quot;”");
    expect(page).not.toMatch(/<img|\u202e/);
    expect(page).toContain(stranger.did.slice(12, 17));
  });

  it("A-WEB-01 hostile tools, arguments, reasons and log names are text: nothing runs, nothing is asked of others", async () => {
    const hostile = [
      "<img src=x onerror=alert(1)>",
      `"><script>alert(1)</script>`,
      "</svg><script>alert(1)</script>",
      "javascript:alert(1)",
      "' onmouseover=alert(1) x='",
      "\u202egnihsif\u200b",
      `e${"\u0301".repeat(200)}`,
      "\u001b[2J\u001b]8;;http://foreign.example\u0007",
      "__proto__",
      " ",
      "x".repeat(400),
    ];
    const asking = examplePolicy([human.did], fraud.did);
    const own = await site.addGuard(`"><img src=x onerror=alert(1)>`, asking);
    const agent = site.people["vivid-weaver"]!;
    for (const name of hostile) await own.call(agent, name, { [name]: name });
    const history = await checkedRun(agent, fraud, new Date(Date.now() - 1_000));
    const args = { amount_cents: 5, ...Object.fromEntries(hostile.map((text, i) => [`${text}${i}`, text])) };
    expect(await own.call(agent, "transfer_funds", args, { history })).toBe("ERR_APPROVAL_REQUIRED");
    const context = await site.browser(browser!);
    const page = await context.newPage();
    const complaints = watchPage(page, site.url);
    const { calls } = await site.json(`/calls.json?caller=${agent.did}&verdict=refused`);
    const { open } = await site.json("/approvals.json");
    const addresses = [
      "/",
      "/calls",
      "/approvals",
      "/policy",
      "/audit",
      `/agents/${agent.did}`,
      `/approvals/${open.at(-1).id}`,
    ];
    for (const path of [
      ...addresses,
      ...calls.filter(({ target }: Line) => /^(?:e|x|<)/.test(target)).map(({ id }: Line) => `/calls/${id}`),
    ]) {
      await page.goto(`${site.url}${path}`, { waitUntil: "load" });
      const found = await page.evaluate(() => ({
        images: document.images.length,
        scripts: Array.from(document.scripts, ({ src }) => new URL(src).pathname).filter(
          (src) => !src.startsWith("/assets/"),
        ),
        handlers: document.querySelectorAll("[onerror], [onmouseover], [style]").length,
        links: Array.from(document.links, ({ protocol }) => protocol).filter((protocol) => protocol !== "http:"),
        wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      }));
      expect([path, found]).toEqual([path, { images: 0, scripts: [], handlers: 0, links: [], wide: 0 }]);
      const text = await page.locator("body").innerText();
      expect(text).not.toMatch(/[\u202e\u200b\u001b]/);
    }
    // Drawn by the browser, it is the same text.
    await page.goto(site.url);
    expect(await own.call(agent, "<b>fresh</b>")).toBe("ERR_POLICY_DENIED");
    await page.locator("table.calls code", { hasText: "<b>fresh</b>" }).waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });
});
