import type { Server } from "node:http";
import { dirname, join } from "node:path";
import { serve } from "@hono/node-server";
import { parsePolicy } from "@peerage/core";
import { createConsole } from "@peerage/observatory";
import type { Hono } from "hono";
import { type Address, urlOf } from "../address.ts";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { codeOf } from "../files/safe-file.ts";
import { engines, membersOf, prepareEngines } from "../policy/source.ts";
import type { Served } from "../serve.ts";
import { FileAccess } from "./access.ts";
import { writeAddress } from "./address.ts";
import { GuardStores } from "./guards.ts";
import { OperatorNames } from "./names.ts";
import { FilePairing } from "./pairing.ts";

/** Default port of a console. It is fixed, because a browser's key belongs to it. */
export const CONSOLE_PORT = 7071;

/** A console that listens, and who may look at it. */
export interface ServedConsole extends Served {
  readonly access: FileAccess;
}

/**
 * Serves the console of a state folder.
 * @throws {CliError} ERR_CONFIG_INVALID if the address is taken: whoever holds it could use the key of a browser
 */
export async function serveConsole(
  context: Context,
  options: {
    readonly listen: Address;
    readonly state: string;
    /** One audit log instead of those of the state folder. */
    readonly audit?: string | undefined;
    readonly publicUrl?: string | undefined;
  },
): Promise<ServedConsole> {
  const { listen, state, audit, publicUrl } = options;
  const { now } = context.io;
  await using opened = new AsyncDisposableStack();
  const access = new FileAccess(state, now);
  const guards = opened.use(
    new GuardStores({ folder: audit === undefined ? join(state, "audit") : dirname(audit), only: audit, now }),
  );
  const names = opened.use(new OperatorNames(context));
  await names.start();
  await prepareEngines();
  const started: { app?: Hono; origin: string } = { origin: "" };
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const fetch = (request: Request, env: object): Response | Promise<Response> =>
    started.app?.fetch(request, env) ?? new Response("starting\n", { status: 503 });
  const server = serve({ fetch, hostname: listen.host, port: listen.port }, (info) => resolve(info.port)) as Server;
  server.once("error", (error) => reject(codeOf(error) === "EADDRINUSE" ? taken(listen.port) : error));
  const url = urlOf({ host: listen.host, port: await promise });
  opened.defer(async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  });
  started.origin = new URL(publicUrl ?? url).origin;
  const registryUrl = await context.registry();
  const console = opened.use(
    createConsole({
      guards: () => guards.list(),
      access,
      pairing: new FilePairing(state),
      origin: () => started.origin,
      names: (did) => names.of(did),
      ...(registryUrl === undefined ? {} : { registryUrl }),
      parsePolicy: async (text) => {
        await prepareEngines(text);
        return parsePolicy(text, await membersOf(context), engines);
      },
      now,
    }),
  );
  started.app = console.app;
  opened.use(await writeAddress(state, started.origin));
  const parts = opened.move();
  return { url: started.origin, access, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

function taken(port: number): CliError {
  return new CliError(
    "ERR_CONFIG_INVALID",
    `port ${port} is taken, and whoever holds it could use this browser's key`,
    {
      exit: 1,
      hint: "if your guard serves it: peerage console open; else end what listens there, or --listen <another port> and pair anew",
    },
  );
}
