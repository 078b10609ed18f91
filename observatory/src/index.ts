export { createObservatory } from "./site.ts";
export type { ObservatoryOptions, ObservatorySource, Publication } from "./source.ts";
