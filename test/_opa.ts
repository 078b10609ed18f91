import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** The rules of a package: what each is for an input, undefined where its body does not hold. */
export type OpaPackage = Readonly<Record<string, (input: never) => unknown>>;

/** A server on this machine; `seen` holds the documents that it was asked about. */
export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly seen: unknown[];
}

/**
 * Speaks OPA's REST API over packages whose rules are functions: `POST /v1/data/<package>` gives every rule that is
 * defined, `/v1/data/<package>/<rule>` one, and 200 without a `result` where nothing is.
 */
export function startOpa(packages: Readonly<Record<string, OpaPackage>>): Promise<TestServer> {
  const seen: unknown[] = [];
  return serve(seen, async (request, response) => {
    const path = new URL(request.url ?? "/", "http://opa").pathname.replace(/^\/v1\/data\//, "");
    if (request.method !== "POST") {
      json(response, 405, { code: "invalid_operation" });
      return;
    }
    let body: { input?: unknown };
    try {
      body = JSON.parse(await text(request)) as { input?: unknown };
    } catch {
      json(response, 400, { code: "invalid_parameter", message: "body contains malformed input" });
      return;
    }
    seen.push(body.input);
    const name = Object.keys(packages).find((one) => path === one || path.startsWith(`${one}/`));
    const rules = name === undefined ? {} : packages[name]!;
    const rule = name === undefined ? "" : path.slice(name.length + 1);
    const value = rule === "" ? all(rules, body.input) : rules[rule]?.(body.input as never);
    json(response, 200, {
      decision_id: `00000000-0000-4000-8000-${String(seen.length).padStart(12, "0")}`,
      ...(name === undefined || value === undefined ? {} : { result: value }),
      ...("input" in body ? {} : { warning: { code: "api_usage_warning", message: "'input' key missing" } }),
    });
  });
}

/** A server that answers as it is told. */
export function startHostile(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<TestServer> {
  return serve([], answer);
}

function all(rules: OpaPackage, input: unknown): Record<string, unknown> {
  const values = Object.entries(rules).map(([name, rule]) => [name, rule(input as never)]);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined)) as Record<string, unknown>;
}

async function serve(
  seen: unknown[],
  listener: (...args: Parameters<RequestListener>) => unknown,
): Promise<TestServer> {
  const server = createServer((request, response) => void listener(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
