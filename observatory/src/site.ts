import { createHash } from "node:crypto";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { type Did, isPeerageError, parseDid, PeerageError, toHex } from "@peerage/core";
import { Frame } from "./frame.ts";
import { assetAt, loadIslands } from "./http/assets.ts";
import { compress } from "./http/compress.ts";
import { type Format, negotiate, splitSuffix } from "./http/format.ts";
import { securityHeaders } from "./http/headers.ts";
import { atomFeed } from "./http/atom.ts";
import { FeedHub } from "./http/feed-hub.ts";
import { mapColumns, mapNames, orbitColumns, orbitNames } from "./http/map-data.ts";
import { picture, pictureNames } from "./http/pictures.ts";
import { proofBundle } from "./http/proofs.ts";
import { sitemap } from "./http/sitemap.ts";
import { Links } from "./links.ts";
import { Layouts } from "./map/layouts.ts";
import { type AgentRef, type Asked, Elsewhere, type Page } from "./page.ts";
import { agent } from "./pages/agent.ts";
import { agents } from "./pages/agents.ts";
import { clusters } from "./pages/clusters.ts";
import { entry } from "./pages/entry.ts";
import { failure, type Failure } from "./pages/failure.ts";
import { explain } from "./pages/explain.ts";
import { feed } from "./pages/feed.ts";
import { home } from "./pages/home.ts";
import { keys } from "./pages/keys.ts";
import { log } from "./pages/log.ts";
import { map } from "./pages/map.ts";
import { orbit } from "./pages/orbit.ts";
import { scope } from "./pages/scope.ts";
import { scopes } from "./pages/scopes.ts";
import { simulate } from "./pages/simulate.ts";
import { status } from "./pages/status.ts";
import { tryIt } from "./pages/try.ts";
import { viewpoint } from "./pages/viewpoint.ts";
import { vouch } from "./pages/vouch.ts";
import { pastOf, viewOf } from "./past.ts";
import { DEFAULT_SCOPE, Seen, type Viewpoint } from "./seen.ts";
import type { ObservatoryOptions } from "./source.ts";
import { foreign } from "./ui/foreign.ts";
import { layout } from "./ui/layout.ts";
import { unindented } from "./ui/unindented.ts";

/** Bytes of a form. */
const MOST_SENT = 65_536;

/**
 * The public pages over one registry. Every page is finished HTML and answers as `.json` and `.txt` as well; nothing is
 * asked of anybody but the visitor's own server. Mount it last: it answers whatever no one else does with a page that
 * says so.
 */
