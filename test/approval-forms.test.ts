import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { Client as ClientV2 } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { StdioServerTransport as LineV1 } from "@modelcontextprotocol/sdk/server/stdio.js";
import { StdioServerTransport as LineV2 } from "@modelcontextprotocol/server/stdio";
import { generateIdentity } from "@peerage/core";
import {
  ApprovalStore,
  AuditLog,
  AuditReader,
  createCallSigner,
  createGuard,
  type Guard,
  runStdioGuard,
  signAnswer,
  signTransport,
  startHttpGuard,
} from "@peerage/mcp-middleware";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ClientName, overHttp, signing } from "./_battery.ts";
import { policyOf } from "./_guard.ts";
import {
  everythingStdio,
  type HttpServerProcess,
  modernStdio,
  party,
  startEverythingHttp,
  startModernHttp,
} from "./_mcp.ts";

const folder = mkdtempSync(join(tmpdir(), "peerage-forms-"));
let servers: { legacy: HttpServerProcess; modern: HttpServerProcess };
beforeAll(async () => {
  servers = { legacy: await startEverythingHttp(), modern: await startModernHttp() };
});
afterAll(async () => {
  await servers.legacy[Symbol.asyncDispose]();
  await servers.modern[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const alice = generateIdentity();
let files = 0;

/** What the client's user does with a URL that is shown. */
type Open = (url: string) => Promise<"accept" | "decline">;

function clientOf(name: ClientName, open: Open | undefined): ClientV1 | ClientV2 {
  const info = { name: "client", version: "1" };
  const capabilities = open ? { elicitation: { url: {} } } : {};
  const answer = async (request: { params: { url?: string } }) => ({ action: await open!(request.params.url ?? "") });
  if (name === "SDK 1") {
    const client = new ClientV1(info, { capabilities });
    if (open) client.setRequestHandler(ElicitRequestSchema, (request) => answer(request as never));
    return client;
  }
  const mode = name === "SDK 2 auto" ? { versionNegotiation: { mode: "auto" as const } } : {};
  const client = new ClientV2(info, { capabilities, ...mode });
  if (open) client.setRequestHandler("elicitation/create", (request) => answer(request as never));
  return client;
}

interface Scene extends AsyncDisposable {
  readonly guard: Guard;
  readonly path: string;
  readonly call: (text: string) => Promise<{ text: string; isError: boolean }>;
  readonly approve: (url: string) => Promise<void>;
  /** How often the tool ran. */
  readonly ran: () => number;
  readonly close: () => Promise<void>;
}

/** A real client before a guard before an unmodified server in a process of its own; a person must approve each call. */
async function scene(name: ClientName, over: "http" | "stdio", open?: (made: Scene) => Open, waitSeconds = 20) {
  const server = party();
  const path = join(folder, `${++files}.db`);
  const guard = await createGuard({
    identity: server.identity,
    policy: policyOf([{ tools: "echo", agents: "*", approval: { by: alice.did } }]),
    audit: new AuditLog({ path, identity: server.identity }),
    approvals: { url: (id) => `http://127.0.0.1:7777/approvals/${id}`, waitSeconds },
  });
  const ends: (() => Promise<unknown>)[] = [];
  const agent = party();
  const client = clientOf(name, open && ((url) => open(made)(url)));
  const made: Scene = {
    guard,
    path,
    call: async (text) => {
      // The two servers name it differently.
      const result = (await client.callTool({ name: "echo", arguments: { message: text, text } })) as unknown as {
        content: [{ text: string }];
        isError?: boolean;
      };
      return { text: result.content[0].text, isError: result.isError === true };
    },
    approve: async (url) => {
      using store = new ApprovalStore(path);
      const item = store.show(url.split("/").at(-1) ?? "");
      store.submit(item.id, await signAnswer(alice, item, "approved"));
    },
    ran: () => {
      using reader = new AuditReader(path);
      return [...reader.calls({ target: "echo", verdict: "admitted" })].filter(
        ({ outcome }) => outcome?.outcome === "executed",
      ).length;
    },
    close: () => client.close(),
    [Symbol.asyncDispose]: async () => {
      await client.close();
      for (const end of ends.reverse()) await end();
      await guard[Symbol.asyncDispose]();
    },
  };
  if (over === "http") {
    const upstream = name === "SDK 2 auto" ? servers.modern.url : servers.legacy.url;
    const proxy = await startHttpGuard({ guard, upstream, log: () => undefined });
    ends.push(() => proxy.close());
    await client.connect(overHttp(name, proxy.url, signing(agent, proxy.url)));
  } else {
    const [command, ...args] = name === "SDK 2 auto" ? modernStdio : everythingStdio;
    const [input, output] = [new PassThrough(), new PassThrough()];
    const running = runStdioGuard({ guard, command, args, input, output, signals: false, log: () => undefined });
    ends.push(async () => {
      input.end();
      await running;
    });
    const endpoint = { command: "server", args: [] };
    const signer = createCallSigner({ signer: agent.identity, endpoint, server: guard.did });
    const line = name === "SDK 1" ? new LineV1(output, input) : new LineV2(output, input);
    await client.connect(signTransport(line, signer));
  }
  return made;
}

const all = (["SDK 1", "SDK 2 legacy", "SDK 2 auto"] as const).flatMap((name) =>
  (["http", "stdio"] as const).map((over) => ({ name, over })),
);

describe.each(all)("$name over $over", ({ name, over }) => {
  it("A-APPR-10 is asked where it can be, and its one call is made once a person has approved", async () => {
    const opened: string[] = [];
    await using made = await scene(name, over, ({ approve }) => async (url) => {
      opened.push(url);
      await approve(url);
      return "accept";
    });
    const { text, isError } = await made.call("hi");
    expect([text.includes("hi"), isError, opened.length, made.ran()]).toEqual([true, false, 1, 1]);
    expect(opened[0]).toMatch(/^http:\/\/127\.0\.0\.1:7777\/approvals\/[\w-]{22}$/);
    // The session goes on as if nothing had been asked.
    expect((await made.call("hi again")).isError).toBe(false);
    expect(opened).toHaveLength(2);
  });

  it("A-APPR-06 gains nothing by opening the page, saying accept, or saying no: it is told where a person can answer", async () => {
    for (const action of ["accept", "decline"] as const) {
      await using made = await scene(name, over, () => () => Promise.resolve(action), 0.2);
      // A modern client that says no is told so by its own SDK; every other gets the answer.
      const { text, isError } = await made
        .call("hi")
        .catch((error: unknown) => ({ text: String(error), isError: true }));
      expect(isError, text).toBe(true);
      expect(made.ran()).toBe(0);
      using store = new ApprovalStore(made.path);
      expect(store.list().map(({ state }) => state)).toEqual(["open"]);
    }
  });

  it("A-APPR-10 without URL elicitation it is told the URL in an answer, and the same call again is made", async () => {
    await using made = await scene(name, over);
    const { text, isError } = await made.call("hi");
    expect([isError, made.ran()]).toEqual([true, 0]);
    await made.approve(/http:\S+[\w-]/.exec(text)?.[0] ?? "");
    expect((await made.call("hi")).isError).toBe(false);
    expect(made.ran()).toBe(1);
  });
});

describe.each(["SDK 1", "SDK 2 legacy"] as const)("%s over http", (name) => {
  it("A-APPR-10 that leaves while a person is asked loses nothing: the approval is there when it comes back", async () => {
    let gone: (() => void) | undefined;
    const left = new Promise<void>((resolve) => (gone = resolve));
    let asked = "";
    const first = await scene(name, "http", (made) => async (url) => {
      asked = url;
      void made.close().finally(() => gone?.());
      await left;
      return "accept";
    });
    await expect(first.call("hi")).rejects.toThrow();
    await left;
    await first.approve(asked);
    using store = new ApprovalStore(first.path);
    expect(store.list(["approved"])).toHaveLength(1);
    expect(first.ran()).toBe(0);
    await first[Symbol.asyncDispose]();
  });
});
