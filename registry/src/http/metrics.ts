import { getConnInfo } from "@hono/node-server/conninfo";
import { z } from "zod";
import { type Gauge, single } from "../operations/metrics.ts";
import { notFound } from "./problem.ts";
import { bindingsOf, type Ctx, type Route, route } from "./route.ts";
import type { Service } from "./service.ts";

/** What a monitoring system collects. Shown to this machine only, unless the operator says otherwise. */
export function metricsRoute(service: Service): Route {
  return route({
    method: "GET",
    path: "/metrics",
    live: true,
    free: true,
    summary: "Metrics (Prometheus text format), for this machine alone unless the operator opens it",
    answers: { 200: { description: "The metrics", content: { "text/plain": z.string() } } },
    handle: async (c) => {
      if (!service.publicMetrics && !isLocal(c)) throw notFound("nothing is here");
      c.header("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
      c.header("Cache-Control", "no-store");
      return c.body(service.metrics.text(await gauges(service)));
    },
  });
}

/** From this machine, and not handed on by something in front. */
function isLocal(c: Ctx): boolean {
  if (!bindingsOf(c).incoming) return true;
  if (c.req.header("x-forwarded-for") !== undefined || c.req.header("forwarded") !== undefined) return false;
  const address = getConnInfo(c).remote.address ?? "";
  return address === "::1" || /^(?:::ffff:)?127\./.test(address);
}

async function gauges(service: Service): Promise<Gauge[]> {
  const { published, reads, peers, quorum, now } = service;
  const { size, time } = published.checkpoint;
  return [
    single("peerage_log_entries", "Entries on disk", (await reads.head()).size),
    single("peerage_log_published_entries", "Entries under the newest published checkpoint", size),
    single("peerage_checkpoint_age_seconds", "Age of that checkpoint", Math.max(0, now().getTime() / 1_000 - time)),
    single("peerage_statements_waiting", "Statements that wait for their batch", service.waiting()),
    single("peerage_streams_open", "Live feeds", service.openStreams.count),
    single("peerage_ready", "1 if statements can be submitted", service.notWritable() === undefined ? 1 : 0),
    single("peerage_forks_known", "Proofs of forks that are kept", peers.forks(1_000).length),
    {
      name: "peerage_witness_cosigned",
      help: "1 if the witness cosigned when it was asked last",
      type: "gauge",
      values: (quorum?.states ?? []).map(({ name, cosigned }) => ({ labels: { name }, value: cosigned ? 1 : 0 })),
    },
  ];
}
