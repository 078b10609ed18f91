import type { Hono } from "hono";
import { formatVerifierKey, PeerageError } from "@peerage/core";
import { agentRoutes } from "./agents.ts";
import { feedRoutes } from "./feed.ts";
import { logRoutes } from "./log.ts";
import { messageRoutes } from "./messages.ts";
import { metaRoutes } from "./meta.ts";
import { metricsRoute } from "./metrics.ts";
import { noteRoutes } from "./notes.ts";
import { notFound, onErrorWith, problem } from "./problem.ts";
import { type Ctx, type Env, observer, type Route, serveRoutes } from "./route.ts";
import type { Service } from "./service.ts";
import { statementRoutes } from "./statements.ts";
import { trustRoutes } from "./trust.ts";
import { forkRoutes, witnessRoutes } from "./witness.ts";

/** The routes of a registry with their descriptions. */
function registryRoutes(service: Service): Route[] {
  const routes: Route[] = [
    ...statementRoutes(service),
    ...noteRoutes(service),
    ...messageRoutes(service),
    ...logRoutes(service),
    ...agentRoutes(service),
    ...trustRoutes(service),
    ...feedRoutes(service),
    ...witnessRoutes(service),
    ...forkRoutes({ ...service, isRead: (vkey) => isReadHere(service, vkey) }),
    metricsRoute(service),
    ...metaRoutes(service, () => routes),
  ];
  return routes;
}

/** The HTTP interface of a registry. Reads write nothing, are open to every origin, and know no account. */
export function registryApp(service: Service): Hono<Env> {
  const routes = registryRoutes(service);
  const log = observer(service.logger);
  const app = serveRoutes(routes, {
    before: (c, { method, live, free }) => {
      if (method !== "GET") {
        service.limits.count(c, "writes");
        return undefined;
      }
      c.header("Access-Control-Allow-Origin", "*");
      c.header("Access-Control-Expose-Headers", "ETag, RateLimit, RateLimit-Policy, Retry-After");
      c.header("X-Content-Type-Options", "nosniff");
      const tag = etagOf(service);
      if (live !== true && c.req.header("if-none-match")?.split(/,\s*/).includes(tag) === true) {
        c.header("ETag", tag);
        return c.body(null, 304);
      }
      if (free !== true) service.limits.count(c, "reads");
      return undefined;
    },
    after: (c, { method, live }, tag) => {
      if (c.res.status !== 200 || method !== "GET" || live === true) return;
      c.res.headers.set("ETag", tag);
      if (!c.res.headers.has("Cache-Control")) c.res.headers.set("Cache-Control", "public, max-age=1");
    },
    tag: () => etagOf(service),
    observe: (route, status, seconds) => {
      service.metrics.request(route.method, route.path, status, seconds);
      log(route, status, seconds);
    },
  });
  app.onError(onErrorWith(service.logger));
  for (const { path, app: copy } of service.mirrors) {
    app.all(`${path}/*`, (c: Ctx) => copy.fetch(c.req.raw, c.env));
  }
  app.notFound((c) => problem(c, notFound("nothing is here")));
  for (const path of new Set(routes.map(({ path }) => path))) {
    const methods = routes.filter((route) => route.path === path).map(({ method }) => method);
    app.all(path, (c: Ctx) => {
      c.header("Allow", methods.includes("GET") ? ["HEAD", ...methods].join(", ") : methods.join(", "));
      return problem(c, new PeerageError("ERR_REQUEST_INVALID", "this address does not know that method"), 405);
    });
  }
  return app;
}

/** Its own log, and those that it cosigns or copies. */
function isReadHere({ keys, witness, mirrors }: Service, vkey: string): boolean {
  const logs = [keys.log.key, ...witness.logs].map(formatVerifierKey);
  return logs.includes(vkey) || mirrors.some(({ origin }) => vkey.startsWith(`${origin}+`));
}

/** Size and time of the checkpoint: of one address, everything else being the same, they name one answer. */
function etagOf({ published: { checkpoint } }: Service): string {
  return `W/"${checkpoint.size}.${checkpoint.time}"`;
}
