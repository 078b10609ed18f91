import { defineConfig } from "vitest/config";
import { env, shared } from "./vitest.shared.ts";

export default defineConfig({
  test: {
    name: "slow",
    include: ["test/slow/**/*.test.ts"],
    testTimeout: 900_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 60_000 } },
    env,
    ...shared,
  },
});
