import { readFileSync } from "node:fs";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

const workspaces = ["core", "registry", "mcp-middleware", "observatory", "cli"];
const packages = workspaces.map((folder) => {
  const json = JSON.parse(readFileSync(new URL(`./${folder}/package.json`, import.meta.url), "utf8"));
  return { folder, name: json.name, may: Object.keys(json.dependencies ?? {}) };
});

/** The arrow of ARCHITECTURE.md: a workspace imports only the siblings that its package.json names. */
const boundaries = packages.map(({ folder, name, may }) => {
  const forbidden = packages.map((p) => p.name).filter((p) => p !== name && !may.includes(p));
  const patterns = forbidden.length ? [{ group: forbidden, message: `${name} does not depend on it` }] : [];
  if (folder === "core") patterns.push({ group: ["node:*"], message: "core runs in browsers too" });
  return {
    files: [`${folder}/src/**/*.ts`],
    ignores: ["**/*.test.ts"],
    rules: { "no-restricted-imports": ["error", { patterns }] },
  };
});

export default defineConfig(
  { ignores: ["**/dist/**", "**/node_modules/**", "coverage/**", "observatory/assets/**"] },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/consistent-type-definitions": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/prefer-literal-enum-member": "off",
    },
  },
  ...boundaries,
  {
    files: ["mcp-middleware/src/proxy/**/*.ts"],
    rules: {
      "no-restricted-globals": [
        "error",
        { name: "fetch", message: "global fetch ends a silent call at 300 s; use node:http" },
      ],
    },
  },
  {
    files: ["**/*.test.ts", "test/**/*.ts", "bench/**/*.ts", "scripts/**/*.ts", "examples/**/*.ts"],
    rules: {
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-return": "off",
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/no-dynamic-delete": "off",
    },
  },
);
