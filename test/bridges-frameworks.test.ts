import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const read = (path: string): Promise<string> => readFile(fileURLToPath(new URL(`../${path}`, import.meta.url)), "utf8");
const frameworks = ["langchain", "openai-agents", "mastra", "ai-sdk"];

it("shows in docs/frameworks.md exactly the code of each example, in order", async () => {
  const shown = [...(await read("docs/frameworks.md")).matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code]) => code);
  expect(shown).toEqual(await Promise.all(frameworks.map((name) => read(`examples/${name}/agent.mjs`))));
});

it.each([...frameworks, "a2a"])("pins exact versions in examples/%s, and names no registry's host", async (name) => {
  const { dependencies } = JSON.parse(await read(`examples/${name}/package.json`)) as {
    dependencies: Record<string, string>;
  };
  for (const version of Object.values(dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  const lock = await read(`examples/${name}/package-lock.json`);
  expect(JSON.parse(lock)).toMatchObject({ packages: { "": { dependencies } } });
  expect(lock).not.toContain('"resolved"');
});
