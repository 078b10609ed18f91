import { setTimeout as delay } from "node:timers/promises";
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as HttpV2,
  type Transport as TransportV2,
} from "@modelcontextprotocol/client";
import { StdioClientTransport as StdioV2 } from "@modelcontextprotocol/client/stdio";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as StdioV1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as HttpV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport as TransportV1 } from "@modelcontextprotocol/sdk/shared/transport.js";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import { interceptHandler } from "../mcp-middleware/src/adapters/intercept.ts";
import { createCallSigner, signFetch } from "../mcp-middleware/src/sign/index.ts";
import type { Answer, Command, Party } from "./_mcp.ts";

export type ClientName = "SDK 1" | "SDK 2 legacy" | "SDK 2 auto";

/** What a client saw of a server: every result by the name of its step, and what the server sent unasked. */
export interface Seen {
  readonly results: Readonly<Record<string, Answer>>;
  /** Requests and notifications of the server, as frames on the wire, sorted. */
  readonly events: readonly string[];
}

interface AnyClient {
  connect(transport: never): Promise<void>;
  request(
    request: object,
    schema: unknown,
    options?: { signal?: AbortSignal; onprogress?: () => void },
  ): Promise<Answer>;
  getServerCapabilities(): Answer;
  getServerVersion(): Answer;
  getInstructions(): string | undefined;
  callTool(params: object): Promise<Answer>;
  getPrompt(params: object): Promise<Answer>;
  readResource(params: object): Promise<Answer>;
  sendRootsListChanged(): Promise<void>;
  listTools(): Promise<Answer>;
  listPrompts(): Promise<Answer>;
  listResources(): Promise<Answer>;
  listen?(filter: object): Promise<{ close(): Promise<void> }>;
  close(): Promise<void>;
}

const answers = {
  sampling: {
    role: "assistant",
    content: { type: "text", text: "a model's answer, é 😀" },
    model: "none",
    stopReason: "endTurn",
  },
  roots: { roots: [{ uri: "file:///home/someone", name: "Home" }] },
  elicitation: { action: "accept", content: { name: "Alice", color: "blue", context: "none", integer: 7 } },
} as const;

/** A client of either major that answers whatever a server may ask. */
export function makeClient(name: ClientName): AnyClient {
  const info = { name: "battery", version: "1" };
  const capabilities = { sampling: {}, roots: { listChanged: true }, elicitation: { form: {}, url: {} } };
  if (name === "SDK 1") {
    const client = new ClientV1(info, { capabilities });
    client.setRequestHandler(CreateMessageRequestSchema, () => answers.sampling);
    client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [...answers.roots.roots] }));
    client.setRequestHandler(ElicitRequestSchema, () => answers.elicitation);
    return client;
  }
  const negotiation = name === "SDK 2 auto" ? { versionNegotiation: { mode: "auto" as const } } : {};
  const client = new ClientV2(info, { capabilities, ...negotiation });
  client.setRequestHandler("sampling/createMessage", () => answers.sampling);
  client.setRequestHandler("roots/list", () => ({ roots: [...answers.roots.roots] }));
  client.setRequestHandler("elicitation/create", () => answers.elicitation);
  return client;
}

/** The client's transport to a command. */
export function overStdio(
  name: ClientName,
  [command, ...args]: Command,
  env: Readonly<Record<string, string>> = {},
): TransportV1 | TransportV2 {
  return new (name === "SDK 1" ? StdioV1 : StdioV2)({ command, args, env, stderr: "ignore" });
}

/** The client's transport to a URL. */
export function overHttp(
  name: ClientName,
  url: string,
  fetch?: ReturnType<typeof signFetch>,
): TransportV1 | TransportV2 {
  return new (name === "SDK 1" ? HttpV1 : HttpV2)(new URL(url), fetch ? { fetch } : {});
}

/** `fetch` as a client gets it that signs by itself. */
export function signing(client: Party, url: string): ReturnType<typeof signFetch> {
  const signer = createCallSigner({ signer: client.identity, endpoint: { url } });
  return signFetch(globalThis.fetch, signer, { endpoint: url });
}

/** The frames of a transport that are requests or notifications of the server. */
class Tap {
  readonly frames: Answer[] = [];

