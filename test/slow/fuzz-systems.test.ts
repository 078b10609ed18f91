import { fuzz } from "../_fuzz.ts";
import { SLOW_SECONDS, systems } from "../_fuzz-table.ts";

fuzz("test/slow/fuzz-systems.test.ts", systems, SLOW_SECONDS);
