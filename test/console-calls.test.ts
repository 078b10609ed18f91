import { generateIdentity, generateRun, type Identity, parseEntry, parsePolicy, signEntry } from "@peerage/core";
import { AuditReader } from "@peerage/mcp-middleware";
import { type Console, createConsole } from "@peerage/observatory";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FileAccess } from "../cli/src/console/access.ts";
import { GuardStores } from "../cli/src/console/guards.ts";
import { Ledger } from "../observatory/src/console/ledger.ts";
import { type Places, search } from "../observatory/src/console/search.ts";
import { type ConsoleGuard, examplePolicy, logIn, startConsole, type TestConsole } from "./_console.ts";
import { unsigned } from "./_guard.ts";

let site: TestConsole;
let busy: ConsoleGuard;
let quiet: ConsoleGuard;
let agent: Identity;
/** A console over the same logs that has only a few records in mind, as one has of a log of millions. */
let forgetful: Console;
let stores: GuardStores;

interface Line {
  readonly id: string;
  readonly guard: string;
  readonly target: string;
}
interface CallsPage {
  readonly calls: readonly Line[];
  readonly next?: string;
  readonly older: number;
}

beforeAll(async () => {
  site = await startConsole();
  const policy = examplePolicy([generateIdentity().did], generateIdentity().did);
  busy = await site.addGuard("busy", policy);
  quiet = await site.addGuard("quiet", policy);
  agent = site.people["vivid-weaver"]!;
  for (let i = 0; i < 120; i++) {
    await busy.call(agent, i % 3 === 0 ? "write_file" : "search", { i });
    if (i % 12 === 0) await quiet.call(site.people["fable-signal"]!, "run_shell", { i });
  }
  const now = (): Date => new Date();
  stores = new GuardStores({ folder: `${site.state}/audit`, now });
  forgetful = createConsole({
    guards: () => stores.list(),
    access: new FileAccess(site.state, now),
    origin: () => site.url,
    parsePolicy: (text) => Promise.resolve(parsePolicy(text)),
    inMind: 40,
  });
});
afterAll(async () => {
  forgetful[Symbol.dispose]();
  stores[Symbol.dispose]();
  await site[Symbol.asyncDispose]();
});

let cookie: string | undefined;
async function ask(path: string): Promise<Response> {
  cookie ??= await logIn(site.served);
  return forgetful.app.request(site.url + path, {
    headers: { host: new URL(site.url).host, cookie, accept: "text/html" },
  });
}

/** All pages of a query, one after another. */
async function paged(query: string, between: () => Promise<unknown> = async () => undefined): Promise<Line[]> {
  const lines: Line[] = [];
  for (let after = "", n = 0; n < 20; n++) {
    const page = (await (await ask(`/calls.json?${query}${after}`)).json()) as CallsPage;
    lines.push(...page.calls);
    if (page.next === undefined) return lines;
    after = `&after=${page.next}`;
    await between();
  }
  throw new Error("the pages have no end");
}

/** What a log holds, newest first. */
function recorded(guard: ConsoleGuard): string[] {
  using reader = new AuditReader(guard.path);
  return [...reader.calls()].map(({ decision }) => decision.id);
}

describe("calls that the console does not have in mind", () => {
  it("are paged through to the oldest, newest first, without gap or repetition, while new ones come in", async () => {
    const before = [recorded(busy), recorded(quiet)];
    const first = (await (await ask("/calls.json")).json()) as CallsPage;
    expect((await site.json("/calls.json")).older).toBe(0);
    expect(first.calls).toHaveLength(50);
    expect(first.older).toBeGreaterThan(200);
    const lines = await paged("", async () => {
      await busy.call(agent, "search");
      await quiet.call(agent, "run_shell");
    });
    const of = (guard: string): string[] => lines.filter((line) => line.guard === guard).map(({ id }) => id);
    expect([of("busy"), of("quiet")]).toEqual(before);
    const alone = await paged("guard=quiet");
    expect(alone.map(({ id }) => id)).toEqual(recorded(quiet));
  });

  it("are found by the filters, opened by their id, and exported", async () => {
    const writes = await paged("target=write_file&verdict=admitted");
    expect(writes).toHaveLength(40);
    expect(new Set(writes.map(({ target }) => target))).toEqual(new Set(["write_file"]));
    expect(await paged(`caller=${site.people["fable-signal"]!.did}`)).toHaveLength(10);
    expect(await paged("rule=no-such-rule")).toEqual([]);
    const oldest = writes.at(-1)!;
    const page = await ask(`/calls/${oldest.id}`);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain("write_file");
    expect((await ask(`/calls/${crypto.randomUUID()}`)).status).toBe(404);
    const exported = (await (await ask("/calls.ndjson?target=write_file")).text()).trim().split("\n");
    expect(exported.map((line) => (JSON.parse(line) as Line).id)).toEqual(writes.map(({ id }) => id));
    const all = (await (await ask("/calls.ndjson")).text()).trim().split("\n");
    expect(all).toHaveLength(recorded(busy).length + recorded(quiet).length);
    // What no call in mind has is still what the form asks for.
    expect(await (await ask("/calls?rule=readers&reason=ERR_REPLAYED")).text()).toMatch(
      /<option value="ERR_REPLAYED" selected/,
    );
  });

  it("are not passed over by a search under way when the console forgets some", async () => {
    const source = stores.list().find(({ name }) => name === "busy")!;
    const ledger = new Ledger(source, 10);
    while (ledger.rows.length < 12) {
      await busy.call(agent, "search");
      await ledger.catchUp();
    }
    const before = recorded(busy);
    const search = ledger.back(ledger.next);
    const found = [search.next().value!.id, search.next().value!.id];
    await busy.call(agent, "search");
    await ledger.catchUp();
    expect(ledger.rows).toHaveLength(10);
    for (const { id } of search) found.push(id);
    expect(found).toEqual(before);
  });

  it("are searched a part at a time, and the search goes on where it ended", async () => {
    const ledgers = stores.list().map((source) => new Ledger(source, 10));
    for (const ledger of ledgers) await ledger.catchUp();
    const wanted = new Set(recorded(quiet).slice(-2));
    const found: string[] = [];
    let searches = 0;
    for (let places: Places | undefined; ;) {
      const part = await search(ledgers, places, ({ id }) => wanted.has(id), { rows: 50, old: 30 });
      found.push(...part.rows.map(({ id }) => id));
      searches++;
      if (!part.next) break;
      expect(part.searchedTo).toBeTypeOf("number");
      places = part.next;
    }
    expect(new Set(found)).toEqual(wanted);
    expect(found).toHaveLength(2);
    expect(searches).toBeGreaterThan(3);
  });
});

