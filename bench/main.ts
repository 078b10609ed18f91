/**
 * One run, one report: every figure beside a reference that was measured in the same run. `npm run bench -- proofs trust`
 * runs some sections only; `--json` prints the sections as JSON.
 */
import { benchProofs } from "./proofs.ts";
import { benchRegistry } from "./registry.ts";
import { machine, printSection, type Section } from "./report.ts";
import { benchTrustQueries } from "./trust-queries.ts";

const sections: Readonly<Record<string, () => Section | Promise<Section>>> = {
  proofs: benchProofs,
  guard: async () => (await import("./guard.ts")).benchGuard(),
  policy: async () => (await import("./policy.ts")).benchPolicy(),
  registry: benchRegistry,
  trust: benchTrustQueries,
  observatory: async () => (await import("./observatory.ts")).benchObservatory(),
  spiffe: async () => (await import("./spiffe.ts")).benchSpiffe(),
};

const asked = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const unknown = asked.filter((name) => !Object.hasOwn(sections, name));
if (unknown.length > 0) {
  console.error(`no such section: ${unknown.join(", ")}; there are ${Object.keys(sections).join(", ")}`);
  process.exit(2);
}

const json = process.argv.includes("--json");
const results: Section[] = [];
if (!json) console.log(`## Peerage bench\n\n${machine()}`);
for (const name of asked.length > 0 ? asked : Object.keys(sections)) {
  const section = await sections[name]!();
  results.push(section);
  if (!json) printSection(section);
}
if (json) console.log(JSON.stringify({ machine: machine(), sections: results }));
