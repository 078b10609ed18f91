import type { Target } from "./_fuzz.ts";
import { agreementTargets } from "./_fuzz-agreement.ts";
import { fileTargets } from "./_fuzz-files.ts";
import { headTargets } from "./_fuzz-heads.ts";
import { jsonTargets } from "./_fuzz-json.ts";
import { logTargets } from "./_fuzz-log.ts";
import { messageTargets } from "./_fuzz-messages.ts";
import { policyTargets } from "./_fuzz-policy.ts";
import { proofTargets } from "./_fuzz-proofs.ts";
import { sealedTargets } from "./_fuzz-sealed.ts";
import { spiffeTargets } from "./_fuzz-spiffe.ts";

/** Seconds of fuzzing of one file of the slow suite; there are two, so that two workers take one each. */
export const SLOW_SECONDS = 300;
/** Seconds of the glance at everything in the normal suite. */
export const SMOKE_SECONDS = 4;

/** What is read of others by formats alone. */
export const formats: readonly Target[] = [
  ...jsonTargets,
  ...logTargets,
  ...proofTargets,
  ...sealedTargets,
  ...policyTargets,
];

/** What is read by whole parts: a guard, a command, a server; and what a second implementation reads as well. */
export const systems: readonly Target[] = [
  ...messageTargets,
  ...fileTargets,
  ...spiffeTargets,
  ...agreementTargets,
  ...headTargets,
];
