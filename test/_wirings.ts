import { PassThrough } from "node:stream";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as HttpClientV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { McpServer as ServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport as LineV1 } from "@modelcontextprotocol/sdk/server/stdio.js";
import { WebStandardStreamableHTTPServerTransport as HttpV1 } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { Client as ClientV2, StreamableHTTPClientTransport as HttpClientV2 } from "@modelcontextprotocol/client";
import {
  createMcpHandler,
  McpServer as ServerV2,
  WebStandardStreamableHTTPServerTransport as HttpV2,
} from "@modelcontextprotocol/server";
import { serveStdio, StdioServerTransport as LineV2 } from "@modelcontextprotocol/server/stdio";
import { bindInstance, currentCaller, type Guard, guardFetch, guardTransport } from "@peerage/mcp-middleware";
import { z } from "zod";

export const ENDPOINT = "https://mcp.example.com/mcp";

/** What a server's handlers saw and did. */
export class Journal {
  readonly ran: string[] = [];
  release: () => void = () => undefined;
}

interface Extra {
  readonly authInfo?: { readonly clientId: string };
  readonly http?: { readonly authInfo?: { readonly clientId: string } };
  readonly signal?: AbortSignal;
  readonly mcpReq?: { readonly signal: AbortSignal };
}

/** Registers the same tools, resource and prompt on a server of either major. */
function furnish(server: ServerV1 | ServerV2, journal: Journal): void {
  const any = server as ServerV1;
  const text = (value: unknown): { content: [{ type: "text"; text: string }] } => {
    return { content: [{ type: "text", text: typeof value === "string" ? value : JSON.stringify(value) }] };
  };
  any.registerTool("echo", { inputSchema: { text: z.string().optional() } }, (args) => {
    journal.ran.push("echo");
    return text(args.text ?? "");
  });
  any.registerTool("whoami", {}, (extra: unknown) => {
    journal.ran.push("whoami");
    const { authInfo, http } = extra as Extra;
    return text({
      did: currentCaller()?.did,
      clientId: (authInfo ?? http?.authInfo)?.clientId,
      score: currentCaller()?.score,
    });
  });
  any.registerTool("slow", {}, async (extra: unknown) => {
    journal.ran.push("slow");
    const { signal, mcpReq } = extra as Extra;
    (signal ?? mcpReq?.signal)?.addEventListener("abort", () => journal.ran.push("aborted"));
    await new Promise<void>((resolve) => (journal.release = resolve));
    return text("done");
  });
  any.registerResource("who", "demo://who", {}, () => ({
    contents: [{ uri: "demo://who", text: currentCaller()?.did ?? "" }],
  }));
  any.registerPrompt("who", {}, () => ({
    messages: [{ role: "user", content: { type: "text", text: currentCaller()?.did ?? "" } }],
  }));
}

export function serverV1(journal: Journal): ServerV1 {
  const server = new ServerV1({ name: "fixture", version: "1" });
  furnish(server, journal);
  return server;
}

export function serverV2(journal: Journal): ServerV2 {
  const server = new ServerV2({ name: "fixture", version: "1" });
  furnish(server, journal);
  return server;
}

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** A guarded server in this process: the client's end of a pipe, or a fetch that reaches it. */
export type Wired =
  | { readonly kind: "line"; readonly input: PassThrough; readonly output: PassThrough }
  | { readonly kind: "http"; readonly fetch: Fetch };

export interface Wiring {
  readonly name: string;
  readonly start: (guard: Guard, journal: Journal) => Promise<Wired>;
}

async function line(start: (input: PassThrough, output: PassThrough) => Promise<unknown>): Promise<Wired> {
  const [input, output] = [new PassThrough(), new PassThrough()];
  await start(input, output);
  return { kind: "line", input, output };
}