  constructor(transport: TransportV1 | TransportV2) {
    interceptHandler<(message: Answer, extra?: unknown) => void>(transport, "onmessage", (handler) => {
      return (message, extra) => {
        if ("method" in message) this.frames.push(message);
        handler.call(transport, message, extra);
      };
    });
  }

  /** @throws after a minute without such a frame */
  async until(what: string, holds: (frame: Answer) => boolean, remind: () => Promise<void> = never): Promise<void> {
    for (let waits = 1; !this.frames.some(holds); waits++) {
      if (waits % 400 === 0) await remind();
      if (waits === 12_000) throw new Error(`${what} never came`);
      await delay(5);
    }
  }
}

const never = (): Promise<void> => Promise.resolve();
const loose = z.looseObject({});

/**
 * The same with each event once: over HTTP, on a busy machine, server-everything and the SDKs send some of them again to a
 * client that opens its own stream late, with a guard and without.
 */
export function once({ results, events }: Seen): Seen {
  return { results, events: [...new Set(events)] };
}

/** What server-everything sends by its own clock, or again when it is reminded. */
const BY_THE_CLOCK = /^(?:roots\/list|notifications\/resources\/updated) |at random$|"Roots updated/;

/** The same with what comes by the clock once: how often it comes tells how busy the machine is. */
export function timeless({ results, events }: Seen): Seen {
  return { results, events: events.filter((event, i) => !BY_THE_CLOCK.test(event) || events.indexOf(event) === i) };
}

/** What a client was told of a failed request. */
function refusalOf(error: unknown): Answer {
  const { code, message, data } = error as Answer;
  return { code, message, data };
}

