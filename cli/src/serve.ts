import type { Server } from "node:http";
import { serve } from "@hono/node-server";
import { type Did, type Digest, type Note, parseJson, parseNote } from "@peerage/core";
import { createObservatory } from "@peerage/observatory";
import { closeServer, type Registry } from "@peerage/registry";
import { Hono } from "hono";
import { type Address, listenError, urlOf } from "./address.ts";

/** A registry that listens. */
export interface Served extends AsyncDisposable {
  readonly url: string;
}

/**
 * Serves a registry, its observatory beside it, at one address; port 0 takes a free one.
 * @param publicUrl the address by which others know it, for the commands that pages show
 * @throws {CliError} ERR_CONFIG_INVALID if the address is taken
 */
export async function serveApp(
  registry: Registry,
  { host, port }: Address,
  options: { readonly roots: readonly Did[]; readonly publicUrl?: string | undefined },
): Promise<Served> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  // The pages show the address at which they are served, which is known once the server listens.
  const started: { app?: Hono } = {};
  const fetch = (request: Request, env: object): Response | Promise<Response> =>
    started.app?.fetch(request, env) ?? new Response("starting\n", { status: 503 });
  const server = serve({ fetch, hostname: host, port }, (info) => resolve(info.port)) as Server;
  server.once("error", (error) => reject(listenError(error, { host, port }, "--listen")));
  const url = urlOf({ host, port: await promise });
  started.app = compose(registry, options.publicUrl ?? url, options.roots);
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      registry.drain();
      await closeServer(server);
    },
  };
}

/** A note as the registry answers for it, asked within this process. */
async function noteOf(registry: Registry, digest: Digest): Promise<Note | "erased" | undefined> {
  const answer = await registry.app.request(`/v1/notes/${digest}`);
  if (answer.status === 410) return "erased";
  return answer.ok ? parseNote(parseJson(await answer.text())) : undefined;
}

/** The registry's interface first; the pages answer whatever is left. */
function compose(registry: Registry, registryUrl: string, roots: readonly Did[]): Hono {
  const { reader, logKey, witnessKey, events } = registry;
  const observatory = createObservatory({
    source: {
      view: () => registry.view,
      leaves: (from, to) => reader.leaves(from, to),
      tile: (level, n, width) => reader.tile(level, n, width),
      logKey,
      witnessKey,
      quorum: registry.quorum,
      checkpoints: (after, upTo) => reader.checkpoints(after, upTo),
      note: (digest) => noteOf(registry, digest),
      subscribe: (listener) => events.subscribe(({ from, checkpoint }) => listener({ from, size: checkpoint.size })),
    },
    roots,
    registryUrl,
    names: (did) => registry.nameOf(did),
  });
  const app = new Hono();
  app.route("/", registry.app);
  app.notFound((c) => {
    // Programs get the registry's own problem document, people a page, which is computed as answers to programs are.
    const isPage = !c.req.path.startsWith("/v1/");
    const refused = isPage && !c.req.path.startsWith("/assets/") ? registry.countRead(c) : undefined;
    return refused ?? (isPage ? observatory : registry.app).fetch(c.req.raw, c.env as object);
  });
  return app;
}
