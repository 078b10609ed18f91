import { defineConfig } from "vitest/config";
import { reporters } from "./vitest.reporters.ts";

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["*/src/**/*.test.ts"], testTimeout: 30_000 } },
      {
        test: {
          name: "system",
          include: ["test/**/*.test.ts"],
          exclude: ["test/slow/**"],
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
    ],
    maxWorkers: 2,
    ...reporters,
    coverage: { provider: "v8", include: ["*/src/**"], exclude: ["**/*.test.ts"] },
  },
});
