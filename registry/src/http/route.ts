import { type Context, Hono } from "hono";
import type { HttpBindings } from "@hono/node-server";
import { PeerageError } from "@peerage/core";
import { z } from "zod";
import type { Logger } from "../operations/logger.ts";
import { badRequest, statusOf } from "./problem.ts";

/** Hono's environment: node-server's request and response, absent when the app is called in process. */
export interface Env {
  Bindings: Partial<HttpBindings>;
}
/** A request on its way. */
export type Ctx = Context<Env>;

/** What node-server gives a request; nothing if the app was called in process. */
export function bindingsOf(c: Ctx): Partial<HttpBindings> {
  return { ...c.env };
}

/** One kind of answer. */
export interface Answer {
  readonly description: string;
  /** Media type → schema, or null for bytes. */
  readonly content?: Readonly<Record<string, z.ZodType | null>>;
}

type Fields = Readonly<Record<string, z.ZodType>>;

/** A route with its description: what is not described here cannot be served. */
export interface Route<P extends Fields = Fields, Q extends Fields = Fields> {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Hono pattern. */
  readonly path: string;
  readonly summary: string;
  readonly params?: P;
  readonly query?: Q;
  /** Media type of the request's body. */
  readonly body?: { readonly type: string; readonly description: string };
  /** By status. Problem documents need no mention. */
  readonly answers: Readonly<Record<number, Answer>>;
  /** The answer depends on more than the checkpoint, so it has no ETag and is not kept. */
  readonly live?: boolean;
  /** Costs next to nothing, so it is not counted against its sender. */
  readonly free?: boolean;
  readonly handle: (c: Ctx, input: { params: Output<P>; query: Output<Q> }) => Response | Promise<Response>;
}

type Output<F extends Fields> = { [K in keyof F]: z.output<F[K]> };

/** Infers the types of a route's parameters. */
export function route<P extends Fields, Q extends Fields>(definition: Route<P, Q>): Route {
  return definition as unknown as Route;
}

/** What happens around every route. */
export interface Around {
  /** May answer by itself. */
  readonly before: (c: Ctx, route: Route) => Response | undefined;
  /** After an answer that is no error; `tag` was taken before it was computed. */
  readonly after: (c: Ctx, route: Route, tag: string) => void;
  /** Names the state of the registry. */
  readonly tag: () => string;
  /** A request was answered, or failed with what becomes its status. */
  readonly observe?: (route: Route, status: number, seconds: number) => void;
}

/** Logs what was answered: writes, and loudly what went wrong, by pattern of the route and never by address. */
export function observer(logger: Logger): NonNullable<Around["observe"]> {
  return ({ method, path }, status, seconds) => {
    const fields = { method, route: path, status, ms: Math.round(seconds * 1_000) };
    if (status >= 500) logger.warn(fields, "answered");
    else if (method === "GET") logger.debug(fields, "answered");
    else logger.info(fields, "answered");
  };
}

/** An app that serves the routes. Parameters that are unknown, repeated or malformed are refused, not ignored. */
export function serveRoutes(routes: readonly Route[], around: Around): Hono<Env> {
  const app = new Hono<Env>();
  for (const route of routes) {
    const { method, path, params = {}, query = {}, handle } = route;
    const paramSchema = z.object(params);
    const querySchema = z.strictObject(query);
    const answer = async (c: Ctx): Promise<Response> => {
      const early = around.before(c, route);
      if (early) return early;
      const given = Object.entries(c.req.queries()).map(([name, values]) => {
        const [value] = values;
        if (values.length > 1) throw badRequest(`${name} is given twice`);
        return [name, value] as const;
      });
      const tag = around.tag();
      const input = { params: check(paramSchema, c.req.param()), query: check(querySchema, Object.fromEntries(given)) };
      c.res = await handle(c, input);
      around.after(c, route, tag);
      return c.res;
    };
    app.on(method, path, async (c) => {
      const started = performance.now();
      const observe = (status: number): void => around.observe?.(route, status, (performance.now() - started) / 1_000);
      try {
        const response = await answer(c);
        observe(response.status);
        return response;
      } catch (error) {
        observe(statusOf(error));
        throw error;
      }
    });
  }
  return app;
}

function check<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const name = issue?.path.join(".") ?? "";
  const message = `${name === "" ? "the query" : name}: ${issue?.message ?? "malformed"}`;
  const code: unknown = issue?.code === "custom" ? issue.params?.["code"] : undefined;
  throw code === "ERR_DID_INVALID" ? new PeerageError(code, message) : badRequest(message);
}
