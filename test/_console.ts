import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import {
  type Did,
  generateIdentity,
  generateRun,
  HttpRegistryReader,
  type Identity,
  issueVouch,
  type JsonObject,
  Network,
  parseEntry,
  type Policy,
  signEntry,
  tokenDigest,
} from "@peerage/core";
import { AuditLog, createGuard, type Guard, SqliteReplayStore, trustFromNetwork } from "@peerage/mcp-middleware";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { serveConsole, type ServedConsole } from "../cli/src/console/serve.ts";
import { Context } from "../cli/src/context.ts";
import { writeNames } from "../cli/src/files/book.ts";
import { buildIslands } from "../scripts/build-islands.ts";
import { Home } from "./_cli.ts";
import { HISTORY_META, policyOf, signed, stdio } from "./_guard.ts";
import { startRegistry } from "./_registry.ts";

/** A guard of this process, with its log in the state folder that the console looks at. */
export interface ConsoleGuard {
  readonly guard: Guard;
  readonly path: string;
  /** How far this guard's clock is behind, in milliseconds. */
  readonly clock: { behind: number };
  /** Calls a tool and settles what is admitted. @returns `admitted` or the reason of the refusal */
  call(by: Identity, tool: string, args?: JsonObject, options?: { history?: readonly string[] }): Promise<string>;
  /** A message that is not what a client sends. @returns `admitted` or the reason */
  send(message: JsonObject): Promise<string>;
}

/** A console over real stores, as `peerage console` serves it, with guards that record beside it. */
export interface TestConsole extends AsyncDisposable {
  readonly url: string;
  readonly served: ServedConsole;
  readonly state: string;
  readonly home: Home;
  readonly people: Readonly<Record<string, Identity>>;
  /** Where the guards' registry answers. */
  readonly registryUrl: string;
  addGuard(name: string, policy: Policy | (() => Policy)): Promise<ConsoleGuard>;
  /** The session cookie of a browser that was let in, for requests without one. */
  cookie(): Promise<string>;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the shape is each test's own
  json(path: string): Promise<any>;
  /** A browser that was let in. */
  browser(browser: Browser, options?: Parameters<Browser["newContext"]>[0]): Promise<BrowserContext>;
}

/** People of the example by their names; a root stands for some of them. */
const vouched: Readonly<Record<string, number>> = {
  "vivid-weaver": 84,
  "jade-archive": 81,
  "brisk-lantern": 66,
  "zesty-ranger": 77,
  "eager-ledger": 41,
  "mossy-weaver": 74,
};
const strangers = ["fable-signal", "mossy-quill"];

