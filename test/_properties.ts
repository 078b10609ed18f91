/** fast-check, with one seed for all properties where FUZZ_SEED names one (docs/testing.md). */
import fc from "fast-check";

const seed = process.env["FUZZ_SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

export default fc;
