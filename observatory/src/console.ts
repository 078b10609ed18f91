import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { type Did, isPeerageError, parseDid, PeerageError } from "@peerage/core";
import { consoleHeaders, ownOriginOnly, sessionOf, setSession } from "./console/access.ts";
import type { Asked, ConsolePage } from "./console/ask.ts";
import { itemData } from "./console/item.ts";
import { layout } from "./console/layout.ts";
import { Ledgers } from "./console/ledgers.ts";
import { agentPage } from "./console/pages/agent.ts";
import { approval, approvals } from "./console/pages/approvals.ts";
import { approver } from "./console/pages/approver.ts";
import { audit } from "./console/pages/audit.ts";
import { call } from "./console/pages/call.ts";
import { calls, wanted } from "./console/pages/calls.ts";
import { door } from "./console/pages/door.ts";
import { live } from "./console/pages/live.ts";
import { policyPage, tryPolicy } from "./console/pages/policy.ts";
import { exported } from "./console/export.ts";
import { h } from "./console/node.ts";
import { paths } from "./console/paths.ts";
import type { ConsoleOptions } from "./console/source.ts";
import { assetAt, loadIslands } from "./http/assets.ts";
import { compress } from "./http/compress.ts";
import { type Format, negotiate, splitSuffix } from "./http/format.ts";
import { foreign } from "./ui/foreign.ts";

/** The console of one machine's guards, for their operator. */
export interface Console extends Disposable {
  readonly app: Hono;
}

/**
 * The private pages over the guards of one machine: who calls, who is refused and why, what waits for a person. They
 * answer to their own origin only, and to a browser that was let in; what changes something is a signed answer, and
 * nothing else. Never mount them beside public pages.
 */
