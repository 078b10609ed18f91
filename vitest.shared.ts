import { join } from "node:path";

// Where it names a file, the results also go there as JSON, for the count of `.ci/run`.
const file = process.env["PEERAGE_TEST_REPORT"];

/** What both suites have in common. */
export const shared: {
  maxWorkers: number;
  reporters?: string[];
  outputFile?: { json: string };
} = {
  maxWorkers: 2,
  ...(file ? { reporters: ["default", "json"], outputFile: { json: file } } : {}),
};

/** The processes that tests start keep their compiled code: they take half the processor time to run. */
export const env: Record<string, string> = {
  NODE_COMPILE_CACHE: join(import.meta.dirname, "node_modules/.cache/peerage-compiled"),
};