/** Uses every feature of server-everything once. */
export async function everythingBattery(name: ClientName, transport: TransportV1 | TransportV2): Promise<Seen> {
  const tap = new Tap(transport);
  const client = makeClient(name);
  await client.connect(transport as never);
  // It asks for the roots 350 ms after the handshake, and into the void if our own stream is not open by then.
  const isUpdate = (frame: Answer): boolean => String(frame.params?.data).startsWith("Roots updated");
  await tap.until("the answer to the roots", isUpdate, () => client.sendRootsListChanged());
  const results: Record<string, Answer> = {
    server: client.getServerVersion(),
    capabilities: client.getServerCapabilities(),
    instructions: client.getInstructions(),
  };
  const step = async (
    label: string,
    method: string,
    params: object = {},
    options: { signal?: AbortSignal; onprogress?: () => void } = {},
  ): Promise<Answer> => {
    return (results[label] = await client.request({ method, params }, loose, options).catch(refusalOf));
  };
  const tool = (called: string, args: object = {}, label = called): Promise<Answer> =>
    step(label, "tools/call", { name: called, arguments: args });

  await step("ping", "ping");
  await step("tools", "tools/list");
  await tool("echo", { message: "é 😀 \u2028 \u0000 \\" });
  await tool("get-sum", { a: 1.5, b: -2e-7 });
  for (const messageType of ["success", "error", "debug"]) {
    await tool("get-annotated-message", { messageType, includeImage: true }, `annotated ${messageType}`);
  }
  await tool("get-env");
  await tool("get-resource-links", { count: 3 });
  await tool("get-resource-reference", { resourceType: "Text", resourceId: 1 }, "text reference");
  await tool("get-resource-reference", { resourceType: "Blob", resourceId: 2 }, "blob reference");
  await tool("get-structured-content", { location: "Chicago" });
  await tool("get-tiny-image");
  await tool("gzip-file-as-resource", {
    name: `${crypto.randomUUID()}.gz`,
    data: "data:text/plain,hello",
    outputType: "resource",
  });
  await step(
    "progress",
    "tools/call",
    { name: "trigger-long-running-operation", arguments: { duration: 0.2, steps: 4 } },
    { onprogress: () => undefined },
  );
  await tool("trigger-sampling-request", { prompt: "Say something", maxTokens: 10 });
  await tool("trigger-elicitation-request");
  const link = { url: "https://example.com/open", message: "Open", elicitationId: "e1" };
  await tool("trigger-url-elicitation", link, "url elicitation");
  await tool("trigger-url-elicitation", { ...link, errorPath: true, elicitationId: "e2" }, "url elicitation by error");
  await tool("get-roots-list");

  await step("prompts", "prompts/list");
  await step("simple prompt", "prompts/get", { name: "simple-prompt" });
  await step("args prompt", "prompts/get", { name: "args-prompt", arguments: { city: "Bern", state: "BE" } });
  await step("completable prompt", "prompts/get", {
    name: "completable-prompt",
    arguments: { department: "Engineering", name: "Alice" },
  });
  await step("resource prompt", "prompts/get", {
    name: "resource-prompt",
    arguments: { resourceType: "Text", resourceId: "1" },
  });
  await step("completion of a prompt", "completion/complete", {
    ref: { type: "ref/prompt", name: "completable-prompt" },
    argument: { name: "department", value: "E" },
  });
  await step("completion of a template", "completion/complete", {
    ref: { type: "ref/resource", uri: "demo://resource/dynamic/text/{resourceId}" },
    argument: { name: "resourceId", value: "1" },
  });

  const { resources } = await step("resources", "resources/list");
  await step("templates", "resources/templates/list");
  await step("file", "resources/read", { uri: resources[0].uri });
  await step("text", "resources/read", { uri: "demo://resource/dynamic/text/1" });
  await step("blob", "resources/read", { uri: "demo://resource/dynamic/blob/1" });
  await step("subscribe", "resources/subscribe", { uri: "demo://resource/dynamic/text/1" });
  await tool("toggle-subscriber-updates", {}, "updates on");
  await tap.until("an update", (frame) => frame.method === "notifications/resources/updated");
  await tool("toggle-subscriber-updates", {}, "updates off");
  await step("unsubscribe", "resources/unsubscribe", { uri: "demo://resource/dynamic/text/1" });
  await step("logging level", "logging/setLevel", { level: "debug" });
  await tool("toggle-simulated-logging", {}, "logging on");
  await tap.until("a log message", (frame) => isRandomLog(frame));
  await tool("toggle-simulated-logging", {}, "logging off");

  await tool("no-such-tool");
  await tool("get-sum", { a: "one" }, "invalid arguments");
  await step("unknown prompt", "prompts/get", { name: "no-such-prompt" });
  await step("unknown resource", "resources/read", { uri: "demo://no/such" });
  await step("unknown cursor", "tools/list", { cursor: "nowhere" });
  await step("unknown method", "demo/unknown");
  await step("foreign _meta", "tools/call", {
    name: "echo",
    arguments: { message: "m" },
    _meta: { "com.example/trace": "t", progressToken: "p" },
  });

  const abort = new AbortController();
  const endless = { name: "trigger-long-running-operation", arguments: { duration: 30, steps: 1 } };
  const cancelled = step("cancelled", "tools/call", endless, { signal: abort.signal });
  await delay(50);
  abort.abort();
  await cancelled;
  results["cancelled"] = "cancelled" in results ? typeof results["cancelled"].message : undefined;
  await step("ping after a cancellation", "ping");
  await client.close();
  return { results: plain(results), events: tap.frames.map((frame: Answer) => eventOf(frame)).toSorted() };
}

/** One of the messages that server-everything draws by lot. */
function isRandomLog({ method, params }: Answer): boolean {
  return method === "notifications/message" && /[- ]level[- ]message/.test(String(params.data));
}

