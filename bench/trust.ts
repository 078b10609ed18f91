/**
 * Coverage and Sybil tables of the trust score: `node bench/trust.ts [--dataset FILE] [--quick] [--json]`. The quick form
 * takes fewer roots. What the score costs is in `npm run bench -- --only trust`.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { machineLine } from "./lib/machine.ts";
import { circle } from "./trust/circle.ts";
import { readDataset } from "./trust/dataset.ts";
import { printSybilTable, type SybilRow, sybilTable } from "./trust/sybil-table.ts";

const { values } = parseArgs({
  options: {
    dataset: { type: "string", multiple: true },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const say = (text: string): void => {
  if (!values.json) console.log(text);
};
const shared = resolve(import.meta.dirname, "../../shared/datasets");
const files = values.dataset ?? ["otc", "advogato", "filmtrust"].map((name) => resolve(shared, `${name}.csv.gz`));
const roots = values.quick ? 40 : 100;
const attacked = values.quick ? 4 : 12;

/** A file that somebody names may be anything: what is wrong with it is said, without a trace. */
function stop(message: string): never {
  console.error(message);
  process.exit(2);
}

function tableOf(file: string): SybilRow[] {
  try {
    const table = sybilTable(readDataset(file), roots, attacked, 20_261_117);
    return table.length > 0
      ? table
      : stop(`${file}: no agent in it that vouches for two and reaches a tenth of the others`);
  } catch (error) {
    if (error instanceof RangeError || (error as NodeJS.ErrnoException).code !== undefined)
      stop((error as Error).message);
    throw error;
  }
}

say(`## Trust bench${values.quick ? " (quick)" : ""}\n\n${machineLine()}`);

say(`\n### Coverage and Sybils: ${roots} random honest roots, ${attacked} of them under the worst of 17 attacks\n`);
const rows: SybilRow[] = [];
for (const file of files) {
  if (existsSync(file)) rows.push(...tableOf(file));
  else if (values.dataset) stop(`no such file: ${file}`);
  else say(`SKIPPED: no dataset at ${file}`);
}
if (!values.json && rows.length > 0) printSybilTable(rows);

say(
  "\n### A circle of 200, one fooled agent, 500 fakes who all vouch for one another; every honest agent as the root\n",
);
const circles = (["anyone", "neighbours", "popular"] as const).flatMap((kind) =>
  [4, 6, 8, 10, 12, 16].map((given) => circle(given, kind, 7)),
);
const words = { anyone: "for anyone", neighbours: "for neighbours", popular: "for the popular" };
const pairsIn = (count: number): string => `${count} (${((100 * count) / (200 * 199)).toFixed(0)} %)`;
say(
  "| vouches each | honest pairs: 0.8^hops at 0.5 | this score at 0.25 | at least as many | most fakes: 0.8^hops at 0.5 | this score at 0.1 |",
);
say("|---|---|---|---|---|---|");
for (const c of circles)
  say(
    `| ${c.given} ${words[c.kind]} | ${pairsIn(c.pairsByHops)} | ${pairsIn(c.pairs)} | ${c.pairs >= c.pairsByHops ? "yes" : "no"} | ${c.fakesByHops} | ${c.fakes} |`,
  );

if (values.json) console.log(JSON.stringify({ machine: machineLine(), sybils: rows, circles }));
