import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RegistryServer, serveRegistry, type ServeOptions } from "../registry/src/index.ts";

/** A folder that is gone when the test is. */
export function temporaryFolder(): Disposable & { path: string } {
  const path = mkdtempSync(join(tmpdir(), "peerage-registry-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) };
}

export interface TestRegistry extends AsyncDisposable, RegistryServer {
  post(body: Uint8Array | string, headers?: Record<string, string>): Promise<Response>;
  /** Posts and waits until it is published. */
  publish(body: Uint8Array | string): Promise<{ id: string; index: number; state: string; status: number }>;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the shape is each test's own
  json(path: string): Promise<any>;
}

/** A real registry on 127.0.0.1, in a folder of its own unless one is given. */
export async function startRegistry(options: Partial<ServeOptions> = {}): Promise<TestRegistry> {
  const folder = options.dataDir === undefined ? temporaryFolder() : undefined;
  const server = await serveRegistry({
    cadenceMs: 20,
    batchDelayMs: 2,
    ...options,
    dataDir: options.dataDir ?? folder!.path,
  });
  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(server.url + path, { headers });
  const post = (body: Uint8Array | string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${server.url}/v1/statements`, { method: "POST", body: body as BodyInit, headers });
  return {
    registry: server.registry,
    url: server.url,
    get,
    post,
    async publish(body) {
      const response = await post(body, { prefer: "wait=15" });
      const answer = (await response.json()) as { id: string; index: number; state: string };
      if (!response.ok) throw new Error(JSON.stringify(answer));
      return { ...answer, status: response.status };
    },
    async json(path) {
      const response = await get(path);
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
      return response.json();
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      folder?.[Symbol.dispose]();
    },
  };
}
