/** Submissions and queries over HTTP, beside a bare server that does nothing with them. */
import { spawnSync } from "node:child_process";
import { fromUtf8 } from "@peerage/core";
import type { LoadResult } from "./http-load.ts";
import type { Measurement } from "./lib/figures.ts";
import { at, measured, type Scale } from "./lib/measure.ts";
import { type MeasuredServer, startBareServer, startMeasuredRegistry } from "./registry-process.ts";
import { makeAgents, makeVouches } from "./vouches.ts";

interface Plan {
  readonly rounds: number;
  readonly warm: number;
  readonly posts: number;
  readonly gets: number;
  readonly proven: number;
  readonly delayed: number;
}

const CONNECTIONS = 64;

export async function benchHttp(scale: Scale): Promise<Measurement[]> {
  const plan = at<Plan>(scale, {
    quick: { rounds: 2, warm: 100, posts: 200, gets: 200, proven: 100, delayed: 500 },
    normal: { rounds: 4, warm: 1_500, posts: 1_600, gets: 3_000, proven: 1_000, delayed: 3_000 },
  });
  const agents = makeAgents(40);
  const vouches = await makeVouches(plan.warm + plan.rounds * plan.posts + plan.proven + 2 * plan.delayed, agents);
  const bodies = vouches.map(({ bytes }) => fromUtf8(bytes));
  const take = (count: number): string[] => bodies.splice(0, count);
  const [root, target] = [agents[0]!.did, agents[30]!.did];
  return [...(await beside(plan, take, root, target)), ...(await delays(take, plan))];
}

/** The two servers take turns, round by round. */
async function beside(
  plan: Plan,
  take: (count: number) => string[],
  root: string,
  target: string,
): Promise<Measurement[]> {
  await using registry = await startMeasuredRegistry([], [root]);
  await using bare = await startBareServer();
  const taken = { bare: [] as LoadResult[], posts: [] as LoadResult[] };
  const gets = { bare: [] as number[], checkpoint: [] as number[], score: [] as number[] };
  const get = async (server: MeasuredServer, path: string): Promise<number> =>
    whole(await server.load({ connections: 16, get: { path, count: plan.gets } })).perSecond;
  const warm = take(plan.warm);
  await registry.load({ connections: CONNECTIONS, bodies: warm }); // compiles what is hot
  await bare.load({ connections: CONNECTIONS, bodies: warm });
  for (let round = 0; round < plan.rounds; round++) {
    const some = take(plan.posts);
    taken.bare.push(whole(await bare.load({ connections: CONNECTIONS, bodies: some })));
    taken.posts.push(whole(await registry.load({ connections: CONNECTIONS, bodies: some })));
    gets.bare.push(await get(bare, "/"));
    gets.checkpoint.push(await get(registry, "/checkpoint"));
    gets.score.push(await get(registry, `/v1/score?from=${root}&to=${target}&scope=tools`));
  }
  const proven = whole(await registry.load({ connections: plan.proven, bodies: take(plan.proven), proofs: true }));
  const { rssMb } = await registry.figures();
  const of = (results: readonly LoadResult[], name: "perSecond" | "p50" | "p99"): number[] =>
    results.map((result) => result[name]);
  const submissions = `submissions, ${CONNECTIONS} connections, each on disk when acknowledged`;
  return [
    measured(
      "http/bare-post",
      `bare server: as many posts, ${CONNECTIONS} connections`,
      "/s",
      of(taken.bare, "perSecond"),
    ),
    measured("http/submit", submissions, "/s", of(taken.posts, "perSecond"), {
      beside: "http/bare-post",
      goal: { of: "value", atLeast: 2_000 },
      note: `${Math.round(rssMb)} MiB after all of it`,
    }),
    measured("http/submit-p50", "… time of one, p50", "ms", of(taken.posts, "p50")),
    measured("http/submit-p99", "… time of one, p99", "ms", of(taken.posts, "p99")),
    measured(
      "http/proven",
      `${plan.proven.toLocaleString("en-US")} at once, each waits for the next checkpoint (1 s) and fetches its log proof: p99`,
      "ms",
      [proven.p99],
    ),
    measured("http/bare-get", "bare server: GET, 16 connections", "/s", gets.bare),
    measured("http/checkpoint", "GET /checkpoint", "/s", gets.checkpoint, { beside: "http/bare-get" }),
    measured("http/score", "GET /v1/score, 40 agents", "/s", gets.score, { beside: "http/bare-get" }),
  ];
}

/** The disk is slow now and then: every 50th fsync is held for 30 ms by the tracer. */
async function delays(take: (count: number) => string[], { warm, delayed }: Plan): Promise<Measurement[]> {
  if (spawnSync("strace", ["-o", "/dev/null", "true"]).status !== 0) return [];
  const calls = "fsync,fdatasync";
  const slow = ["-f", "--seccomp-bpf", "-o", "/dev/null", "-e", `trace=${calls}`];
  await using registry = await startMeasuredRegistry([
    "strace",
    ...slow,
    "-e",
    `inject=${calls}:delay_enter=30000:when=50+50`,
  ]);
  const load = { connections: CONNECTIONS, perSecond: 1_000 };
  await registry.load({ ...load, bodies: take(Math.min(warm, delayed)) });
  await registry.figures();
  const { perSecond, p99 } = whole(await registry.load({ ...load, bodies: take(delayed) }));
  const { delayP99, delayMax, cpu } = await registry.figures();
  const share = (cpu * 100) / (delayed / perSecond);
  return [
    measured(
      "http/delay-p99",
      "delay of the event loop at 1,000 submissions/s, every 50th fsync held for 30 ms: p99",
      "ms",
      [delayP99],
      {
        goal: { of: "value", atMost: 20 },
        note: `most ${delayMax.toFixed(1)} ms, acknowledged in ${p99.toFixed(0)} ms at p99, ${share.toFixed(0)} % of one core`,
      },
    ),
  ];
}

/** A figure of a run in which requests failed would be one of failures. */
function whole(result: LoadResult): LoadResult {
  if (result.failures > 0) throw new Error(`${result.failures} requests failed`);
  return result;
}
