import Database from "better-sqlite3";
import {
  canonicalize,
  type Did,
  generateIdentity,
  type Identity,
  type JsonObject,
  parseEntry,
  type Policy,
  requestDigest,
  signEntry,
} from "@peerage/core";
import { ApprovalStore, AuditReader, signAnswer } from "@peerage/mcp-middleware";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launchBrowser } from "./_browser.ts";
import { type ConsoleGuard, startConsole, type TestConsole, watchPage } from "./_console.ts";
import { policyOf } from "./_guard.ts";

const browser: Browser | undefined = await launchBrowser();
afterAll(async () => browser?.close());

const transfer = { amount_cents: 1_000_000, currency: "EUR", to: "DE89 3704 0044 0532 0130 00" };

describe.skipIf(!browser)("an approval signed in the browser", () => {
  let site: TestConsole;
  let guard: ConsoleGuard;
  let context: BrowserContext;
  let page: Page;
  let complaints: string[];
  let agent: Identity;
  let policy: Policy;
  let key: Did;
  const bystander = generateIdentity();

  const policyFor = (approvers: readonly string[], more: JsonObject = {}): Policy =>
    policyOf(
      [
        { id: "reads", tools: "search", agents: "*" },
        { id: "money", tools: "transfer_funds", agents: "*", approval: { by: [...approvers] } },
        { id: "hurry", tools: "hurry", agents: "*", approval: { by: [...approvers], timeout: "3s" } },
      ],
      { open: true, ...more },
    );
  const call = (args: JsonObject): Promise<string> => guard.call(agent, "transfer_funds", args);
  const itemOf = async (args: JsonObject): Promise<{ id: string; state: string; req: string }> => {
    const { open, closed } = await site.json("/approvals.json");
    const req = requestDigest("tools/call", { name: "transfer_funds", arguments: args });
    return [...open, ...closed].find((item: { req: string }) => item.req === req);
  };
  const ready = async (): Promise<void> => {
    // It can be pressed once it has been in sight for a moment.
    await page.locator("button.approve").scrollIntoViewIfNeeded();
    await page.locator("button.approve:not([disabled])").waitFor();
  };

  beforeAll(async () => {
    site = await startConsole();
    agent = site.people["mossy-weaver"]!;
    context = await site.browser(browser!);
    page = await context.newPage();
    complaints = watchPage(page, site.url);
    // The operator registers the key that this browser makes.
    await page.goto(`${site.url}/approver`);
    await page.getByRole("button", { name: "Make a key in this browser" }).click();
    key = (await page.locator("peerage-approver .did").innerText()) as Did;
    policy = policyFor([key, bystander.did]);
    guard = await site.addGuard("bank", () => policy);
  });
  afterAll(async () => {
    await context.close();
    await site[Symbol.asyncDispose]();
  });

  it("A-WEB-03 uses a key that the browser made, keeps through a restart of the page, and refuses to hand out", async () => {
    expect(key).toMatch(/^did:key:z6Mk/);
    await page.reload();
    await page.locator("peerage-approver .status.ok").waitFor();
    expect(await page.locator("peerage-approver .did").innerText()).toBe(key);
    const kept = await page.evaluate(async () => {
      const database = await new Promise<IDBDatabase>((resolve, reject) => {
        const opening = indexedDB.open("peerage-console");
        opening.onsuccess = () => resolve(opening.result);
        opening.onerror = () => reject(new Error("no storage"));
      });
      const record = await new Promise<{ privateKey: CryptoKey }>((resolve) => {
        const asked = database.transaction("keys").objectStore("keys").get("approver");
        asked.onsuccess = () => resolve(asked.result as { privateKey: CryptoKey });
      });
      const refused: string[] = [];
      for (const format of ["pkcs8", "jwk", "raw"] as const) {
        try {
          await crypto.subtle.exportKey(format, record.privateKey);
        } catch {
          refused.push(format);
        }
      }
      const stored = `${JSON.stringify(localStorage)} ${JSON.stringify(sessionStorage)}`;
      return { extractable: record.privateKey.extractable, refused, stored, cookies: document.cookie };
    });
    expect(kept).toMatchObject({ extractable: false, refused: ["pkcs8", "jwk", "raw"], cookies: "" });
    expect(kept.stored).toBe("{} {}");
  });

  it("U10 is over the bytes that the page has drawn and hashed, verified by the guard, and admits that call once", async () => {
    expect(await call(transfer)).toBe("ERR_APPROVAL_REQUIRED");
    const { id, req } = await itemOf(transfer);
    await page.goto(`${site.url}/approvals/${id}`);
    await ready();
    expect(await page.locator(".willdo dd").allInnerTexts()).toEqual([
      "1000000",
      '"EUR"',
      '"DE89 3704 0044 0532 0130 00"',
    ]);
    await page.locator(".exact summary").click();
    const bytes = await page.locator(".exact code").innerText();
    expect(bytes).toBe(canonicalize({ method: "tools/call", params: { name: "transfer_funds", arguments: transfer } }));
    expect(await call(transfer)).toBe("ERR_APPROVAL_REQUIRED");
    await page.getByLabel("Note, signed with your decision").fill("order 4471 checked");
    await page.getByRole("button", { name: "Approve and sign" }).click();
    await page.getByText("Approved and signed").waitFor();
    using reader = new AuditReader(guard.path);
    const answer = [...reader.records()].findLast(
      (record) => record.kind === "approval" && record.event === "approved",
    );
    if (answer?.kind !== "approval") throw new Error("the answer is not recorded");
    const entry = parseEntry(reader.entry(answer.entry));
    expect(entry).toMatchObject({
      issuer: key,
      step: "human_approval",
      result: "approved",
      req,
      tool: "transfer_funds",
      audience: guard.guard.did,
      sub: { caller: agent.did, policy: policy.digest, note: "order 4471 checked" },
    });
    expect(entry.expiresAt! - entry.issuedAt).toBe(900);
    expect(await call({ ...transfer, amount_cents: 1_000_001 })).toBe("ERR_APPROVAL_REQUIRED");
    expect(await call(transfer)).toBe("admitted");
    // Once: a replay of the same call needs a new answer.
    expect(await call(transfer)).toBe("ERR_APPROVAL_REQUIRED");
    expect((await site.json(`/approvals/${id}.json`)).state).toBe("used");
  });

  it("A-APPR-08 a denial is one press and signed too, and refuses the call", async () => {
    const args = { ...transfer, to: "somebody else" };
    expect(await call(args)).toBe("ERR_APPROVAL_REQUIRED");
    await page.goto(`${site.url}/approvals/${(await itemOf(args)).id}`);
    await ready();
    await page.getByRole("button", { name: "Deny" }).click();
    await page.getByText("Denied and signed").waitFor();
    expect(await call(args)).toBe("ERR_APPROVAL_DENIED");
    expect((await itemOf(args)).state).toBe("denied");
  });

  it("U10 A-APPR-04 A-APPR-05 altered, replayed, expired and foreign answers are refused, and the right one still taken", async () => {
    const args = { ...transfer, amount_cents: 42 };
    expect(await call(args)).toBe("ERR_APPROVAL_REQUIRED");
    const { id } = await itemOf(args);
    using store = new ApprovalStore(guard.path);
    const item = store.show(id);
    const claims = {
      run: item.run,
      prev: item.prev,
      step: "human_approval",
      result: "approved",
      req: item.req,
      aud: item.guard,
      sub: { caller: item.caller, policy: item.policy },
      exp: Math.floor(Date.now() / 1000) + 900,
    };
    const good = await signEntry(bystander, claims);
    const flip = (token: string, at: number): string =>
      token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
    using reader = new AuditReader(guard.path);
    const records = [...reader.records()];
    const earlier = records.findLast((record) => record.kind === "approval" && record.event === "approved");
    const replayed = reader.entry((earlier as { entry: `sha256:${string}` }).entry)!;
    const stranger = generateIdentity();
    const old = new Date(Date.now() - 3_600_000);
    const bad: Record<string, string> = {
      "altered signature": flip(good, good.lastIndexOf(".") + 8),
      "altered claims": flip(good, good.indexOf(".") + 40),
      "replayed of another request": replayed,
      "for another request": await signEntry(bystander, { ...claims, req: `sha256:${"0".repeat(64)}` }),
      "for another guard": await signEntry(bystander, { ...claims, aud: stranger.did }),
      "for another caller": await signEntry(bystander, { ...claims, sub: { ...claims.sub, caller: stranger.did } }),
      "under another policy": await signEntry(bystander, { ...claims, sub: { ...claims.sub, policy: item.req } }),
      expired: await signEntry(bystander, { ...claims, now: old, exp: Math.floor(old.getTime() / 1000) + 900 }),
      "by a stranger": await signEntry(stranger, claims),
      "by the caller": await signAnswer(agent, item, "approved"),
      "no token": "approved",
    };
    const post = async (token: unknown): Promise<[number, string | undefined]> => {
      const headers = { cookie: await site.cookie(), origin: site.url, "content-type": "application/json" };
      const body = JSON.stringify({ token });
      const answer = await fetch(`${site.url}/approvals/${id}`, { method: "POST", headers, body });
      return [answer.status, ((await answer.json()) as { code?: string }).code];
    };
    for (const [name, token] of Object.entries(bad)) {
      const [status, code] = await post(token);
      expect([name, status]).toEqual([name, 400]);
      expect([name, code]).toEqual([
        name,
        name === "expired" ? expect.stringMatching(/^ERR_APPROVAL_/) : "ERR_APPROVAL_INVALID",
      ]);
      expect([name, await call(args)]).toEqual([name, "ERR_APPROVAL_REQUIRED"]);
    }
    expect((await post(good))[0]).toBe(200);
    expect(await call(args)).toBe("admitted");
    expect((await post(good))[0]).toBe(400);
  });

  it("A-APPR-08 a request that nobody answered in time can be answered no more, on the page or past it", async () => {
    expect(await guard.call(agent, "hurry")).toBe("ERR_APPROVAL_REQUIRED");
    const { open, closed } = await site.json("/approvals.json");
    const item = [...open, ...closed].find(({ target }: { target: string }) => target === "hurry");
    await page.goto(`${site.url}/approvals/${item.id}`);
    await page
      .getByText(/has expired|nobody answered in time/)
      .first()
      .waitFor();
    expect(await page.locator("button.approve:not([disabled])").count()).toBe(0);
    using store = new ApprovalStore(guard.path);
    const token = await signAnswer(bystander, { ...item, prev: item.prev }, "approved");
    expect(() => store.submit(item.id, token)).toThrow(/in time|any more/);
  });

  it("A-APPR-09 signs nothing once the item, its bytes or the policy are no longer what stands on the page", async () => {
    const args = { ...transfer, memo: `pay\u202e 01 \u200b\u001b[2J <img src=x onerror=alert(1)> ${"x".repeat(400)}` };
    expect(await call(args)).toBe("ERR_APPROVAL_REQUIRED");
    const { id } = await itemOf(args);
    await page.goto(`${site.url}/approvals/${id}`);
    await ready();
    // Every byte is there, and nothing of it is obeyed.
    const memo = await page.locator(".willdo dd").nth(2).innerText();
    expect(memo).toBe(`"pay\\u{202e} 01 \\u{200b}\\u001b[2J <img src=x onerror=alert(1)> ${"x".repeat(400)}"`);
    const database = new Database(guard.path);
    const swap = database.prepare<[string, string]>("UPDATE item SET request = ? WHERE id = ?");
    const kept = database
      .prepare<[string], { request: string }>("SELECT request FROM item WHERE id = ?")
      .get(id)!.request;
    swap.run(kept.replace("EUR", "USD"), id);
    await page.getByRole("button", { name: "Approve and sign" }).click();
    await page.locator("button.approve[disabled]").waitFor();
    expect((await site.get(`/approvals/${id}`)).status).toBe(400);
    swap.run(kept, id);
    database.close();
    expect((await itemOf(args)).state).toBe("open");
    // A page whose bytes are others than were asked about offers no signature at all.
    await page.route(`**/approvals/${id}`, async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, body: (await answer.text()).replaceAll("EUR", "USD") });
    });
    await page.goto(`${site.url}/approvals/${id}`);
    await page.getByText("The bytes on this page are not the ones").waitFor();
    expect(await page.locator("button.approve").isDisabled()).toBe(true);
    await page.unroute(`**/approvals/${id}`);
    // Under another policy the guard asks anew, so nothing is signed for the old one.
    await page.goto(`${site.url}/approvals/${id}`);
    await ready();
    policy = policyFor([key, bystander.did], { metadata: { name: "changed" } });
    await guard.call(agent, "search");
    await page.getByRole("button", { name: "Approve and sign" }).click();
    await page.getByText("The policy has changed since").waitFor();
    expect((await itemOf(args)).state).toBe("open");
  });

  it("A-APPR-05 tells a browser whose key may not answer so, and a browser without scripts the command", async () => {
    const args = { ...transfer, amount_cents: 7 };
    expect(await call(args)).toBe("ERR_APPROVAL_REQUIRED");
    const { id, req } = await itemOf(args);
    const other = await site.browser(browser!);
    const strange = await other.newPage();
    await strange.goto(`${site.url}/approver`);
    await strange.getByRole("button", { name: "Make a key in this browser" }).click();
    await strange.locator("peerage-approver .did").waitFor();
    await strange.goto(`${site.url}/approvals/${id}`);
    await strange.getByText("none of those that may answer").waitFor();
    expect(await strange.locator("button.approve").isDisabled()).toBe(true);
    expect(await strange.locator("button.deny").isDisabled()).toBe(true);
    await other.close();
    const plain = await site.browser(browser!, { javaScriptEnabled: false });
    const quiet = await plain.newPage();
    await quiet.goto(`${site.url}/approvals/${id}`);
    expect(await quiet.locator(".willdo dd").allInnerTexts()).toEqual(["7", '"EUR"', '"DE89 3704 0044 0532 0130 00"']);
    expect(await quiet.locator("[data-answer]").innerText()).toContain(`peerage approvals approve ${req.slice(7, 15)}`);
    await plain.close();
  });

  it("asks for nothing of others and breaks no policy while it signs", () => {
    // Refusals of the console are answered by a status, which browsers log.
    expect(complaints.filter((text) => !text.includes("status of 400"))).toEqual([]);
  });
});