export function createObservatory(options: ObservatoryOptions): Hono {
  const { source } = options;
  loadIslands();
  const app = new Hono();
  const ref = (did: Did): AgentRef => {
    const name = foreign(options.names?.(did));
    return name === undefined ? { did } : { did, name };
  };
  const hub = new FeedHub(source, ref);
  const layouts = new Layouts();

  app.use("*", compress);
  app.use("*", async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(securityHeaders)) if (!c.res.headers.has(name)) c.header(name, value);
  });

  app.get("/assets/:hash/:name", (c) => {
    const asset = assetAt(c.req.path);
    if (!asset) return c.text("no such asset\n", 404);
    return c.body(asset.body, 200, {
      "content-type": asset.type,
      "cache-control": "public, max-age=31536000, immutable",
    });
  });
  app.get("/feed.sse", (c) => hub.answer(c));
  app.get("/feed.atom", async (c) => {
    const view = await source.view();
    const seen = new Seen(view, { kind: "none", roots: [] }, DEFAULT_SCOPE);
    const xml = await atomFeed({ source, seen, ref }, options.registryUrl, new URL(c.req.url).searchParams);
    return c.body(xml, 200, { "content-type": "application/atom+xml; charset=utf-8", "cache-control": "max-age=5" });
  });
  app.get("/proofs.json", async (c) => {
    const bundle = await proofBundle(source, new URL(c.req.url).searchParams);
    return c.body(`${JSON.stringify(bundle)}\n`, 200, {
      "content-type": "application/json; charset=utf-8",
      "cache-control": "no-store",
    });
  });
  app.get("/robots.txt", (c) =>
    c.text(
      `User-agent: *\nDisallow: /*?\nDisallow: /explain\nSitemap: ${options.registryUrl.replace(/\/$/, "")}/sitemap.xml\n`,
    ),
  );
  app.get("/sitemap.xml", async (c) => {
    const xml = await sitemap(await source.view(), options.registryUrl);
    return c.body(xml, 200, { "content-type": "application/xml; charset=utf-8", "cache-control": "max-age=300" });
  });
  for (const name of pictureNames) {
    app.get(`/a/:did/${name}`, async (c) => {
      const svg = await picture(name, await request(c, { ...options, ref, layouts }, "did"));
      // Shown on pages elsewhere: it holds nothing that runs, and nothing that is not public.
      c.header("cross-origin-resource-policy", "cross-origin");
      return once(c, svg, { "content-type": "image/svg+xml; charset=utf-8", "cache-control": "max-age=60" });
    });
  }

  /** Answers one page in the form that was asked for. */
  async function answer<D extends object>(
    c: Context,
    page: Page<D>,
    parameterAt?: string,
    sent?: URLSearchParams,
  ): Promise<Response> {
    const read = await request(c, { ...options, ref, layouts }, parameterAt);
    const asked = sent === undefined ? read : { ...read, form: sent };
    const { format, seen, links, path, query } = asked;
    let data: D;
    try {
      data = await page.load(asked);
    } catch (error) {
      if (error instanceof Elsewhere) return c.redirect(error.location, 302);
      throw error;
    }
    const frame = new Frame({
      links,
      seen,
      path,
      query,
      roots: seen.viewpoint.roots.map(ref),
      registryUrl: options.registryUrl,
      banner: options.banner,
    });
    const body = await render(page, data, frame, format);
    if (sent) return c.body(body, 200, { ...formHeaders(format, asked.negotiated), "cache-control": "no-store" });
    return once(c, body, formHeaders(format, asked.negotiated));
  }

  const pages: readonly (readonly [string, Page<never>])[] = [
    ["/agents", agents],
    ["/explain", explain],
    ["/feed", feed],
    ["/clusters", clusters],
    ["/log", log],
    ["/status", status],
    ["/try", tryIt],
    ["/scopes", scopes],
    ["/viewpoint", viewpoint],
    ["/simulate", simulate],
  ] as unknown as readonly (readonly [string, Page<never>])[];
  app.get("/", (c) => answer(c, home));
  app.get("/map", (c) => answer(c, map));
  app.get("/map.txt", (c) => answer(c, map));
  for (const [path, load, parameterAt] of [
    ["/map.json", mapColumns, undefined],
    ["/map/names.json", mapNames, undefined],
    ["/a/:did/orbit/map.json", orbitColumns, "did"],
    ["/a/:did/orbit/map/names.json", orbitNames, "did"],
  ] as const) {
    app.get(path, async (c) => {
      const asked = await request(c, { ...options, ref, layouts }, parameterAt);
      const body = `${JSON.stringify(await load(asked))}\n`;
      return once(c, body, formHeaders("json", false));
    });
  }
  for (const suffix of ["", ".json", ".txt"]) {
    if (suffix !== "") app.get(`/index${suffix}`, (c) => answer(c, home));
    for (const [path, page] of pages) app.get(`${path}${suffix}`, (c) => answer(c, page));
  }
  // A form for those without scripts: it stores nothing, so it needs no defence against forged requests.
  const refuse = (c: Context): never => {
    // What was not read of the body ends the connection; whoever keeps it for the next request would lose that one.
    c.header("connection", "close");
    throw new PeerageError("ERR_REQUEST_INVALID", "a policy and a call of at most 64 KiB");
  };
  app.on(
    "POST",
    ["/simulate", "/simulate.json", "/simulate.txt"],
    bodyLimit({ maxSize: MOST_SENT, onError: refuse }),
    async (c) => answer(c, simulate, undefined, new URLSearchParams(await c.req.text())),
  );
  app.get("/a/:did", (c) => answer(c, agent, "did"));
  for (const suffix of ["", ".json", ".txt"]) app.get(`/a/:did/orbit${suffix}`, (c) => answer(c, orbit, "did"));
  app.get("/scopes/:scope", (c) => answer(c, scope, "scope"));
  app.get("/keys/:did", (c) => answer(c, keys, "did"));
  app.get("/v/:id", (c) => answer(c, vouch, "id"));
  app.get("/log/:index", (c) => answer(c, entry, "index"));

  const fail = async (c: Context, error: Error): Promise<Response> => {
    const problem = problemOf(error);
    // A request that cannot be read at all still gets a page: from the usual viewpoint, in the default scope.
    const view = await source.view();
    const seen = new Seen(view, published(options), DEFAULT_SCOPE);
    const { format, negotiated } = form(c);
    const links = new Links({});
    const frame = new Frame({
      links,
      seen,
      // Whatever was asked for is nobody's address here, so no link is made from it.
      path: "/",
      query: new URLSearchParams(),
      roots: seen.viewpoint.roots.map(ref),
      registryUrl: options.registryUrl,
      banner: options.banner,
    });
    const body =
      format === "json"
        ? `${JSON.stringify(problem)}\n`
        : await render(failure(problem, { seen, ref }), problem, frame, format);
    const headers: Record<string, string> = { ...formHeaders(format, negotiated), "cache-control": "no-store" };
    if (format === "json") headers["content-type"] = "application/problem+json";
    return c.body(body, problem.status, headers);
  };
  app.all("*", (c) => fail(c, new PeerageError("ERR_NOT_FOUND", "there is no such page")));
  app.onError(async (error, c) => {
    const response = await fail(c, error);
    for (const [name, value] of Object.entries(securityHeaders)) response.headers.set(name, value);
    return response;
  });
  return app;
}

