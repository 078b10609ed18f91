/**
 * `node bench/simulate-growth.ts`: what one unit costs, measured here and now, and what a network of a thousand to a
 * billion agents would cost at that price. Measured and modelled figures never share a table. `--quick` leaves the
 * million out.
 */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateIdentity, issueVouch, leafHash, verifyStatement } from "@peerage/core";
import { openRegistry } from "@peerage/registry";
import { EdgeGraph } from "../core/src/trust/edge-graph.ts";
import { FlowState } from "../core/src/trust/flow-state.ts";
import { machineLine } from "./lib/machine.ts";
import { formatTable } from "./lib/markdown.ts";
import { median } from "./lib/stats.ts";
import { powerLaw } from "./trust/synthetic.ts";

/** The model: what agents do. */
const VOUCHES_EACH = 10;
const RENEWED_EVERY_DAYS = 90;
/** Who verifies with how many roots. */
const ROOTS = 12;

interface Unit {
  /** Bytes of one statement as it is hashed, and on disk with its indexes and tiles. */
  readonly leaf: number;
  readonly disk: number;
  /** Seconds of one core to hash and verify one. */
  readonly verify: number;
}

interface Growth {
  readonly agents: number;
  readonly edges: number;
  readonly buildMs: number;
  readonly vectorMs: number;
  readonly active: number;
  readonly bytes: number;
}

/** A line of a table. */
interface Row {
  readonly what: string;
  readonly value: string;
  readonly ratio?: string;
}

const sizes = process.argv.includes("--quick") ? [1_000, 10_000, 100_000] : [1_000, 10_000, 100_000, 1_000_000];
console.log(`## Growth\n\n${machineLine()}`);
const unit = await measureUnit(2_000);
printSection({
  title: "Measured: one statement",
  rows: [
    { what: "as it is signed and hashed", value: `${unit.leaf} B` },
    { what: "on a registry's disk, with indexes, checkpoints and tiles", value: `${Math.round(unit.disk)} B` },
    { what: "verified by a follower", value: `${Math.round(1 / unit.verify).toLocaleString("en-US")}/s a core` },
  ],
});
const grown = sizes.map(grow);
printSection({ title: "Measured: a guard's graph and its scores, ten vouches an agent", rows: grown.map(growthRow) });
printSection({
  title: "Modelled from these: a network that renews every vouch once in 90 days",
  rows: [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9].map((agents) => modelRow(agents, unit, grown.at(-1)!)),
});

async function measureUnit(count: number): Promise<Unit> {
  const folder = await mkdtemp(join(tmpdir(), "peerage-growth-"));
  try {
    const people = Array.from({ length: 50 }, () => generateIdentity());
    const vouches = [];
    for (let i = 0; i < count; i++) {
      const [issuer, subject] = [people[i % 50]!, people[(i * 7 + 1 + Math.floor(i / 50)) % 50]!];
      if (issuer === subject) continue;
      // Different confidence and time, so that no two are one statement.
      const validFrom = new Date(Date.now() - (i + 1) * 1000);
      vouches.push(
        await issueVouch(issuer, { subject: subject.did, scope: ["tools"], confidence: 1 + (i % 100), validFrom }),
      );
    }
    const started = performance.now();
    for (const { bytes } of vouches) {
      leafHash(bytes);
      await verifyStatement(bytes);
    }
    const verify = (performance.now() - started) / 1000 / vouches.length;
    const path = join(folder, "registry.db");
    const size = async (): Promise<number> => (await stat(path)).size;
    let empty: number;
    {
      await using registry = await openRegistry({ dataDir: folder, cadenceMs: 1_000 });
      empty = await size();
      await Promise.all(vouches.map(({ bytes }) => registry.submit(bytes)));
    }
    const leaf = Math.round(vouches.reduce((sum, { bytes }) => sum + bytes.length, 0) / vouches.length);
    return { leaf, disk: ((await size()) - empty) / vouches.length, verify };
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function grow(agents: number): Growth {
  const input = powerLaw(agents, agents * VOUCHES_EACH, 5);
  const roots = Array.from({ length: ROOTS }, (_, i) => Math.floor((i * agents) / ROOTS));
  const builds: number[] = [];
  const vectors: number[] = [];
  let graph = new EdgeGraph(input);
  let state = new FlowState(graph, roots);
  for (let i = 0; i < 3; i++) {
    let start = performance.now();
    graph = new EdgeGraph(input);
    builds.push(performance.now() - start);
    start = performance.now();
    state = new FlowState(graph, roots);
    vectors.push(performance.now() - start);
  }
  let active = 0;
  for (let agent = 0; agent < agents; agent++) if (state.evidence(agent) > 0) active++;
  return {
    agents,
    edges: graph.edges,
    buildMs: median(builds),
    vectorMs: median(vectors),
    active,
    bytes: graph.byteLength + state.byteLength,
  };
}

function printSection({ title, rows }: { title: string; rows: readonly Row[] }): void {
  const cells = rows.map(({ what, value, ratio = "" }) => [what, value, ratio]);
  console.log(`\n### ${title}\n\n${formatTable([["what", "value", "with it"], ...cells])}`);
}

function growthRow({ agents, edges, buildMs, vectorMs, active, bytes }: Growth): Row {
  const each = (bytes / agents).toFixed(0);
  return {
    what: `${count(agents)} agents, ${count(edges)} vouches`,
    value: `built in ${buildMs.toFixed(1)} ms, scored in ${vectorMs.toFixed(1)} ms`,
    ratio: `${size(bytes)}, ${each} B an agent; ${count(active)} agents known from ${ROOTS} roots`,
  };
}

function modelRow(agents: number, { disk, verify }: Unit, largest: Growth): Row {
  const vouches = agents * VOUCHES_EACH;
  const perSecond = vouches / (RENEWED_EVERY_DAYS * 86_400);
  const copy = vouches * verify;
  return {
    what: `${count(agents)} agents`,
    value: `${perSecond < 10 ? perSecond.toPrecision(2) : count(perSecond)} statements/s, ${size(perSecond * 86_400 * 365 * disk)} of log a year`,
    ratio: `a guard that follows all of it: ${size((largest.bytes / largest.agents) * agents)} of memory, ${duration(copy)} of one core for its first copy, ${(perSecond * verify * 100).toPrecision(2)} % of one core afterwards`,
  };
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let at = 0;
  let value = bytes;
  for (; value >= 1024 && at < units.length - 1; at++) value /= 1024;
  return `${value.toPrecision(3)} ${units[at]!}`;
}

function duration(seconds: number): string {
  if (seconds < 90) return `${seconds.toPrecision(2)} s`;
  if (seconds < 5_400) return `${(seconds / 60).toFixed(0)} min`;
  if (seconds < 172_800) return `${(seconds / 3_600).toFixed(0)} h`;
  return `${(seconds / 86_400).toFixed(0)} days`;
}
