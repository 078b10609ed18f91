import type { Target } from "./_fuzz.ts";
import { jsonTargets } from "./_fuzz-json.ts";
import { logTargets } from "./_fuzz-log.ts";

/** Seconds of fuzzing of one file of the slow suite; there are two, so that two workers take one each. */
export const SLOW_SECONDS = 300;
/** Seconds of the glance at everything in the normal suite. */
export const SMOKE_SECONDS = 6;

/** What is read of others by formats alone. */
export const formats: readonly Target[] = [...jsonTargets, ...logTargets];
