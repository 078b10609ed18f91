/**
 * Readers of the live feed in a process of their own: `node bench/sse-load.ts <file>` reads a {@link StreamPlan}, prints
 * `ready` when all listen, and a {@link StreamResult} when all have all, or nothing more comes.
 */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { quantile } from "./lib/stats.ts";

/** Who listens, and how long. */
export interface StreamPlan {
  readonly host: string;
  readonly port: number;
  readonly streams: number;
  /** Each reader waits for so many statements. */
  readonly events: number;
}

/** What arrived. */
export interface StreamResult {
  readonly received: number;
  readonly expected: number;
  /** Between the first reader's receipt of a statement and another's, in milliseconds. */
  readonly p99: number;
}

/** Nothing has come for so long: what is missing is lost. */
const SILENCE_MS = 20_000;

const [file] = process.argv.slice(2);
if (import.meta.main && file !== undefined) {
  const plan = JSON.parse(readFileSync(file, "utf8")) as StreamPlan;
  console.log(JSON.stringify(await listen(plan)));
  process.exit(0);
}

async function listen({ host, port, streams, events }: StreamPlan): Promise<StreamResult> {
  const firsts = new Map<string, number>();
  const late: number[] = [];
  const expected = streams * events;
  let received = 0;
  let lastAt = performance.now();
  const done = Promise.withResolvers<undefined>();
  const ids = /^id: (\d+)\r?$/gm;
  const open = (): Promise<void> =>
    new Promise((resolve, reject) => {
      let rest = "";
      const socket = connect({ host, port }, () => {
        socket.write(
          `GET /v1/feed.sse?after=-1 HTTP/1.1\r\nHost: ${host}:${port}\r\nAccept: text/event-stream\r\n\r\n`,
        );
      });
      socket.setEncoding("latin1");
      socket.on("error", reject);
      socket.on("data", (chunk: string) => {
        resolve();
        rest += chunk;
        const end = rest.lastIndexOf("\n") + 1;
        const now = performance.now();
        lastAt = now;
        for (const [, id = ""] of rest.slice(0, end).matchAll(ids)) {
          received++;
          const first = firsts.get(id);
          if (first === undefined) firsts.set(id, now);
          else late.push(now - first);
        }
        rest = rest.slice(end);
        if (received >= expected) done.resolve(undefined);
      });
    });
  for (let at = 0; at < streams; at += 100)
    await Promise.all(Array.from({ length: Math.min(100, streams - at) }, open));
  console.log("ready");
  lastAt = performance.now();
  const watch = setInterval(() => {
    if (performance.now() - lastAt > SILENCE_MS) done.resolve(undefined);
  }, 500);
  await done.promise;
  clearInterval(watch);
  return { received, expected, p99: late.length === 0 ? 0 : quantile(late, 0.99) };
}
