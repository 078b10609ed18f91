import { defineConfig } from "vitest/config";
import { reporters } from "./vitest.reporters.ts";

export default defineConfig({
  test: {
    name: "slow",
    include: ["test/slow/**/*.test.ts"],
    testTimeout: 900_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 60_000 } },
    maxWorkers: 2,
    ...reporters,
  },
});
