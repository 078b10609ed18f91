import type { Context, MiddlewareHandler } from "hono";
import { getCookie, setCookie } from "hono/cookie";
import { securityHeaders } from "../http/headers.ts";
import type { ConsoleOptions } from "./source.ts";

/** How long a browser stays paired. */
const SESSION_SECONDS = 30 * 86_400;

/** Headers of every answer: those of the public pages, and nothing of it is kept anywhere or told to anybody. */
export const consoleHeaders: Readonly<Record<string, string>> = {
  ...securityHeaders,
  // Browsers say no origin with a form's POST under "no-referrer".
  "referrer-policy": "same-origin",
  "cache-control": "no-store",
  "x-frame-options": "DENY",
  "cross-origin-embedder-policy": "require-corp",
};

/**
 * Lets in what comes to the console's own origin and no other. Loopback is no fence: other pages of the browser and names
 * that were bound anew to 127.0.0.1 reach it, so the name must be ours; what would change something must come from our
 * own pages.
 */
export function ownOriginOnly({ origin }: Pick<ConsoleOptions, "origin">): MiddlewareHandler {
  return async (c, next) => {
    const own = new URL(origin());
    const host = c.req.header("host")?.toLowerCase();
    if (host !== own.host) {
      // Keys belong to one origin, so whoever typed the other name of this machine is led to ours.
      const isLocal = host === `localhost:${own.port}` || host === `[::1]:${own.port}`;
      const { pathname, search } = new URL(c.req.url);
      if (isLocal && c.req.method === "GET" && pathname.startsWith("/") && !pathname.startsWith("//"))
        return c.redirect(`${own.origin}${pathname}${search}`, 307);
      return c.text("this console does not answer to that name\n", 421);
    }
    const site = c.req.header("sec-fetch-site");
    if (c.req.method !== "GET" && c.req.method !== "HEAD") {
      if (c.req.header("origin") !== own.origin || (site !== undefined && site !== "same-origin"))
        return c.text("not from a page of this console\n", 403);
    } else if (
      site !== undefined &&
      site !== "same-origin" &&
      site !== "none" &&
      c.req.header("sec-fetch-mode") !== "navigate"
    ) {
      return c.text("not from a page of this console\n", 403);
    }
    await next();
    return;
  };
}

/** The name of the session's cookie: cookies do not tell ports apart, so it says whose it is. */
function cookieName({ origin }: Pick<ConsoleOptions, "origin">): string {
  return `peerage-console-${new URL(origin()).port || "443"}`;
}

/** The token of the session that a request shows, if it is one. */
export async function sessionOf(c: Context, options: ConsoleOptions): Promise<string | undefined> {
  const token = getCookie(c, cookieName(options));
  return token !== undefined && (await options.access.check(token)) ? token : undefined;
}

/** Gives a browser its session, or with an empty token takes it away. */
export function setSession(c: Context, options: ConsoleOptions, token: string): void {
  setCookie(c, cookieName(options), token, {
    httpOnly: true,
    sameSite: "Strict",
    path: "/",
    maxAge: token === "" ? 0 : SESSION_SECONDS,
    secure: options.origin().startsWith("https:"),
  });
}