describe("the receipt of a call", () => {
  const newest = async (query: string): Promise<string> => (await site.json(`/calls.json?${query}`)).calls[0].id;
  const shown = async (id: string): Promise<string> => (await site.get(`/calls/${id}`, { accept: "text/html" })).text();

  it("U9 stands on its page as the caller got it, of an admitted and of a refused one, checked just now", async () => {
    const admitted = await newest("guard=busy&verdict=admitted");
    const { receipt, decision } = await site.json(`/calls/${admitted}.json`);
    expect(receipt).toMatchObject({ step: "tool_call", result: "executed" });
    expect(parseEntry(receipt.token)).toMatchObject({
      issuer: busy.guard.did,
      audience: agent.did,
      call: decision.call,
    });
    expect(await shown(admitted)).toContain("✓ signed by this guard");
    expect(await shown(admitted)).toContain(receipt.token);
    const refused = await site.json(`/calls/${await newest("guard=quiet&verdict=refused")}.json`);
    expect(refused.receipt).toMatchObject({ step: "tool_call", result: "refused" });
    await busy.send(unsigned(5));
    const unproven = await newest("guard=busy&caller=unsigned");
    expect((await site.json(`/calls/${unproven}.json`)).receipt).toBeUndefined();
    expect(await shown(unproven)).toContain("Who does not sign gets no receipt.");
  });

  it("is shown and verified by calls show, exit 6 where it is another's", async () => {
    using reader = new AuditReader(busy.path);
    const [last, before] = [...reader.calls({ verdict: "admitted" })];
    const show = ["calls", "show", String(last!.decision.seq), "--audit", busy.path];
    const held = await site.home.call([...show, "--json"]);
    expect(held.code).toBe(0);
    expect(JSON.parse(held.stdout).data.receipt).toMatchObject({ token: reader.receipt(last!), result: "executed" });
    expect((await site.home.call(show)).stdout).toMatch(/✓ +receipt +tool_call \/ executed, signed by the guard at/);
    const database = new Database(busy.path);
    const put = (token: string): unknown =>
      database.prepare("UPDATE receipt SET token = ? WHERE seq = ?").run(token, last!.outcome!.seq);
    const own = reader.receipt(last!)!;
    try {
      put(reader.receipt(before!)!);
      const other = await site.home.call(show);
      expect(other.code).toBe(6);
      expect(other.stdout).toMatch(/✕ +receipt +the kept receipt does not belong to this call: bytes/);
      expect(await shown(last!.decision.id)).toContain("✕ the kept receipt does not belong to this call: bytes");
      const run = generateRun();
      put(await signEntry(agent, { run, prev: [], step: "tool_call", result: "executed" }));
      expect((await site.home.call(show)).code).toBe(6);
      database.prepare("DELETE FROM receipt WHERE seq = ?").run(last!.outcome!.seq);
      const gone = await site.home.call(show);
      expect(gone.code).toBe(0);
      expect(gone.stdout.replace(/\s+/g, " ")).toContain(
        `${last!.outcome!.receipt!} was issued, and is not kept any more`,
      );
    } finally {
      database.prepare("INSERT OR IGNORE INTO receipt VALUES (?, ?)").run(last!.outcome!.seq, own);
      put(own);
      database.close();
    }
    expect((await site.home.call(show)).code).toBe(0);
  });
});
