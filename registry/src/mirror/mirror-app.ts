import type { Hono } from "hono";
import { formatVerifierKey, type RegistryPin, type VerifierKey } from "@peerage/core";
import { z } from "zod";
import { json } from "../http/answers.ts";
import { type LogService, logRoutes } from "../http/log.ts";
import { healthRoute } from "../http/meta.ts";
import { notFound, onErrorWith, problem } from "../http/problem.ts";
import { type Env, observer, type Route, route, serveRoutes } from "../http/route.ts";
import { forkRoutes } from "../http/witness.ts";
import type { Logger } from "../operations/logger.ts";
import type { PeerStore } from "../witness/peer-store.ts";

export interface MirrorService extends LogService {
  /** `/mirror/{origin hash}` */
  readonly path: string;
  readonly pin: RegistryPin;
  readonly mirrorKey: VerifierKey;
  readonly peers: PeerStore;
  readonly logger: Logger;
}

/** The log's own read routes, under the name of the log. They write nothing and are open to every origin. */
export function mirrorApp(service: MirrorService): Hono<Env> {
  const { path, pin, mirrorKey, peers, logger } = service;
  const forks = forkRoutes({ peers, now: () => new Date(), isRead: () => false }).filter(
    ({ method }) => method === "GET",
  );
  const routes: Route[] = [
    ...[...logRoutes(service), aboutRoute(pin, mirrorKey)].map((one) => ({ ...one, path: path + one.path })),
    ...forks,
    healthRoute(),
  ];
  const app = serveRoutes(routes, {
    before: (c) => {
      c.header("Access-Control-Allow-Origin", "*");
      c.header("X-Content-Type-Options", "nosniff");
      return undefined;
    },
    after: () => undefined,
    tag: () => "",
    observe: observer(logger),
  });
  app.onError(onErrorWith(logger));
  app.notFound((c) => problem(c, notFound("nothing is here")));
  return app;
}

/** Whose log this is, so that a reader can be pointed at the copy as at the registry itself. */
function aboutRoute(pin: RegistryPin, mirrorKey: VerifierKey): Route {
  return route({
    method: "GET",
    path: "/.well-known/peerage-registry.json",
    summary: "The log that is mirrored, and the key that says how far",
    answers: {
      200: { description: "The keys", content: { "application/json": z.looseObject({ origin: z.string() }) } },
    },
    handle: (c) => json(c, { ...pin, mirrorKey: formatVerifierKey(mirrorKey) }),
  });
}
