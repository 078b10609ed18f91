/**
 * `npm run demo:network -- --agents 200`: an invented network with two rings of fakes, handed in to a registry of its own
 * through the real interface, one day after the other, and shown by the observatory until Ctrl-C. The same seed makes
 * the same network. Its keys are computed from the seed, so that anybody has them: it is for looking at.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  createNote,
  issueProfile,
  issueReport,
  issueRevocation,
  issueVouch,
  type Note,
  noteDigest,
  type Statement,
  tokenDigest,
} from "@peerage/core";
import { openRegistry } from "@peerage/registry";
import { serveApp } from "../cli/src/serve.ts";
import { buildIslands } from "./build-islands.ts";
import { LEAST_AGENTS, type Plan, planNetwork, type PlannedEvent } from "./demo-plan.ts";

const USAGE = `npm run demo:network -- [--agents 200] [--seed peerage] [--port 7075] [--once] [--json]

  --agents  how many agents, from ${LEAST_AGENTS}; two rings of fakes are among them
  --seed    another seed makes another network
  --port    where it answers on 127.0.0.1; 0 takes a free port
  --once    end when all is published
  --json    one JSON document a line
`;
const PARALLEL = 16;
const DAY_MS = 86_400_000;

const { values } = parseArgs({
  options: {
    agents: { type: "string", default: "200" },
    seed: { type: "string", default: "peerage" },
    port: { type: "string", default: "7075" },
    once: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

const write = (text: string): void => void process.stdout.write(text);
const tell = (data: object, text: string): void => write(values.json ? `${JSON.stringify(data)}\n` : text);

/** One event as a signed statement, with the note that it names. */
async function sign(event: PlannedEvent, plan: Plan, now: Date, made: Map<string, Statement>): Promise<Made> {
  const note = noteOf(event, plan);
  const named = note === undefined ? {} : { noteDigest: noteDigest(note) };
  const who = (i: number): Plan["agents"][number]["identity"] => plan.agents[i]!.identity;
  const statement = await (async (): Promise<Statement> => {
    switch (event.kind) {
      case "profile":
        return issueProfile(who(event.agent), { role: plan.agents[event.agent]!.role, ...named, now });
      case "vouch": {
        const { scope, confidence } = event;
        const given = { subject: who(event.to).did, scope, confidence, validFrom: now, ...named };
        const vouch = await issueVouch(who(event.from), given);
        made.set(`${event.from} ${event.to}`, vouch);
        return vouch;
      }
      case "withdraw": {
        const target = made.get(`${event.from} ${event.to}`);
        if (!target) throw new Error("a vouch is withdrawn before it is given");
        return issueRevocation(who(event.from), { revokes: "statement", target: target.id, now });
      }
      case "report": {
        const evidence = [tokenDigest(`a call of ${who(event.to).did}`)];
        return issueReport(who(event.from), { subject: who(event.to).did, category: "spam", evidence, ...named, now });
      }
    }
  })();
  return note === undefined ? { statement } : { statement, note };
}

interface Made {
  readonly statement: Statement;
  readonly note?: Note;
}

function noteOf(event: PlannedEvent, { agents }: Plan): Note | undefined {
  if (event.kind === "profile")
    return createNote({ name: agents[event.agent]!.name, text: agents[event.agent]!.about });
  if (event.kind === "withdraw" || event.note === undefined) return undefined;
  return createNote({ text: event.note });
}

/** Hands in a statement, waits until the log shows it, and then its note. */
async function handIn(url: string, { statement, note }: Made): Promise<void> {
  await ask(`${url}/v1/statements`, {
    method: "POST",
    body: statement.bytes as BodyInit,
    headers: { prefer: "wait=15" },
  });
  if (note === undefined) return;
  const headers = { "content-type": "application/json" };
  await ask(`${url}/v1/notes/${noteDigest(note)}`, { method: "PUT", body: JSON.stringify(note), headers });
}

async function ask(url: string, init: RequestInit): Promise<void> {
  const answer = await fetch(url, init);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${answer.status} ${text}`);
}

async function run(): Promise<void> {
  const plan = planNetwork(Number(values.agents), values.seed);
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new RangeError("--port is a number up to 65535");
  await buildIslands();
  const dataDir = await mkdtemp(join(tmpdir(), "peerage-demo-network-"));
  // The registry lives through the days of the plan, and then in the present.
  const start = Date.now() - plan.days * DAY_MS;
  let day: number | undefined = 0;
  const now = (): Date => (day === undefined ? new Date() : new Date(start + day * DAY_MS));
  const stopped = Promise.withResolvers<string>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stopped.resolve(signal));
  try {
    const roots = plan.roots.map((i) => plan.agents[i]!.identity.did);
    const limits = { writesPerMinute: 0, readsPerMinute: 0, cadenceMs: 40, batchDelayMs: 2 };
    await using registry = await openRegistry({ dataDir, roots, now, ...limits });
    await using server = await serveApp(registry, { host: "127.0.0.1", port }, { roots });
    const made = new Map<string, Statement>();
    const queue = [...plan.events];
    let done = 0;
    while (queue.length > 0) {
      const today = queue[0]!.day;
      day = today;
      const next = queue.findIndex((event) => event.day !== today);
      const events = queue.splice(0, next < 0 ? queue.length : next);
      for (let i = 0; i < events.length; i += PARALLEL) {
        const some = events.slice(i, i + PARALLEL);
        // One after the other: what is withdrawn may have been given just before.
        const signed: Made[] = [];
        for (const event of some) signed.push(await sign(event, plan, now(), made));
        await Promise.all(signed.map((one) => handIn(server.url, one)));
        done += some.length;
      }
      const bar = "#".repeat(Math.round((done / plan.events.length) * 30)).padEnd(30, ".");
      tell({ day: today, done, of: plan.events.length }, `\r  ${bar}  ${done} of ${plan.events.length} statements`);
    }
    day = undefined;
    const rings = plan.rings.map((ring) => ring.map((i) => plan.agents[i]!.identity.did));
    const summary = {
      url: server.url,
      seed: values.seed,
      agents: plan.agents.length,
      vouches: registry.view.vouchesInForce().length,
      logSize: registry.view.size,
      roots,
      rings,
    };
    const facts = `${summary.agents} agents, ${summary.vouches} vouches in force, two rings of ${rings[0]!.length} fakes`;
    tell(
      summary,
      `\n\n  ● ${server.url}\n    ${facts}\n    ${server.url}/map\n    ${server.url}/clusters\n\n${values.once ? "" : "  Ctrl-C stops it, and nothing is kept\n"}`,
    );
    if (!values.once) await stopped.promise;
  } finally {
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
}

if (values.help) write(USAGE);
else {
  try {
    await run();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
