import { fuzz } from "../_fuzz.ts";
import { formats, SLOW_SECONDS } from "../_fuzz-table.ts";

fuzz("test/slow/fuzz-formats.test.ts", formats, SLOW_SECONDS);
