/**
 * A load generator of its own process: `node bench/http-load.ts <file>` reads a {@link LoadPlan}, prints a
 * {@link LoadResult}. It speaks HTTP/1.1 over bare sockets, one request at a time on each, so that it leaves as much of
 * the machine as it can to what is measured.
 */
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { quantile } from "./lib/stats.ts";

/** What to send. */
export interface LoadPlan {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  /** Posted to `/v1/statements`, each once. */
  readonly bodies?: readonly string[];
  /** Asked for so many times, in place of posts. */
  readonly get?: { readonly path: string; readonly count: number };
  /** No more than so many a second; as many as there can be by default. */
  readonly perSecond?: number;
  /** Wait until each is published, and fetch its log proof. */
  readonly proofs?: boolean;
}

/** What came back. */
export interface LoadResult {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** Answers other than 200 and 201. */
  readonly failures: number;
}

const [file] = process.argv.slice(2);
if (import.meta.main && file !== undefined) {
  const plan = JSON.parse(readFileSync(file, "utf8")) as LoadPlan;
  process.stdout.write(JSON.stringify(await load(plan)));
}

async function load({ host, port, connections, bodies = [], get, perSecond, proofs }: LoadPlan): Promise<LoadResult> {
  const latencies: number[] = [];
  let failures = 0;
  let next = 0;
  const count = get?.count ?? bodies.length;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const exchange = client(connect({ host, port, noDelay: true }), `${host}:${port}`);
      for (let i = next++; i < count; i = next++) {
        if (perSecond !== undefined) await until(start + (i * 1_000) / perSecond);
        const sent = performance.now();
        const prefer = proofs === true ? "Prefer: wait=15\r\n" : "";
        const answer = get
          ? await exchange("GET", get.path, "", "")
          : await exchange("POST", "/v1/statements", prefer, bodies[i]!);
        let good = answer.status === 201 || answer.status === 200;
        if (good && proofs === true) {
          const { id } = JSON.parse(answer.body) as { id: string };
          const proof = await exchange("GET", `/v1/statements/${id}/proof`, "", "");
          good = proof.status === 200 && proof.body.startsWith("c2sp.org/tlog-proof@v1\n");
        }
        if (!good) failures++;
        latencies.push(performance.now() - sent);
      }
      exchange("close", "", "", "").catch(() => undefined);
    }),
  );
  const seconds = (performance.now() - start) / 1_000;
  return {
    perSecond: count / seconds,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    failures,
  };
}

async function until(moment: number): Promise<void> {
  const ms = moment - performance.now();
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

type Exchange = (method: string, path: string, headers: string, body: string) => Promise<Answer>;

/** One request at a time over one connection. Every answer of a registry names its length. */
function client(socket: Socket, host: string): Exchange {
  let buffer = "";
  let waiting: PromiseWithResolvers<Answer> | undefined;
  socket.setEncoding("latin1");
  socket.on("data", (chunk: string) => {
    buffer += chunk;
    const end = buffer.indexOf("\r\n\r\n");
    if (end < 0) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(buffer.slice(0, end))?.[1] ?? 0);
    if (buffer.length < end + 4 + length) return;
    const answer = { status: Number(buffer.slice(9, 12)), body: buffer.slice(end + 4, end + 4 + length) };
    buffer = buffer.slice(end + 4 + length);
    waiting?.resolve(answer);
  });
  socket.on("error", (error) => waiting?.reject(error));
  socket.on("close", () => waiting?.reject(new Error("the connection was closed")));
  return (method, path, headers, body) => {
    if (method === "close") {
      socket.destroy();
      return Promise.resolve({ status: 0, body: "" });
    }
    waiting = Promise.withResolvers<Answer>();
    const length = body === "" ? "" : `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
    socket.write(`${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${length}${headers}\r\n${body}`, "latin1");
    return waiting.promise;
  };
}
