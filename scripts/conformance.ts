/**
 * `npm run conformance`: what the official conformance suites find of our fixture and of server-everything, directly and
 * through signer and guard, and which client scenarios pass through the signing bridge. Exits 1 if a scenario is lost.
 */
import {
  hasNext,
  next,
  passedScenarios,
  released,
  type Results,
  runClientScenario,
  runServerSuite,
  startFixture,
  startSigner,
  strictGuard,
  type Suite,
  tally,
} from "../test/_conformance.ts";
import { fixture, node, startEverythingHttp } from "../test/_mcp.ts";

const clientScenarios = ["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry"];
const modernScenarios = [
  "request-metadata",
  "http-standard-headers",
  "http-custom-headers",
  "http-invalid-tool-headers",
  "json-schema-ref-no-deref",
  "json-schema-2020-12-preservation",
  "sep-2322-client-request-state",
];
const revision = (name: string): string[] => ["--requirements", name];

interface Target {
  readonly name: string;
  readonly start: () => Promise<AsyncDisposable & { readonly url: string }>;
}

const v1: Target = { name: "fixture, SDK 1", start: () => startFixture("v1") };
const v2: Target = { name: "fixture, SDK 2", start: () => startFixture("v2") };
const everything: Target = { name: "server-everything", start: () => startEverythingHttp() };
const runs: readonly { suite: Suite; target: Target; args: string[]; of: string }[] = [
  ...[v1, v2, everything].map((target) => ({ suite: released, target, args: [], of: "2025-11-25" })),
  ...(hasNext
    ? [
        ...[v1, v2, everything].map((target) => ({
          suite: next,
          target,
          args: revision("2025-11-25"),
          of: "2025-11-25",
        })),
        { suite: next, target: v2, args: revision("2026-07-28"), of: "2026-07-28" },
      ]
    : []),
];

const count = (results: Results): string => `${tally(results).passed} pass, ${tally(results).failed} fail`;
let worse = 0;

console.log("| suite | revision | target | direct | signer and guard | changed | unsigned |");
console.log("| --- | --- | --- | --- | --- | --- | --- |");
for (const { suite, target, args, of } of runs) {
  await using server = await target.start();
  await using guard = await strictGuard(server.url);
  await using signer = await startSigner(guard.url);
  const direct = await runServerSuite(suite, server.url, args);
  const through = await runServerSuite(suite, signer.url, args);
  const unsigned = passedScenarios(await runServerSuite(suite, guard.url, args));
  const before = passedScenarios(direct);
  const after = passedScenarios(through);
  const lost = before.filter((name) => !after.includes(name));
  const gained = after.filter((name) => !before.includes(name));
  worse += lost.length;
  const changed = [...lost.map((name) => `lost ${name}`), ...gained.map((name) => `gained ${name}`)].join(", ");
  const cells = [suite.name, of, target.name, count(direct), count(through), changed || "none"];
  console.log(`| ${[...cells, `${unsigned.length} of ${Object.keys(direct).length} scenarios`].join(" | ")} |`);
}

console.log("\n| suite | client scenario | through the signing bridge |");
console.log("| --- | --- | --- |");
const suites: readonly (readonly [Suite, readonly string[]])[] = [
  [released, clientScenarios],
  ...(hasNext ? [[next, [...clientScenarios, ...modernScenarios]] as const] : []),
];
for (const [suite, scenarios] of suites) {
  for (const scenario of scenarios) {
    const { passed } = await runClientScenario(suite, scenario, [node, fixture("conformance-client.ts"), "bridge"]);
    if (!passed) worse++;
    console.log(`| ${suite.name} | ${scenario} | ${passed ? "passes" : "fails"} |`);
  }
}
if (!hasNext) console.log(`\n${next.name} is not installed (npm alias "conformance-next"): not run.`);
process.exit(worse === 0 ? 0 : 1);
