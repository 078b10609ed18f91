import { fuzz } from "./_fuzz.ts";
import { formats, SMOKE_SECONDS, systems } from "./_fuzz-table.ts";

// A glance at each reader; test/slow/fuzz-formats.test.ts and fuzz-systems.test.ts take ten minutes.
fuzz("test/fuzz.test.ts", [...formats, ...systems], SMOKE_SECONDS);
