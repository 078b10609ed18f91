/**
 * The registry: durable appends beside the raw rate of signatures, submissions and feeds over HTTP, proofs from a log of a
 * million entries, and trust queries.
 */
import { spawnSync } from "node:child_process";
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { request, Agent } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateIdentity, type Identity, issueVouch, type Vouch } from "@peerage/core";
import { serveRegistry } from "@peerage/registry";
import { appendRows, appendStatements } from "./registry-append.ts";
import { httpRows, httpStatements } from "./registry-http.ts";
import { buildMillion, MILLION, type MillionFigures } from "./registry-million.ts";
import { median, type Row, type Section } from "./report.ts";

export async function benchRegistry(): Promise<Section> {
  const folder = mkdtempSync(join(tmpdir(), "peerage-bench-"));
  try {
    const agents = Array.from({ length: 40 }, () => generateIdentity());
    const vouches = await makeVouches(agents, Math.max(appendStatements, httpStatements));
    return {
      title: "Registry",
      rows: [
        { what: "one fsync of 4 KiB on this disk", value: `${fsyncMs(folder).toFixed(2)} ms`, ratio: "reference" },
        ...(await appendRows(vouches.slice(0, appendStatements))),
        ...(await httpRows(vouches)),
        ...(await millionRows(folder)),
        await scoreRow(join(folder, "score"), agents, vouches.slice(0, 1_500)),
      ],
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function millionRows(folder: string): Promise<Row[]> {
  const path = join(folder, "million.db");
  await buildMillion(path);
  // A process of its own: neither its memory nor its start is that of the one that filled the log.
  const program = [join(import.meta.dirname, "registry-million.ts"), path];
  const { stdout, status } = spawnSync(process.execPath, program, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status !== 0) throw new Error("the log of a million entries could not be measured");
  const { reopenMs, cold, warm, recent, rssMb } = JSON.parse(stdout) as MillionFigures;
  const size = `${MILLION.toLocaleString("en-US")} entries`;
  const perSecond = (value: number): string => `${Math.round(value).toLocaleString("en-US")}/s`;
  return [
    { what: `reopening ${size}, root checked`, value: `${Math.round(reopenMs)} ms`, goal: "< 1 s" },
    { what: `inclusion proofs, ${size}: tile not in memory`, value: perSecond(cold), goal: "≥ 1,500/s" },
    { what: `inclusion proofs, ${size}: all tiles in memory`, value: perSecond(warm), goal: "≥ 50,000/s" },
    { what: `inclusion proofs, ${size}: the newest 10,000`, value: perSecond(recent) },
    { what: `memory after that`, value: `${Math.round(rssMb)} MB`, goal: "< 400 MB" },
  ];
}

async function scoreRow(dataDir: string, agents: readonly Identity[], vouches: readonly Vouch[]): Promise<Row> {
  await using server = await serveRegistry({ dataDir, roots: agents.slice(0, 2).map(({ did }) => did) });
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  await Promise.all(vouches.map(({ bytes }) => server.registry.submit(bytes)));
  await server.registry.published(vouches.length - 1, 10_000);
  const [from, to] = [agents[0]!.did, agents[30]!.did];
  const queries = await httpRate(`${server.url}/v1/score?from=${from}&to=${to}&scope=tools`, agent, 1_500);
  agent.destroy();
  return { what: "GET /v1/score over HTTP, 40 agents", value: `${Math.round(queries).toLocaleString("en-US")}/s` };
}

async function makeVouches(agents: readonly Identity[], count: number): Promise<Vouch[]> {
  const from = Date.now() - count * 1_000 - 2_000_000;
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
