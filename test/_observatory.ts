import type { Server } from "node:http";
import { join } from "node:path";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { type Did, parseJson, parseNote, type Statement } from "../core/src/index.ts";
import { createObservatory, type ObservatoryOptions } from "../observatory/src/index.ts";
import { openRegistry, type Registry, type WitnessQuorum } from "../registry/src/index.ts";
import { buildIslands } from "../scripts/build-islands.ts";
import { temporaryFolder } from "./_registry.ts";

/** A real registry in this process with the observatory over it, on a port of its own. */
export interface TestObservatory extends AsyncDisposable {
  readonly url: string;
  readonly registry: Registry;
  /** Where the registry keeps its keys. */
  readonly keysDir: string;
  /** How often the pages have asked the store for anything so far. */
  reads(): number;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  text(path: string): Promise<string>;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the shape is each test's own
  json(path: string): Promise<any>;
  /** Submits statements and waits until all are published. */
  publish(...statements: Statement[]): Promise<void>;
}

export interface TestObservatoryOptions extends Partial<Pick<ObservatoryOptions, "names" | "banner" | "registryUrl">> {
  readonly roots?: readonly Did[];
  readonly now?: () => Date;
  /** A folder that holds a registry already; it stays when the test is over. */
  readonly dataDir?: string;
  /** Nothing is limited by address. */
  readonly unlimited?: boolean;
  /** Who must cosign each head. */
  readonly witnesses?: WitnessQuorum;
}

export async function startObservatory(options: TestObservatoryOptions = {}): Promise<TestObservatory> {
  await buildIslands();
  const folder = options.dataDir === undefined ? temporaryFolder() : undefined;
  const dataDir = options.dataDir ?? folder!.path;
  const clock = options.now ? { now: options.now } : {};
  const limits = options.unlimited === true ? { writesPerMinute: 0, readsPerMinute: 0 } : {};
  const cosigned = options.witnesses ? { witnesses: options.witnesses } : {};
  const registry = await openRegistry({ dataDir, cadenceMs: 10, batchDelayMs: 1, ...clock, ...limits, ...cosigned });
  const { reader, logKey, witnessKey, events } = registry;
  let reads = 0;
  /** What is asked of the store, counted. */
  const counted = <A extends unknown[], R>(ask: (...of: A) => R): ((...of: A) => R) => {
    return (...of) => {
      reads++;
      return ask(...of);
    };
  };
  const pages = createObservatory({
    registryUrl: "https://registry.example",
    ...options,
    source: {
      view: () => registry.view,
      leaves: counted((from, to) => reader.leaves(from, to)),
      tile: counted((level, n, width) => reader.tile(level, n, width)),
      logKey,
      witnessKey,
      quorum: registry.quorum,
      checkpoints: counted((after, upTo) => reader.checkpoints(after, upTo)),
      note: counted(async (digest) => {
        const answer = await registry.app.request(`/v1/notes/${digest}`);
        if (answer.status === 410) return "erased";
        return answer.ok ? parseNote(parseJson(await answer.text())) : undefined;
      }),
      subscribe: (listener) => events.subscribe(({ from, checkpoint }) => listener({ from, size: checkpoint.size })),
    },
    roots: options.roots ?? [],
  });
  // As the command line serves them: the registry's interface first, the pages answer whatever is left.
  const app = new Hono();
  app.route("/", registry.app);
  app.notFound((c) => pages.fetch(c.req.raw, c.env));
  const { promise, resolve } = Promise.withResolvers<number>();
  const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => resolve(port)) as Server;
  const url = `http://127.0.0.1:${await promise}`;
  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> => fetch(url + path, { headers });
  return {
    url,
    registry,
    keysDir: join(dataDir, "keys"),
    reads: () => reads,
    get,
    text: async (path) => (await get(path)).text(),
    json: async (path) => (await get(path)).json(),
    async publish(...statements) {
      let last = -1;
      for (const { bytes } of statements) last = Math.max(last, (await registry.submit(bytes)).index);
      await registry.published(last);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
      await registry[Symbol.asyncDispose]();
      folder?.[Symbol.dispose]();
    },
  };
}
