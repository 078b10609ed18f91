import { defineConfig } from "vitest/config";
import { env, shared } from "./vitest.shared.ts";

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["*/src/**/*.test.ts"], testTimeout: 30_000, env } },
      {
        test: {
          name: "system",
          include: ["test/**/*.test.ts"],
          exclude: ["test/slow/**"],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          env,
        },
      },
    ],
    ...shared,
    coverage: { provider: "v8", include: ["*/src/**"], exclude: ["**/*.test.ts"] },
  },
});
