import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { openRegistry, type Registry, type RegistryOptions } from "./registry.ts";

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

/**
 * Opens a registry and serves its HTTP interface alone. Composed with other apps, use `registry.app` instead.
 * @throws {PeerageError} see {@link openRegistry}; the errors of `listen`
 */
export async function serveRegistry(options: ServeOptions): Promise<RegistryServer> {
  const registry = await openRegistry(options);
  const server = createAdaptorServer({ fetch: registry.app.fetch });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(options.port ?? 0, options.host ?? "127.0.0.1", resolve);
    });
  } catch (error) {
    await registry[Symbol.asyncDispose]();
    throw error;
  }
  const { address, port, family } = server.address() as AddressInfo;
  return {
    registry,
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${port}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // What is being answered may finish; live feeds never would.
      if ("closeIdleConnections" in server) server.closeIdleConnections();
      await registry[Symbol.asyncDispose]();
      if ("closeAllConnections" in server) server.closeAllConnections();
      await closed;
    },
  };
}
