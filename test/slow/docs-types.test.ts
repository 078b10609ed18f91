import { resolve } from "node:path";
import ts from "typescript";
import { expect, it } from "vitest";
import { blocksOf, pages } from "../_docs.ts";

const root = resolve(import.meta.dirname, "../..");

const SERVER = `import { createGuard, currentCaller, guardTransport, type TrustSource } from "@peerage/mcp-middleware";
import { type Identity, parsePolicy } from "@peerage/core";
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
declare const identity: Identity, text: string, url: string, trust: TrustSource, server: McpServer, transport: Transport;
`;

/** What the reader of a page has at hand where its TypeScript begins. */
const given: Readonly<Record<string, string>> = {
  "README.md": SERVER,
  "examples/README.md": SERVER,
  "docs/policy.md": `import type { Did, Identity, PolicyInput } from "@peerage/core";
declare const text: string, identity: Identity, roots: readonly Did[], input: PolicyInput, spent: NonNullable<NonNullable<Parameters<typeof import("@peerage/core").decide>[2]>["spent"]>;
`,
  "docs/spiffe.md": `import type { Identity, Policy } from "@peerage/core";
import { createGuard, loadSpiffe } from "@peerage/mcp-middleware";
declare const config: Parameters<Awaited<ReturnType<typeof loadSpiffe>>["openSpiffe"]>[0], stateFolder: string, log: (text: string) => void, identity: Identity, policy: Policy;
`,
  "docs/trust.md": `import {
  buildTrustGraph, type Did, explainTrust, formatExplanation, scoreVector, trustScore, type Verified, type Vouch,
} from "@peerage/core";
declare const vouches: readonly Verified<Vouch>[], vouch: Verified<Vouch>, revoked: Verified<Vouch>;
declare const roots: readonly Did[], caller: Did, someone: Did, target: Did;
`,
};

it("every piece of TypeScript on a page is right against the packages as they are", async () => {
  const blocks = (await Promise.all(pages.map(blocksOf)))
    .flat()
    .filter(({ language, mark }) => language === "ts" && mark === "");
  expect(blocks.length).toBeGreaterThanOrEqual(5);
  const { config } = ts.readConfigFile(resolve(root, "test/tsconfig.json"), (path) => ts.sys.readFile(path));
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, resolve(root, "test"));
  const sources = new Map(
    blocks.map(({ page, line, text }) => [
      resolve(root, "test", `page-${page.replaceAll(/[^a-z]/gi, "-")}-${line}.ts`),
      `${given[page] ?? ""}${text}export {};\n`,
    ]),
  );
  // One more that is wrong: a check that cannot fail checks nothing.
  const wrong = resolve(root, "test/page-wrong.ts");
  sources.set(wrong, `import { parsePolicy } from "@peerage/core";\nparsePolicy(1);\n`);
  const host = ts.createCompilerHost(options);
  const base = ts.createCompilerHost(options);
  host.getSourceFile = (path, ...rest) => {
    const text = sources.get(resolve(path));
    return text === undefined
      ? base.getSourceFile(path, ...rest)
      : ts.createSourceFile(path, text, ts.ScriptTarget.Latest);
  };
  host.fileExists = (path) => sources.has(resolve(path)) || base.fileExists(path);
  host.readFile = (path) => sources.get(resolve(path)) ?? base.readFile(path);
  delete options.tsBuildInfoFile;
  const checked = { ...options, composite: false, incremental: false, noUnusedLocals: false, noEmit: true };
  const program = ts.createProgram([...sources.keys()], checked, host);
  const complaints = [...sources.keys()].flatMap((path) => {
    const file = program.getSourceFile(path);
    const found = [...program.getSemanticDiagnostics(file), ...program.getSyntacticDiagnostics(file)];
    return found.map(({ messageText }) => ({ path, says: ts.flattenDiagnosticMessageText(messageText, " ") }));
  });
  expect(complaints.filter(({ path }) => path !== wrong)).toEqual([]);
  expect(complaints.filter(({ path }) => path === wrong)).toHaveLength(1);
});
