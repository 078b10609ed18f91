import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["*/src/**/*.test.ts"], testTimeout: 30_000 } },
      { test: { name: "system", include: ["test/**/*.test.ts"], exclude: ["test/slow/**"], testTimeout: 120_000, hookTimeout: 60_000 } },
    ],
    maxWorkers: 2,
    coverage: { provider: "v8", include: ["*/src/**"], exclude: ["**/*.test.ts"] },
  },
});
