import { defineConfig } from "vitest/config";
import { env, shared } from "./vitest.shared.ts";

/** What is waited for may take its time on a busy machine; a wait in vain ends before its test does. */
const expect = { poll: { timeout: 20_000 } };

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["*/src/**/*.test.ts"], testTimeout: 30_000, env, expect } },
      {
        test: {
          name: "system",
          include: ["test/**/*.test.ts"],
          exclude: ["test/slow/**"],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          env,
          expect,
        },
      },
    ],
    ...shared,
    coverage: { provider: "v8", include: ["*/src/**"], exclude: ["**/*.test.ts"] },
  },
});
