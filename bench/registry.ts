/** The registry: submissions that are on disk when acknowledged, and trust queries answered over HTTP and in process. */
import { fsyncSync, mkdtempSync, openSync, rmSync, writeSync, closeSync } from "node:fs";
import { request, Agent } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateIdentity, type Identity, issueVouch, type Vouch } from "@peerage/core";
import { serveRegistry } from "@peerage/registry";
import { median, quantile, type Row, type Section } from "./report.ts";

const submissions = 1_500;
const connections = 64;

export async function benchRegistry(): Promise<Section> {
  const dataDir = mkdtempSync(join(tmpdir(), "peerage-bench-"));
  try {
    return await measure(dataDir);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function measure(dataDir: string): Promise<Section> {
  const rows: Row[] = [];
  const agents = Array.from({ length: 40 }, () => generateIdentity());
  const vouches = await makeVouches(agents, submissions);
  const fsync = fsyncMs(dataDir);
  rows.push({ what: "one fsync of 4 KiB on this disk", value: `${fsync.toFixed(2)} ms`, ratio: "reference" });

  await using server = await serveRegistry({ dataDir, roots: agents.slice(0, 2).map((a) => a.did) });
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const latencies: number[] = [];
  const start = performance.now();
  let next = 0;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      for (let i = next++; i < vouches.length; i = next++) {
        const sent = performance.now();
        const status = await post(`${server.url}/v1/statements`, vouches[i]!.bytes, agent);
        if (status !== 201) throw new Error(`a submission was answered with ${status}`);
        latencies.push(performance.now() - sent);
      }
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  rows.push({
    what: `statements submitted over HTTP, ${connections} connections, synchronous=FULL`,
    value: `${Math.round(vouches.length / seconds).toLocaleString("en-US")}/s, p50 ${quantile(latencies, 0.5).toFixed(0)} ms, p99 ${quantile(latencies, 0.99).toFixed(0)} ms`,
    goal: "≥ 1,000/s (4 cores)",
  });

  await server.registry.published(vouches.length - 1, 10_000);
  const [from, to] = [agents[0]!.did, agents[30]!.did];
  const queries = await httpRate(`${server.url}/v1/score?from=${from}&to=${to}&scope=tools`, agent, 1_500);
  rows.push({ what: "GET /v1/score over HTTP, 40 agents", value: `${Math.round(queries).toLocaleString("en-US")}/s` });
  agent.destroy();
  return { title: "Registry", rows };
}

async function makeVouches(agents: readonly Identity[], count: number): Promise<Vouch[]> {
  const from = Date.now() - 2_000_000;
  return Promise.all(
    Array.from({ length: count }, (_, i) => {
      const issuer = agents[i % agents.length]!;
      const subject = agents[(i * 7 + 1 + Math.floor(i / agents.length)) % agents.length]!;
      const other = subject === issuer ? agents[(i + 1) % agents.length]! : subject;
      return issueVouch(issuer, {
        subject: other.did,
        scope: ["tools"],
        confidence: 1 + (i % 100),
        validFrom: new Date(from + i * 1000),
      });
    }),
  );
}

function fsyncMs(folder: string): number {
  const fd = openSync(join(folder, "fsync-probe"), "w");
  const times: number[] = [];
  for (let i = 0; i < 40; i++) {
    writeSync(fd, Buffer.alloc(4096, i), 0, 4096, 0);
    const start = performance.now();
    fsyncSync(fd);
    times.push(performance.now() - start);
  }
  closeSync(fd);
  return median(times);
}

function post(url: string, body: Uint8Array, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { method: "POST", agent, headers: { "content-type": "application/json" } },
      (response) => {
        response.resume().on("end", () => resolve(response.statusCode ?? 0));
      },
    );
    sent.on("error", reject).end(body);
  });
}

async function httpRate(url: string, agent: Agent, count: number): Promise<number> {
  const get = () =>
    new Promise<void>((resolve, reject) => {
      request(url, { agent }, (response) => {
        if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
        response.resume().on("end", resolve);
      })
        .on("error", reject)
        .end();
    });
  let next = 0;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      while (next++ < count) await get();
    }),
  );
  return (count * 1000) / (performance.now() - start);
}