export async function startConsole(): Promise<TestConsole> {
  await buildIslands();
  await using opened = new AsyncDisposableStack();
  const home = opened.use(await Home.make());
  const registry = opened.use(await startRegistry());
  const root = generateIdentity();
  const names = [...Object.keys(vouched), ...strangers];
  const people = Object.fromEntries(names.map((name) => [name, generateIdentity()]));
  for (const [name, confidence] of Object.entries(vouched)) {
    const vouch = await issueVouch(root, { subject: people[name]!.did, scope: ["tools"], confidence });
    await registry.publish(vouch.bytes);
  }
  const env = { PATH: process.env["PATH"], LANG: "C.UTF-8", PEERAGE_HOME: join(home.path, "peerage") };
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const io = { env, cwd: home.path, stdin: Readable.from([]), stdout: nowhere, stderr: nowhere, now: () => new Date() };
  const context = new Context(io, { registry: registry.url });
  await mkdir(context.paths.data, { recursive: true });
  await writeNames(context.paths, new Map(Object.entries(people).map(([name, { did }]) => [name, did])));
  const { state } = context.paths;
  await mkdir(join(state, "audit"), { recursive: true, mode: 0o700 });
  const served = opened.use(await serveConsole(context, { listen: { host: "127.0.0.1", port: 0 }, state }));
  let session: string | undefined;
  const cookie = async (): Promise<string> => (session ??= await logIn(served));
  const get = async (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(served.url + path, { headers: { cookie: await cookie(), ...headers }, redirect: "manual" });

  async function addGuard(name: string, policy: Policy | (() => Policy)): Promise<ConsoleGuard> {
    const identity = generateIdentity();
    const clock = { behind: 0 };
    const now = (): Date => new Date(Date.now() - clock.behind);
    const reader = await HttpRegistryReader.connect({ url: registry.url });
    // What is admitted in the example's past was decided with the view of its present.
    const network = await Network.open({ reader, now: () => new Date() });
    const trust = trustFromNetwork(network, { roots: [root.did], maxAgeSeconds: 86_400, now: () => new Date() });
    const path = join(state, "audit", `${name}.db`);
    const audit = parts.use(new AuditLog({ path, identity, args: "full", now }));
    const replay = parts.use(new SqliteReplayStore(join(state, "replay.db")));
    const approvals = { waitSeconds: 0, url: (id: string) => `${served.url}/approvals/${id}` };
    const guard = parts.use(await createGuard({ identity, policy, trust, audit, replay, approvals, now }));
    const send = async (message: JsonObject): Promise<string> => {
      const admission = await guard.admit(message, stdio());
      if (!admission.admitted) return admission.reason;
      const id = message["id"];
      if (id !== undefined)
        await guard.settle(admission.decision, {
          jsonrpc: "2.0",
          id,
          result: { content: [{ type: "text", text: "ok" }] },
        });
      return "admitted";
    };
    return {
      guard,
      path,
      clock,
      send,
      async call(by, tool, args = {}, { history = [] } = {}) {
        const meta = history.length === 0 ? {} : { [HISTORY_META]: [...history] };
        const head = history.length === 0 ? {} : { head: [tokenDigest(history.at(-1)!)] };
        return send(
          await signed(by, guard.did, "tools/call", { name: tool, arguments: args }, { meta, now: now(), ...head }),
        );
      },
    };
  }
  const parts = opened.move();
  return {
    url: served.url,
    served,
    state,
    home,
    people,
    registryUrl: registry.url,
    addGuard,
    cookie,
    get,
    json: async (path) => (await get(path)).json(),
    async browser(browser, options = {}) {
      const context = await browser.newContext(options);
      const [name = "", value = ""] = (await logIn(served)).split("=");
      await context.addCookies([{ name, value, url: served.url, httpOnly: true, sameSite: "Strict" }]);
      return context;
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** A session, as a browser gets it for a one-time code. */
export async function logIn({ url, access }: Pick<ServedConsole, "url" | "access">): Promise<string> {
  const body = new URLSearchParams({ code: await access.makeCode() });
  const answer = await fetch(`${url}/login`, { method: "POST", body, headers: { origin: url }, redirect: "manual" });
  const [session = ""] = (answer.headers.get("set-cookie") ?? "").split(";");
  return session;
}

/** The policy of the example: reading for the trusted, writing for the more trusted, money for a person to decide. */
export function examplePolicy(approvers: readonly Did[], fraud: Did): Policy {
  return policyOf(
    [
      { id: "readers", tools: ["search", "read_file"], agents: "*", trust: 0.3 },
      { id: "writers", tools: ["write_file", "send_mail"], agents: "*", trust: 0.6 },
      {
        id: "transfers",
        tools: "transfer_funds",
        agents: "*",
        trust: 0.6,
        args: { amount_cents: { ">": 0, "<=": 5_000_000 } },
        require: [{ step: "fraud_check", by: fraud, within: "1d" }],
        approval: {
          by: approvers.length > 0 ? [...approvers] : [fraud],
          within: "30m",
          timeout: "30m",
          after: "fraud_check",
        },
      },
      { id: "archive", tools: "archive_*", agents: "*", trust: 0.9 },
    ],
    { deny: [{ id: "no-shell", tools: "run_shell", because: "nobody runs a shell through this server" }] },
  );
}

/** Signed steps that lead to a transfer: the agent took the task, a fraud check passed. */
export async function checkedRun(agent: Identity, fraud: Identity, at: Date): Promise<string[]> {
  const run = generateRun();
  const first = await signEntry(agent, { run, prev: [], step: "request_received", result: "accepted", now: at });
  const second = await signEntry(fraud, {
    run,
    prev: [parseEntry(first).digest],
    step: "fraud_check",
    result: "passed",
    now: new Date(at.getTime() + 5_000),
  });
  return [first, second];
}

/** Calls over the last minutes, as a busy server sees them. */
export async function exampleTraffic(guard: ConsoleGuard, people: TestConsole["people"], rounds = 14): Promise<void> {
  const plan: readonly (readonly [string, string, number])[] = [
    ["vivid-weaver", "search", 3],
    ["vivid-weaver", "write_file", 2],
    ["jade-archive", "search", 2],
    ["jade-archive", "send_mail", 1],
    ["brisk-lantern", "read_file", 2],
    ["zesty-ranger", "read_file", 1],
    ["zesty-ranger", "write_file", 1],
    ["eager-ledger", "send_mail", 1],
    ["eager-ledger", "search", 1],
    ["fable-signal", "write_file", 2],
    ["mossy-quill", "search", 1],
  ];
  for (let round = 0; round < rounds; round++) {
    for (const [i, [name, tool, every]] of plan.entries()) {
      guard.clock.behind = Math.round((rounds - round) * 50_000 - i * 3_000);
      if ((round + i) % (4 - every) === 0) await guard.call(people[name]!, tool, { query: `q${round}` });
    }
  }
  guard.clock.behind = 0;
}

/** What a page must not do, whatever it shows. */
export function watchPage(page: Page, origin: string): string[] {
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
    const { protocol, origin: from } = new URL(request.url());
    if (protocol !== "data:" && from !== origin) complaints.push(`foreign request: ${request.url()}`);
  });
  return complaints;
}
