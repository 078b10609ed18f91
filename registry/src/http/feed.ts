import { PeerageError, toBase64 } from "@peerage/core";
import { describeEntry, json, pageSchema } from "./answers.ts";
import { FeedPages } from "./feed-pages.ts";
import { feedStream } from "./feed-stream.ts";
import { integer, limit } from "./parameters.ts";
import { badRequest, problem } from "./problem.ts";
import { bindingsOf, type Ctx, type Route, route } from "./route.ts";
import type { Service } from "./service.ts";
import { pageOf } from "./statements.ts";

/** What was published, to read once or to listen to. */
export function feedRoutes(service: Service): Route[] {
  const page = (path: string): Route =>
    route({
      method: "GET",
      path,
      summary: "Published statements after a log index, oldest first",
      query: { after: integer(-1).optional(), limit },
      answers: { 200: { description: "A page", content: { "application/json": pageSchema } } },
      handle: async (c, { query }) => json(c, await pageOf(service, {}, query.after ?? -1, query.limit)),
    });
  const pages = new FeedPages(service.reads, (entry) => describeEntry(service, entry));
  return [
    page("/v1/feed"),
    page("/v1/feed.json"),
    route({
      method: "GET",
      path: "/v1/feed.sse",
      live: true,
      summary: "Statements and checkpoints as they are published (server-sent events)",
      query: {
        after: integer(-1)
          .optional()
          .describe(
            "Log index of the last statement seen, -1 for none; by default only what comes. `Last-Event-ID` wins",
          ),
      },
      answers: {
        200: {
          description:
            "Events `statement` (id = log index), `checkpoint`, `closed` with reason `future-cursor` or `too-far-behind`, `shutting-down`; a reader that takes nothing is cut",
          content: { "text/event-stream": null },
        },
      },
      handle: (c, { query }) => stream(c, service, pages, query.after),
    }),
  ];
}

function stream(c: Ctx, service: Service, pages: FeedPages, after: number | undefined): Response {
  const last = c.req.header("last-event-id");
  if (last !== undefined && !/^\d{1,15}$/.test(last)) throw badRequest("Last-Event-ID is not a log index");
  if (service.openStreams.count >= service.streams.maximum) {
    return problem(c, new PeerageError("ERR_REGISTRY_BUSY", "too many readers listen to the feed"));
  }
  const cursor = last === undefined ? after : Number(last);
  c.header("Content-Type", "text/event-stream; charset=utf-8");
  c.header("Cache-Control", "no-store");
  c.header("X-Accel-Buffering", "no");
  // A body that nobody reads would hold its place for good.
  if (c.req.raw.method === "HEAD") return c.body(null);
  const leave = service.limits.stream(c);
  service.openStreams.count++;
  const { outgoing } = bindingsOf(c);
  const body = feedStream({
    pages,
    published: service.published,
    limits: service.streams,
    stopping: service.stopping,
    from: cursor === undefined ? service.published.checkpoint.size : cursor + 1,
    describeCheckpoint: ({ size, root, time, note }) => ({
      origin: service.keys.origin,
      size,
      root: toBase64(root),
      time,
      note,
    }),
    onEnd: (cut) => {
      service.openStreams.count--;
      leave();
      // Without this the socket of a reader that takes nothing would stay open with what the kernel holds for it.
      if (cut) outgoing?.destroy();
    },
  });
  return c.body(body);
}