export function createConsole(options: ConsoleOptions): Console {
  loadIslands();
  const ledgers = new Ledgers(options);
  const app = new Hono();
  const clock = options.now ?? ((): Date => new Date());
  const nameOf = (did: Did): string | undefined => foreign(options.names?.(did));

  app.use("*", compress);
  app.use("*", async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(consoleHeaders)) if (!c.res.headers.has(name)) c.header(name, value);
  });
  app.use("*", ownOriginOnly(options));
  app.get("/assets/:hash/:name", (c) => {
    const asset = assetAt(c.req.path);
    if (!asset) return c.text("no such asset\n", 404);
    const headers = { "content-type": asset.type, "cache-control": "public, max-age=31536000, immutable" };
    return c.body(asset.body, 200, headers);
  });

  // ---- the door

  app.post("/login", bodyLimit({ maxSize: 4_096 }), async (c) => {
    const form = await c.req.parseBody();
    const given = typeof form["code"] === "string" ? form["code"].trim() : "";
    const to = ownPath(form["to"]);
    const token = await options.access.redeem(given.split("code=").at(-1) ?? "");
    if (token === undefined) return closed(c, to, "That code is not one, or it was used, or it is too old.");
    setSession(c, options, token);
    return c.redirect(to, 303);
  });
  app.post("/logout", async (c) => {
    const token = await sessionOf(c, options);
    if (token !== undefined) await options.access.end(token);
    setSession(c, options, "");
    return c.redirect("/", 303);
  });
  app.use("*", async (c: Context, next) => {
    if ((await sessionOf(c, options)) !== undefined) return next();
    if (c.req.method !== "GET" && c.req.method !== "HEAD") return c.text("not let in\n", 401);
    const { path } = splitSuffix(c.req.path);
    return closed(c, path === "/index" ? "/" : ownPath(path));
  });

  // ---- what is live

  app.get("/live.sse", () => ledgers.stream());
  app.get("/calls.ndjson", async (c) => {
    const asked = await ask(c);
    return c.body(exported(asked.ledgers, wanted(asked)), 200, {
      "content-type": "application/x-ndjson; charset=utf-8",
      "content-disposition": 'attachment; filename="calls.ndjson"',
    });
  });

  // ---- what is signed

  app.post("/approvals/:id", bodyLimit({ maxSize: 65_536 }), async (c) => {
    const body: unknown = isJson(c) ? await c.req.json().catch(() => undefined) : undefined;
    const token = typeof body === "object" && body !== null && "token" in body ? body.token : undefined;
    if (typeof token !== "string")
      throw new PeerageError("ERR_REQUEST_INVALID", "an answer is JSON with a signed token");
    const id = c.req.param("id");
    for (const ledger of await ledgers.now()) {
      try {
        // The guard's own store judges the answer; the guard judges it again when the call is repeated.
        const item = ledger.source.answer(id, token);
        return c.json(itemData(item, ledger, { nameOf, now: clock() }));
      } catch (error) {
        if (!isPeerageError(error, "ERR_NOT_FOUND")) throw error;
      }
    }
    throw new PeerageError("ERR_NOT_FOUND", "there is no such request");
  });
  app.post("/pairing/:code", bodyLimit({ maxSize: 4_096 }), async (c) => {
    const body: unknown = isJson(c) ? await c.req.json().catch(() => undefined) : undefined;
    const did = parseDid(typeof body === "object" && body !== null && "did" in body ? body.did : undefined);
    const isTaken = (await options.pairing?.offer(c.req.param("code"), did)) ?? false;
    if (!isTaken) throw new PeerageError("ERR_NOT_FOUND", "no pairing has that code");
    return c.json({ state: "waiting" });
  });
  app.get("/pairing/:code", async (c) =>
    c.json({ state: (await options.pairing?.state(c.req.param("code"))) ?? "gone" }),
  );
  app.post("/policy", bodyLimit({ maxSize: 2_097_152 }), async (c) => {
    const form = await c.req.parseBody();
    const asked = await ask(c);
    const text = typeof form["policy"] === "string" ? form["policy"] : "";
    return send(c, policyPage, await tryPolicy(asked, text), asked);
  });

  // ---- pages

  async function ask(c: Context, parameterAt?: string): Promise<Asked> {
    const query = new URL(c.req.url).searchParams;
    const all = await ledgers.now();
    const name = query.get("guard") ?? "";
    const guard = all.find((ledger) => ledger.name === name);
    if (name !== "" && !guard) throw new PeerageError("ERR_NOT_FOUND", "no guard of that name has recorded here");
    return {
      query,
      parameter: parameterAt === undefined ? "" : splitSuffix(c.req.param(parameterAt) ?? "").path,
      ledgers: guard ? [guard] : all,
      guards: all.map(({ name: one, source: { did } }) => (did === undefined ? { name: one } : { name: one, did })),
      guard: guard?.name,
      now: clock(),
      nameOf,
      options,
    };
  }

  async function answer<D extends object>(c: Context, page: ConsolePage<D>, parameterAt?: string): Promise<Response> {
    const asked = await ask(c, parameterAt);
    return send(c, page, await page.load(asked), asked);
  }

  function send<D extends object>(
    c: Context,
    page: ConsolePage<D>,
    data: D,
    asked: Asked,
  ): Response | Promise<Response> {
    const { path, format } = form(c);
    if (format === "json") return c.json(data);
    if (format === "text") return c.text(page.text(data));
    const waiting = asked.ledgers.reduce((sum, { source }) => sum + source.items(["open"]).length, 0);
    const records = asked.ledgers.reduce((sum, { source }) => sum + source.size(), 0);
    const logs = asked.ledgers.length === 1 ? "1 guard" : `${asked.ledgers.length} guards`;
    const around = { path, query: asked.query, waiting, status: `${logs}, ${records} records` };
    return c.html(layout(page.title(data), page.view(data), around));
  }

  function closed(c: Context, to: string, problem?: string): Response | Promise<Response> {
    if (form(c).format !== "html") return c.text("not let in: peerage console open\n", 401);
    const around = { path: "/", query: new URLSearchParams(), status: "This machine’s guards" };
    return c.html(layout("Let this browser in", door(to, problem), around), 401);
  }

  const pages = [
    ["/calls", calls],
    ["/approvals", approvals],
    ["/approver", approver],
    ["/policy", policyPage],
    ["/audit", audit],
  ] as unknown as readonly (readonly [string, ConsolePage<object>])[];
  app.get("/", (c) => answer(c, live));
  for (const suffix of ["", ".json", ".txt"]) {
    if (suffix !== "") app.get(`/index${suffix}`, (c) => answer(c, live));
    for (const [path, page] of pages) app.get(`${path}${suffix}`, (c) => answer(c, page));
  }
  app.get("/calls/:id", (c) => answer(c, call, "id"));
  app.get("/approvals/:id", (c) => answer(c, approval, "id"));
  app.get("/agents/:did", (c) => answer(c, agentPage, "did"));

  const fail = (c: Context, error: Error): Response | Promise<Response> => {
    const known = isPeerageError(error);
    const status = !known
      ? 500
      : error.code === "ERR_NOT_FOUND"
        ? 404
        : error.code === "ERR_AUDIT_UNAVAILABLE"
          ? 503
          : 400;
    const code = known ? error.code : "ERR_INTERNAL";
    const detail = known ? error.message : "The page could not be made.";
    if (form(c).format !== "html" || isJson(c)) {
      const more = known && error.detail !== undefined ? { about: error.detail } : {};
      return c.body(`${JSON.stringify({ status, code, title: detail, ...more })}\n`, status, {
        "content-type": "application/problem+json",
      });
    }
    const title = status === 404 ? "Not found" : "This does not hold";
    const body = [
      h(
        "section",
        { class: "panel failure" },
        h("h1", {}, title),
        h("p", {}, h("bdi", {}, detail)),
        h("p", {}, h("a", { href: paths.live() }, "To the live page")),
      ),
    ];
    return c.html(layout(title, body, { path: "", query: new URLSearchParams(), waiting: 0, status: code }), status);
  };
  app.all("*", (c) => fail(c, new PeerageError("ERR_NOT_FOUND", "there is no such page")));
  app.onError(async (error, c) => {
    const response = await fail(c, error);
    for (const [name, value] of Object.entries(consoleHeaders)) response.headers.set(name, value);
    return response;
  });
  return { app, [Symbol.dispose]: () => ledgers[Symbol.dispose]() };
}

function form(c: Context): { path: string; format: Format } {
  const { path, format } = splitSuffix(c.req.path);
  return {
    path: path === "/index" ? "/" : path,
    format: format ?? negotiate(c.req.header("accept"), c.req.header("user-agent")),
  };
}

function isJson(c: Context): boolean {
  return /^application\/json\b/i.test(c.req.header("content-type") ?? "");
}

/** An address of our own to go on to, whatever the form said. */
function ownPath(to: unknown): string {
  return typeof to === "string" && /^\/(?:[A-Za-z0-9_:.%-]+(?:\/[A-Za-z0-9_:.%-]+)*)?$/.test(to) ? to : "/";
}
