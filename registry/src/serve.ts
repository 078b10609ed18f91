import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import type { Hono } from "hono";
import type { Env } from "./http/route.ts";
import type { RegistryOptions } from "./options.ts";
import { openRegistry, type Registry } from "./registry.ts";

/** A registry, and the address on which it answers. */
export interface ServeOptions extends RegistryOptions {
  /** 127.0.0.1 by default. */
  readonly host?: string;
  /** 0 by default: a free one. */
  readonly port?: number;
}

/** A registry and the server that answers for it. */
export interface RegistryServer extends AsyncDisposable {
  readonly registry: Registry;
  /** Where it listens, without a slash at the end. */
  readonly url: string;
}

/** An app that listens. */
export interface ServedApp extends AsyncDisposable {
  /** Where it listens, without a slash at the end. */
  readonly url: string;
}

/** Serves an app, such as that of a witness or a mirror. @throws the errors of `listen` */
export async function serveApp(
  app: Pick<Hono<Env>, "fetch">,
  options: Pick<ServeOptions, "host" | "port"> = {},
): Promise<ServedApp> {
  const { url, close } = await listen(app, options);
  return { url, [Symbol.asyncDispose]: () => close(() => Promise.resolve()) };
}

/**
 * Opens a registry and serves its HTTP interface alone. Composed with other apps, use `registry.app` instead.
 * @throws {PeerageError} see {@link openRegistry}; the errors of `listen`
 */
export async function serveRegistry(options: ServeOptions): Promise<RegistryServer> {
  const registry = await openRegistry(options);
  try {
    const { url, close } = await listen(registry.app, options);
    const stop = (): Promise<void> => {
      registry.drain();
      return close(() => registry[Symbol.asyncDispose]());
    };
    return { registry, url, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await registry[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Stops a server in order: it takes no more connections, and what is being answered may finish.
 * @param graceMs after which it may not
 */
export async function closeServer(server: Server, graceMs: number = 5_000): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // A connection that is kept alive becomes idle when its answer is out, not before.
  const idle = setInterval(() => server.closeIdleConnections(), 20);
  const late = setTimeout(() => server.closeAllConnections(), graceMs);
  server.closeIdleConnections();
  await closed;
  clearInterval(idle);
  clearTimeout(late);
}

async function listen(
  app: Pick<Hono<Env>, "fetch">,
  options: Pick<ServeOptions, "host" | "port">,
): Promise<{ url: string; close: (last: () => PromiseLike<void>) => Promise<void> }> {
  const server = createAdaptorServer({ fetch: app.fetch });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, options.host ?? "127.0.0.1", resolve);
  });
  const { address, port, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${port}`,
    close: async (last) => {
      await closeServer(server as Server);
      await last();
    },
  };
}
