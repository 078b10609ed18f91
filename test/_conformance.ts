import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import {
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { serve, type ServerType } from "@hono/node-server";
import { isJsonObject, type JsonObject, parsePolicy } from "@peerage/core";
import { createGuard, type GuardOptions, type LifecycleMethod } from "@peerage/mcp-middleware";
import { startHttpGuard } from "../mcp-middleware/src/proxy/index.ts";
import { CALL_HEADER, type CallSigner, createCallSigner } from "../mcp-middleware/src/sign/index.ts";
import { responseSubject, streamSubject } from "../mcp-middleware/src/sign/sign-fetch.ts";
import { conformanceFetch, type Major } from "./fixtures/conformance-server.ts";
import { node, openPolicy, party, scratch } from "./_mcp.ts";

/** An installed release of `@modelcontextprotocol/conformance`. */
export interface Suite {
  readonly name: string;
  readonly main: string;
}

const modules = fileURLToPath(new URL("../node_modules", import.meta.url));
const suite = (folder: string, name: string): Suite => ({ name, main: join(modules, folder, "dist/index.js") });

export const released: Suite = suite("@modelcontextprotocol/conformance", "conformance 0.1.16");
/** The alpha that knows 2026-07-28; installed under another name, or not at all. */
export const next: Suite = suite("conformance-next", "conformance 0.2.0-alpha.12");
export const hasNext: boolean = existsSync(next.main);

/** A check of a scenario, e.g. `ping SUCCESS`. */
export type Checks = readonly string[];
/** What each scenario found, without what differs from run to run. */
export type Results = Readonly<Record<string, Checks>>;

interface Check {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly errorMessage?: string;
}

/** Runs the suite's server scenarios against a URL. */
export async function runServerSuite(which: Suite, url: string, args: readonly string[] = []): Promise<Results> {
  using folder = scratch();
  await run(which, ["server", "--url", url, "-o", folder.path, ...args]);
  const results: Record<string, Checks> = {};
  for (const scenario of readdirSync(folder.path).toSorted()) {
    const file = join(folder.path, scenario, "checks.json");
    if (!existsSync(file)) continue;
    const name = scenario.replace(/^server-/, "").replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, "");
    results[name] = (JSON.parse(readFileSync(file, "utf8")) as Check[]).map(line);
  }
  return results;
}

function line({ id, name, status, errorMessage }: Check): string {
  const why = status === "SUCCESS" || errorMessage === undefined ? "" : `: ${errorMessage}`;
  return `${id} ${name} ${status}${why}`;
}

/** Runs one of the suite's client scenarios; what it says, and whether all checks hold. */
export async function runClientScenario(
  which: Suite,
  scenario: string,
  command: readonly string[],
): Promise<{ readonly passed: boolean; readonly output: string }> {
  using folder = scratch();
  const args = ["client", "--command", command.join(" "), "--scenario", scenario, "-o", folder.path];
  const { code, output } = await run(which, args);
  return { passed: code === 0, output };
}

function run(which: Suite, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(node, [which.main, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.once("close", (code) => resolve({ code, output }));
  });
}

/** `passed / failed`, as the suite counts: warnings, infos and skips are neither. */
export function tally(results: Results): { readonly passed: number; readonly failed: number } {
  const all = Object.values(results).flat();
  const count = (status: string): number => all.filter((check) => new RegExp(` ${status}(:|$)`).test(check)).length;
  return { passed: count("SUCCESS"), failed: count("FAILURE") };
}

/** Scenarios in which something was checked and nothing failed. */
export function passedScenarios(results: Results): string[] {
  return Object.entries(results)
    .filter(([, checks]) => checks.some((check) => check.endsWith(" SUCCESS")))
    .filter(([, checks]) => !checks.some((check) => / FAILURE(:|$)/.test(check)))
    .map(([scenario]) => scenario);
}

export interface Hop extends AsyncDisposable {
  readonly url: string;
}

/** The project's own server with everything that the suite asks for, on a free loopback port. */
export async function startFixture(major: Major): Promise<Hop & { requests(): number }> {
  let server: ServerType | undefined;
  let requests = 0;
  const handle = conformanceFetch(major);
  const fetch = (request: Request): Response | Promise<Response> => {
    requests++;
    return handle(request);
  };
  const port = await new Promise<number>((resolve) => {
    server = serve({ fetch, port: 0, hostname: "127.0.0.1" }, (info) => resolve(info.port));
  });
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    requests: () => requests,
    async [Symbol.asyncDispose]() {
      (server as Server).closeAllConnections();
      await new Promise((resolve) => server?.close(resolve));
    },
  };
}

/** A guard that lets any verified caller do everything, and takes nothing unsigned. */
export async function strictGuard(
  upstream: string,
  open: readonly LifecycleMethod[] = [],
  options: Partial<GuardOptions> = {},
): Promise<Hop> {
  const policy = parsePolicy(JSON.stringify(openPolicy));
  const guard = await createGuard({ identity: party().identity, policy, open, ...options });
  // The suite's many wrong messages are the point; the limiter has its own tests.
  const proxy = await startHttpGuard({ guard, upstream, failedProofsPerMinute: 10_000 });
  return {
    url: proxy.url,
    async [Symbol.asyncDispose]() {
      await proxy.close();
      await guard[Symbol.asyncDispose]();
    },
  };
}

/** A hop that signs whatever an unsigned harness sends, and changes nothing else; the suite is no signing client. */
export async function startSigner(target: string): Promise<Hop> {
  const signer = createCallSigner({ signer: party().identity, endpoint: { url: target } });
  const server = createServer((incoming, response) => {
    relay(incoming, response, target, signer).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${new URL(target).pathname}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function relay(
  incoming: IncomingMessage,
  response: ServerResponse,
  target: string,
  signer: CallSigner,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const { body, proof } = await signed(incoming, text, signer);
  const dropped = new Set(["content-length", "transfer-encoding", "connection"]);
  const headers: string[] = [];
  for (let i = 0; i + 1 < incoming.rawHeaders.length; i += 2) {
    const [name = "", value = ""] = incoming.rawHeaders.slice(i, i + 2);
    if (!dropped.has(name.toLowerCase())) headers.push(name, value);
  }
  if (proof !== undefined) headers.push(CALL_HEADER, proof);
  if (body !== "") headers.push("content-length", String(Buffer.byteLength(body)));
  const { hostname, port } = new URL(target);
  const options = { hostname, port, path: incoming.url, method: incoming.method, headers, agent: false };
  const outgoing = httpRequest(options, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    answer.pipe(response);
    answer.on("error", () => response.destroy());
  });
  outgoing.on("error", () => response.destroy());
  response.on("close", () => outgoing.destroy());
  outgoing.end(body);
}

async function signed(
  incoming: IncomingMessage,
  text: string,
  signer: CallSigner,
): Promise<{ body: string; proof?: string | undefined }> {
  const { method } = incoming;
  if (method === "GET" || method === "DELETE") {
    const header = (name: string): string | undefined => incoming.headers[name] as string | undefined;
    return { body: text, proof: await signer.signHeader(streamSubject(method, header)) };
  }
  const message = parsed(text);
  if (!message) return { body: text };
  if (Object.hasOwn(message, "method")) return { body: JSON.stringify(await signer.sign(message)) };
  return { body: text, proof: await signer.signHeader(responseSubject(message)) };
}

function parsed(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
