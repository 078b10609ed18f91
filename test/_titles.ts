import { globSync, readFileSync } from "node:fs";
import { resolve, sep } from "node:path";
import ts from "typescript";

/** A test as the sources declare it. */
export interface Title {
  /** Path from the repository's root, with `/`. */
  readonly file: string;
  /** The titles of its suites and its own, with ` > ` between; `$…` and `${}` where they are filled in at run time. */
  readonly title: string;
}

const root = resolve(import.meta.dirname, "..");
const ignored = new Set(["node_modules", "dist", ".git", "coverage"]);

/** Every test of the repository's `*.test.ts` files. Skipped ones and those to be done are not among them. */
export function collectTitles(): readonly Title[] {
  const files = globSync("**/*.test.ts", { cwd: root, exclude: (name) => ignored.has(name.split(sep).at(-1)!) });
  return files.sort().flatMap((path) => {
    const file = path.split(sep).join("/");
    return titlesOf(readFileSync(resolve(root, path), "utf8")).map((title) => ({ file, title }));
  });
}

/** The titles of the tests in a source text. */
export function titlesOf(text: string): readonly string[] {
  const titles: string[] = [];
  const visit = (node: ts.Node, suites: readonly string[]): void => {
    const declared = ts.isCallExpression(node) ? declaration(node) : undefined;
    if (declared?.kind === "test") titles.push([...suites, declared.title].join(" > "));
    if (declared?.kind === "skipped") return;
    const inside = declared?.kind === "suite" ? [...suites, declared.title] : suites;
    node.forEachChild((child) => visit(child, inside));
  };
  visit(ts.createSourceFile("test.ts", text, ts.ScriptTarget.Latest), []);
  return titles;
}

type Declaration = { readonly kind: "test" | "suite"; readonly title: string } | { readonly kind: "skipped" };

/** `it("…", …)`, `describe("…", …)` and what is built on them: `it.each(…)("…", …)`, `it.skipIf(…)("…", …)`. */
function declaration(call: ts.CallExpression): Declaration | undefined {
  const [first] = call.arguments;
  const title = first && textOf(first);
  if (title === undefined) return undefined;
  const names = calleeNames(call.expression);
  const kind = names[0] === "describe" ? "suite" : names[0] === "it" || names[0] === "test" ? "test" : undefined;
  if (!kind) return undefined;
  return names.includes("skip") || names.includes("todo") ? { kind: "skipped" } : { kind, title };
}

/** `it.skipIf(x).each(y)` is `it`, `skipIf`, `each`; empty for a callee of another form. */
function calleeNames(callee: ts.Expression): string[] {
  if (ts.isIdentifier(callee)) return [callee.text];
  if (ts.isPropertyAccessExpression(callee)) return [...calleeNames(callee.expression), callee.name.text];
  if (ts.isCallExpression(callee)) return calleeNames(callee.expression);
  if (ts.isTaggedTemplateExpression(callee)) return calleeNames(callee.tag);
  return [];
}

function textOf(node: ts.Expression): string | undefined {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (!ts.isTemplateExpression(node)) return undefined;
  return node.head.text + node.templateSpans.map(({ literal }) => `\${}${literal.text}`).join("");
}