/** One transport for each session, as SDK examples keep them. */
function sessions(open: (onSession: (id: string, handle: Fetch) => void) => Promise<Fetch>): Wired {
  const known = new Map<string, Fetch>();
  return {
    kind: "http",
    fetch: async (input, init) => {
      const request = new Request(input, init);
      const session = request.headers.get("mcp-session-id");
      const handle = session === null ? await open((id, made) => known.set(id, made)) : known.get(session);
      return handle ? handle(request) : new Response(null, { status: 404 });
    },
  };
}

export const wirings: readonly Wiring[] = [
  {
    name: "SDK 1 stdio",
    start: (guard, journal) =>
      line((input, output) => serverV1(journal).connect(guardTransport(new LineV1(input, output), guard))),
  },
  {
    name: "SDK 2 stdio",
    start: (guard, journal) =>
      line((input, output) => serverV2(journal).connect(guardTransport(new LineV2(input, output), guard))),
  },
  {
    name: "SDK 2 serveStdio",
    start: (guard, journal) =>
      line((input, output) => {
        serveStdio(() => bindInstance(serverV2(journal)), {
          transport: guardTransport(new LineV2(input, output), guard),
        });
        return Promise.resolve();
      }),
  },
  {
    name: "SDK 1 HTTP with sessions",
    start: (guard, journal) =>
      Promise.resolve(
        sessions(async (onSession) => {
          const handle: Fetch = (request) => transport.handleRequest(request as Request);
          const transport = guardTransport(
            new HttpV1({
              sessionIdGenerator: () => crypto.randomUUID(),
              onsessioninitialized: (id) => onSession(id, handle),
            }),
            guard,
          );
          await serverV1(journal).connect(transport);
          return handle;
        }),
      ),
  },
  {
    name: "SDK 2 HTTP with sessions",
    start: (guard, journal) =>
      Promise.resolve(
        sessions(async (onSession) => {
          const handle: Fetch = (request) => transport.handleRequest(request as Request);
          const transport = guardTransport(
            new HttpV2({
              sessionIdGenerator: () => crypto.randomUUID(),
              onsessioninitialized: (id) => onSession(id, handle),
            }),
            guard,
          );
          await serverV2(journal).connect(transport);
          return handle;
        }),
      ),
  },
  {
    name: "SDK 2 createMcpHandler",
    start: (guard, journal) => {
      const fetch = guardFetch(createMcpHandler(() => serverV2(journal)).fetch, guard);
      return Promise.resolve({ kind: "http", fetch: async (input, init) => fetch(new Request(input, init)) });
    },
  },
];

export interface AnyClient {
  connect(transport: never): Promise<void>;
  callTool(
    params: { name: string; arguments?: Record<string, unknown> },
    second?: never,
    options?: { signal?: AbortSignal },
  ): Promise<unknown>;
  listTools(): Promise<{ tools: { name: string }[] }>;
  readResource(params: { uri: string }): Promise<unknown>;
  getPrompt(params: { name: string }): Promise<unknown>;
  close(): Promise<void>;
}

export interface ClientKind {
  readonly name: string;
  readonly make: () => AnyClient;
  readonly line: (wired: Wired & { kind: "line" }) => object;
  readonly http: (fetch: Fetch) => object;
}

const info = { name: "client", version: "1" };
const v2 = {
  line: ({ input, output }: Wired & { kind: "line" }) => new LineV2(output, input),
  http: (fetch: Fetch) => new HttpClientV2(new URL(ENDPOINT), { fetch }),
};

export const clients: readonly ClientKind[] = [
  {
    name: "SDK 1 client",
    make: () => new ClientV1(info),
    line: ({ input, output }) => new LineV1(output, input),
    http: (fetch) => new HttpClientV1(new URL(ENDPOINT), { fetch }),
  },
  { name: "SDK 2 legacy client", make: () => new ClientV2(info), ...v2 },
  {
    name: "SDK 2 auto client",
    make: () => new ClientV2(info, { versionNegotiation: { mode: "auto" } }),
    ...v2,
  },
];