interface Request extends Asked {
  readonly path: string;
  readonly format: Format;
  readonly negotiated: boolean;
}

/** Reads what every page understands. @throws {PeerageError} ERR_DID_INVALID, ERR_REQUEST_INVALID */
async function request(
  c: Context,
  options: ObservatoryOptions & Pick<Asked, "ref" | "layouts">,
  parameterAt?: string,
): Promise<Request> {
  const query = new URL(c.req.url).searchParams;
  const as = query.get("as");
  const did = as === null || as === "" ? undefined : parseDid(as);
  const parameter = splitSuffix(parameterAt === undefined ? "" : (c.req.param(parameterAt) ?? "")).path;
  // An address that names a scope is seen in it.
  const named = parameterAt === "scope" ? parameter : query.get("scope");
  const chosen = named === null || named === "" ? undefined : parseScope(named);
  const { path, format, negotiated } = form(c);
  const newest = await options.source.view();
  const at = query.get("at");
  const past = await pastOf(at, newest, options.source);
  const viewpoint: Viewpoint = did === undefined ? published(options) : { kind: "agent", roots: [did] };
  const links = new Links({
    ...(did === undefined ? {} : { as: did }),
    ...(chosen === undefined ? {} : { scope: chosen }),
    ...(past === undefined ? {} : { at: at ?? "" }),
  });
  return {
    seen: new Seen(past === undefined ? newest : viewOf(past, newest), viewpoint, chosen ?? DEFAULT_SCOPE, past),
    newest,
    source: options.source,
    registryUrl: options.registryUrl,
    parameter,
    links,
    query,
    ref: options.ref,
    layouts: options.layouts,
    path,
    format,
    negotiated,
  };
}

function form(c: Context): { path: string; format: Format; negotiated: boolean } {
  const { path, format } = splitSuffix(c.req.path);
  return {
    path: path === "/index" ? "/" : path,
    format: format ?? negotiate(c.req.header("accept"), c.req.header("user-agent")),
    negotiated: format === undefined,
  };
}

function published({ roots }: ObservatoryOptions): Viewpoint {
  return { kind: roots.length === 0 ? "none" : "published", roots };
}

function parseScope(text: string): string {
  if (!/^[a-z][a-z0-9-]{0,63}$/.test(text)) {
    throw new PeerageError("ERR_REQUEST_INVALID", "a scope is a flat name of a-z, 0-9 and -");
  }
  return text;
}

async function render<D extends object>(page: Page<D>, data: D, frame: Frame, format: Format): Promise<string> {
  if (format === "json") {
    const { seen } = frame;
    const head = {
      origin: seen.view.origin,
      logSize: seen.size,
      root: toHex(seen.view.root),
      time: seen.view.time,
      viewpoint: { kind: seen.viewpoint.kind, roots: seen.viewpoint.roots },
      scope: seen.scope,
    };
    return `${JSON.stringify({ head, ...data })}\n`;
  }
  if (format === "text") return page.text(data);
  return unindented(String(await layout(page.title(data), page.html(data, frame), frame)));
}

const contentTypes: Readonly<Record<Format, string>> = {
  html: "text/html; charset=utf-8",
  json: "application/json; charset=utf-8",
  text: "text/plain; charset=utf-8",
};

function formHeaders(format: Format, negotiated: boolean): Record<string, string> {
  return {
    "content-type": contentTypes[format],
    // The text card depends on the client's name, which caches do not look at.
    "cache-control": negotiated && format === "text" ? "no-store" : "max-age=5",
    ...(negotiated ? { vary: "Accept" } : {}),
  };
}

/** Sends a body, unless the client says that it has this very one. */
function once(c: Context, body: string, headers: Record<string, string>): Response {
  const etag = `W/"${hash(body)}"`;
  if (c.req.header("if-none-match") === etag) return c.body(null, 304, { etag });
  return c.body(body, 200, { ...headers, etag });
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 20);
}

function problemOf(error: Error): Failure {
  if (!isPeerageError(error)) {
    return { status: 500, code: "ERR_INTERNAL", title: "Something failed here", detail: "The page could not be made." };
  }
  const { code, message } = error;
  const missing = code === "ERR_NOT_FOUND";
  return {
    status: missing ? 404 : code.startsWith("ERR_REQUEST") || code === "ERR_DID_INVALID" ? 400 : 500,
    code,
    title: missing ? "Not found" : "This request does not hold",
    detail: message,
    ...(missing && error.detail !== undefined ? { about: error.detail } : {}),
  };
}