/** Uses every feature of our own fixture of SDK 2.x, in whichever era the client speaks to it. */
export async function fixtureBattery(name: ClientName, transport: TransportV1 | TransportV2): Promise<Seen> {
  const tap = new Tap(transport);
  const client = makeClient(name);
  await client.connect(transport as never);
  const isModern = name === "SDK 2 auto";
  const results: Record<string, Answer> = {
    server: client.getServerVersion(),
    capabilities: client.getServerCapabilities(),
  };
  const step = async (label: string, run: () => Promise<Answer>): Promise<void> => {
    results[label] = await run().catch(refusalOf);
  };
  const tool = (called: string, args: object = {}): Promise<void> =>
    step(called, () => client.callTool({ name: called, arguments: args }));
  await step("tools", () => client.listTools());
  await step("prompts", () => client.listPrompts());
  await step("resources", () => client.listResources());
  await step("templates", () => client.request({ method: "resources/templates/list", params: {} }, loose));
  for (const suffix of ["simple_text", "image_content", "audio_content", "embedded_resource"]) {
    await tool(`test_${suffix}`);
  }
  await tool("test_multiple_content_types");
  await tool("test_error_handling");
  await tool("json_schema_2020_12_tool", { name: "n", contactMethod: "phone", phone: "1" });
  await tool("json_schema_2020_12_tool", { unknown: 1 });
  await tool("no_such_tool");
  await step("progress", () =>
    client.request({ method: "tools/call", params: { name: "test_tool_with_progress", arguments: {} } }, loose, {
      onprogress: () => undefined,
    }),
  );
  if (isModern) {
    await tool("test_custom_header", { region: "überall\r\n " });
    for (const kind of ["elicitation", "sampling", "list_roots", "multi_round", "multiple_inputs"]) {
      await tool(`test_input_required_result_${kind}`);
    }
    await step("asking prompt", () => client.getPrompt({ name: "test_input_required_result_prompt" }));
    await step("subscription", async () => {
      const subscription = await client.listen!({ toolsListChanged: true });
      await client.callTool({ name: "test_trigger_tool_change", arguments: {} });
      await tap.until("a change", (frame) => frame.method === "notifications/tools/list_changed");
      await subscription.close();
      return "ended";
    });
  } else {
    await step("level", () => client.request({ method: "logging/setLevel", params: { level: "debug" } }, loose));
    await tool("test_tool_with_logging");
    await tool("test_sampling", { prompt: "Say something" });
    await tool("test_elicitation", { message: "Say something" });
    await tool("test_elicitation_sep1034_defaults");
    await tool("test_elicitation_sep1330_enums");
    await tool("test_reconnection");
    await step("subscribe", () =>
      client.request({ method: "resources/subscribe", params: { uri: "test://watched-resource" } }, loose),
    );
    await step("ping", () => client.request({ method: "ping", params: {} }, loose));
  }
  const prompt = { name: "test_prompt_with_arguments", arguments: { arg1: "é", arg2: "\u2028" } };
  await step("prompt", () => client.getPrompt(prompt));
  await step("image prompt", () => client.getPrompt({ name: "test_prompt_with_image" }));
  await step("unknown prompt", () => client.getPrompt({ name: "no_such_prompt" }));
  const ref = { type: "ref/prompt", name: "test_prompt_with_arguments" };
  const argument = { name: "arg1", value: "par" };
  await step("completion", () => client.request({ method: "completion/complete", params: { ref, argument } }, loose));
  for (const uri of ["test://static-text", "test://static-binary", "test://template/7/data", "test://no/such"]) {
    await step(uri, () => client.readResource({ uri }));
  }
  // Over modern HTTP the SDK shows the text of the 404, over stdio the error: only that there is one is the same.
  await step("unknown method", () =>
    client.request({ method: "demo/unknown", params: {} }, loose).catch(() => "refused"),
  );
  await client.close();
  return { results: plain(results), events: tap.frames.map((frame: Answer) => eventOf(frame)).toSorted() };
}

/** What a frame of the server says, without ids that differ from run to run. */
function eventOf(frame: Answer): string {
  const { method, params } = frame;
  if (isRandomLog(frame)) return `${method} at random`;
  const { progressToken: _, ...rest } = params ?? {};
  return `${method} ${JSON.stringify(plain(rest))}`;
}

/** A result without our receipt and advertisement, and without times and random ids. */
export function plain(value: unknown): Answer {
  const text = JSON.stringify(value, (key, inner: Answer) => {
    const isOurs = (name: string): boolean => name.startsWith("dev.peerage/") || (key === "data" && name === "receipt");
    if (key === "extensions" || key === "_meta" || (key === "data" && typeof inner === "object")) {
      const kept = Object.entries(inner as object).filter(([name]) => !isOurs(name));
      return kept.length === 0 ? undefined : Object.fromEntries(kept);
    }
    return key === "blob" ? Buffer.from(String(inner), "base64").toString("latin1") : inner;
  });
  return JSON.parse(
    text
      .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "@id")
      .replaceAll(/\d{1,2}:\d{2}:\d{2} [AP]M/g, "@time")
      .replaceAll(/\d{4}-\d{2}-\d{2}T[\d:.]+Z/g, "@time"),
  );
}
