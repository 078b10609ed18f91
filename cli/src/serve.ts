import type { Server } from "node:http";
import { serve } from "@hono/node-server";
import type { Registry } from "@peerage/registry";
import { type Address, urlOf } from "./address.ts";
import { CliError } from "./errors.ts";
import { codeOf } from "./files/safe-file.ts";

/** A registry that listens. */
export interface Served extends AsyncDisposable {
  readonly url: string;
}

/**
 * Serves a registry, its observatory beside it, at one address; port 0 takes a free one.
 * @throws {CliError} ERR_CONFIG_INVALID if the address is taken
 */
export async function serveApp(registry: Registry, { host, port }: Address): Promise<Served> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = serve({ fetch: registry.app.fetch, hostname: host, port }, (info) => resolve(info.port)) as Server;
  server.once("error", (error) => {
    const taken = codeOf(error) === "EADDRINUSE";
    reject(
      taken
        ? new CliError("ERR_CONFIG_INVALID", `port ${port} is taken`, { exit: 1, hint: "--listen <another port>" })
        : error,
    );
  });
  const url = urlOf({ host, port: await promise });
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
