import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { generateIdentity } from "@peerage/core";
import {
  ApprovalStore,
  ApprovalWebhook,
  AuditLog,
  createGuard,
  parseWebhookSecret,
  verifyWebhook,
} from "@peerage/mcp-middleware";
import { afterAll, describe, expect, it } from "vitest";
import { BIN, Home } from "./_cli.ts";
import { policyOf, signed, stdio, verdict } from "./_guard.ts";

const folder = mkdtempSync(join(tmpdir(), "peerage-webhook-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const secret = parseWebhookSecret(SECRET);
let files = 0;

interface Delivery {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A receiver that answers each delivery with the next status, and with 200 after them; `0` is never answered. */
async function receiver(...statuses: number[]) {
  const deliveries: Delivery[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      deliveries.push({ headers: request.headers, body });
      const status = statuses.shift() ?? 200;
      if (status !== 0) response.writeHead(status, status === 302 ? { location: "/elsewhere" } : {}).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks/x`;
  return {
    url,
    deliveries,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Options {
  readonly url: string;
  readonly identity?: ReturnType<typeof generateIdentity>;
  readonly path?: string;
  readonly now?: () => Date;
}

/** A guard whose calls of `pay…` a person must approve, with a webhook. */
async function scene({ url, identity = generateIdentity(), path = join(folder, `${++files}.db`), now }: Options) {
  const problems: Error[] = [];
  const webhook = new ApprovalWebhook({
    url,
    secret,
    firstPauseMs: 1,
    // A receiver that is silent is not told a second time while a busy machine looks at the first.
    timeoutMs: 60_000,
    itemUrl: (id) => `https://console.example/approvals/${id}`,
    onProblem: (problem) => problems.push(problem),
    now,
  });
  const policy = policyOf([{ id: "pay", tools: "pay*", agents: "*", approval: { by: identity.did } }]);
  const audit = new AuditLog({ path, identity, now });
  const guard = await createGuard({ identity, policy, audit, approvals: { webhook, waitSeconds: 0 }, now });
  const caller = generateIdentity();
  const pay = async (name = "pay", args = { cents: 4_711_000 }): Promise<string> =>
    verdict(
      guard.admit(
        await signed(caller, guard.did, "tools/call", { name, arguments: args }, now ? { now: now() } : {}),
        stdio(),
      ),
    );
  return {
    guard,
    webhook,
    identity,
    path,
    pay,
    caller,
    problems,
    [Symbol.asyncDispose]: async () => {
      await webhook[Symbol.asyncDispose]();
      await guard[Symbol.asyncDispose]();
    },
  };
}

describe("the webhook of pending approvals", () => {
  it("posts once what waits, signed, in Slack's form, without the arguments and without anybody's mark-up", async () => {
    await using to = await receiver();
    await using made = await scene({ url: to.url });
    expect(await made.pay("pay <!channel> *x*\u202e\n&")).toBe("ERR_APPROVAL_REQUIRED");
    expect(await made.pay("pay <!channel> *x*\u202e\n&")).toBe("ERR_APPROVAL_REQUIRED");
    await made.webhook.flush();
    expect(to.deliveries).toHaveLength(1);
    const [{ headers, body }] = to.deliveries as [Delivery];
    using store = new ApprovalStore(made.path);
    const [item] = store.list();
    expect(headers["webhook-id"]).toBe(item!.id);
    const given = headers as Record<string, string>;
    expect(verifyWebhook(secret, given, body)).toBe(true);
    expect(verifyWebhook(secret, given, `${body} `)).toBe(false);
    expect(verifyWebhook(parseWebhookSecret("another key, long enough"), given, body)).toBe(false);
    expect(verifyWebhook(secret, { ...given, "webhook-id": "x" }, body)).toBe(false);
    expect(verifyWebhook(secret, given, body, new Date(Date.now() + 301_000))).toBe(false);
    const said = JSON.parse(body);
    expect(said.blocks[0].text.text).toContain("*pay &lt;!channel&gt;  x \\u{202e}\\u{a}&amp;*");
    expect(said.blocks[0].text.text).toContain(`<https://console.example/approvals/${item!.id}|Show and answer>`);
    expect(said.metadata).toMatchObject({
      event_type: "peerage_approval_pending",
      event_payload: { id: item!.id, caller: made.caller.did, req: item!.req, guard: made.guard.did, rule: "pay" },
    });
    expect(body).not.toContain("4711000");
  });

  it("tries again a few times where that may help, and says so when it gives up", async () => {
    for (const [statuses, count, arrives] of [
      [[500, 429, 503, 200], 4, true],
      [[500, 500, 500, 500, 500, 500], 5, false],
      [[400], 1, false],
      [[302], 1, false],
    ] as const) {
      await using to = await receiver(...statuses);
      await using made = await scene({ url: to.url });
      await made.pay();
      await made.webhook.flush();
      expect(to.deliveries.length, String(statuses)).toBe(count);
      expect(new Set(to.deliveries.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
      expect(made.problems.map(({ message }) => message).join()).toMatch(arrives ? /^$/ : /nobody was told/);
      // The address may hold a token.
      expect(made.problems.map(String).join()).not.toContain("hooks");
    }
  });

  it("holds up no call, whether the receiver is silent or gone, and does not outlast its guard", async () => {
    await using to = await receiver(...Array.from({ length: 200 }, () => 0));
    await using made = await scene({ url: to.url });
    for (let cents = 0; cents < 20; cents++) expect(await made.pay("pay", { cents })).toBe("ERR_APPROVAL_REQUIRED");
    await expect.poll(() => to.deliveries.length).toBe(20);
    expect(made.problems).toEqual([]);

    await using alone = await scene({ url: "http://127.0.0.1:9/hooks/x" });
    expect(await alone.pay()).toBe("ERR_APPROVAL_REQUIRED");
    await alone.webhook.flush();
    expect(String(alone.problems[0])).toContain("cannot be reached");
  });

  it("is told by the next guard what the one before could not tell, once", async () => {
    await using to = await receiver(0);
    let time = Date.now();
    const now = (): Date => new Date(time);
    const first = await scene({ url: to.url, now });
    await first.pay();
    await expect.poll(() => to.deliveries.length).toBe(1);
    await first[Symbol.asyncDispose]();
    time += 180_000;
    await using next = await scene({ url: to.url, now, identity: first.identity, path: first.path });
    // The log is open from the first decision on; then its chores are done every few seconds.
    await next.pay("pay", { cents: 1 });
    await expect.poll(() => to.deliveries.length, { timeout: 25_000, interval: 100 }).toBe(3);
    await next.webhook.flush();
    expect(new Set(to.deliveries.map(({ headers }) => headers["webhook-id"])).size).toBe(2);
  }, 40_000);

  it("takes an address with TLS, or on loopback, and a key that is long enough", () => {
    for (const url of ["http://example.com/x", "ftp://127.0.0.1/", "nonsense"]) {
      expect(() => new ApprovalWebhook({ url, secret })).toThrow(
        expect.objectContaining({ code: "ERR_CONFIG_INVALID" }),
      );
    }
    expect(() => new ApprovalWebhook({ url: "https://example.com/x", secret })).not.toThrow();
    for (const text of ["", "short", "whsec_c2hvcnQ="]) {
      expect(() => parseWebhookSecret(text)).toThrow(expect.objectContaining({ code: "ERR_CONFIG_INVALID" }));
    }
  });
});

it("peerage guard --webhook tells it with the key of a file, and starts with neither a bad address nor without a key", async () => {
  await using to = await receiver();
  await using home = await Home.make();
  // No PEERAGE_* variable reaches a wrapped command, so the guard behind a call finds its files by these.
  const folders = ["XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"];
  const env = { PEERAGE_HOME: undefined, ...Object.fromEntries(folders.map((name) => [name, home.path])) };
  for (const name of ["bot", "gate", "alice"]) await home.call(["init", name], { env });
  const did = async (name: string): Promise<string> =>
    JSON.parse((await home.call(["whoami", "--identity", name, "--json"], { env })).stdout).data.did;
  const policy = join(home.path, "policy.yaml");
  const rule = `{ tools: echo, agents: "*", approval: { by: "${await did("alice")}" } }`;
  await writeFile(policy, `apiVersion: peerage.dev/v1\nkind: Policy\nallow:\n  - ${rule}\n`);
  const key = join(home.path, "webhook.key");
  await writeFile(key, `${SECRET}\n`, { mode: 0o600 });
  const server = fileURLToPath(import.meta.resolve("@modelcontextprotocol/server-everything/dist/index.js"));
  const call = async (...flags: string[]) => {
    const guard = [process.execPath, BIN, "--identity", "gate", "guard", "--policy", policy, "--approval-wait", "0"];
    const command = [...guard, ...flags, "--", process.execPath, server];
    const asked = ["call", "echo", "--audience", await did("gate"), "--arg", "message=hi", "--json", "--", ...command];
    return home.run(["--identity", "bot", ...asked], { env });
  };
  const asked = await call("--webhook", to.url, "--webhook-secret", key);
  expect(asked.code, asked.stdout + asked.stderr).toBe(8);
  await expect.poll(() => to.deliveries.length).toBe(1);
  const [{ headers, body }] = to.deliveries as [Delivery];
  expect(verifyWebhook(secret, headers as Record<string, string>, body)).toBe(true);
  expect(JSON.parse(body).blocks[0].text.text).toContain("peerage approvals show");
  for (const flags of [
    ["--webhook", to.url],
    ["--webhook-secret", key],
    ["--webhook", "http://example.com/", "--webhook-secret", key],
    ["--webhook", to.url, "--webhook-secret", join(home.path, "nothing")],
  ])
    expect(
      (await home.call(["--identity", "gate", "guard", "--policy", policy, ...flags, "--", "true"], { env })).code,
    ).toBe(2);
  expect(to.deliveries).toHaveLength(1);
}, 60_000);
