import type { Bench } from "./lib/measure.ts";

/** A part of the report that is measured in a process of its own. */
export interface SectionSource {
  readonly title: string;
  /** Measured so many times as often as asked: less where filling a store takes most of the time. */
  readonly passes?: number;
  load(): Promise<Bench>;
}

/** All sections, in the order of the report. */
export const sections: Readonly<Record<string, SectionSource>> = {
  proofs: {
    title: "Signatures: verifying and signing, beside what others use",
    load: async () => (await import("./proofs.ts")).benchProofs,
  },
  admission: {
    title: "Admission: the guard's whole decision about one call, in process",
    load: async () => (await import("./admission.ts")).benchAdmission,
  },
  proxies: {
    title: "Proxies: what a call takes longer, real processes",
    load: async () => (await import("./proxies.ts")).benchProxies,
  },
  policy: {
    title: "Policy: decisions and histories, and how soon a change is in force",
    load: async () => (await import("./policy.ts")).benchPolicy,
  },
  trust: {
    title: "Trust: scores beside PageRank and the shortest path",
    load: async () => (await import("./trust-queries.ts")).benchTrustQueries,
  },
  log: {
    title: "Log: durable appends beside the raw rate of signatures, and proofs",
    load: async () => (await import("./log.ts")).benchLog,
  },
  http: {
    title: "HTTP: the registry beside a bare server",
    load: async () => (await import("./http.ts")).benchHttp,
  },
  sse: {
    title: "Live feed: many readers of one registry",
    passes: 1,
    load: async () => (await import("./feed.ts")).benchFeed,
  },
  pages: {
    title: "Observatory: pages and map",
    passes: 1,
    load: async () => (await import("./observatory.ts")).benchObservatory,
  },
  spiffe: {
    title: "SPIFFE: chains and bindings",
    load: async () => (await import("./spiffe.ts")).benchSpiffe,
  },
};

/** Their names. */
export const sectionNames: readonly string[] = Object.keys(sections);
