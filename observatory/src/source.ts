import type { CheckpointQuorum, Did, Digest, LogLeaf, Note, ReadTile, RegistryReader, View } from "@peerage/core";

/** Entries that have just become visible: `from` ≤ index < `size`. */
export interface Publication {
  /** The first new entry. */
  readonly from: number;
  /** Entries of the log now. */
  readonly size: number;
}

/** What the observatory reads of a registry. All of it is public, and none of it is changed. */
export interface ObservatorySource {
  /** The state of the network under the newest published checkpoint. */
  view(): View | Promise<View>;
  /** The leaves from `from` up to but not including `to`, in order. */
  leaves(from: number, to: number): AsyncIterable<LogLeaf>;
  /** Tiles of hashes (C2SP tlog-tiles), from which the pages build inclusion proofs. */
  readonly tile: ReadTile;
  /** The log's verifier key. */
  readonly logKey: RegistryReader["logKey"];
  /** The operator's own witness, which stamps the time of every checkpoint. */
  readonly witnessKey?: RegistryReader["logKey"];
  /** The witnesses elsewhere that cosign each head, and how many of them must. */
  readonly quorum?: CheckpointQuorum | undefined;
  /** The published checkpoints with `after` < size ≤ `upTo`, ascending: they say by when an entry was logged. */
  readonly checkpoints?: RegistryReader["checkpoints"];
  /** The note with a digest, if it is kept; `erased` if its issuer had it erased. */
  readonly note?: (digest: Digest) => Promise<Note | "erased" | undefined>;
  /** Calls `listener` after each publication until the returned function is called. */
  subscribe(listener: (publication: Publication) => void): () => void;
}

/** What the public pages show, and from whose viewpoint. */
export interface ObservatoryOptions {
  readonly source: ObservatorySource;
  /** From whom pages start unless `?as=` names somebody else; none means that a visitor must choose. */
  readonly roots: readonly Did[];
  /** Where the registry answers, for the commands that pages show. */
  readonly registryUrl: string;
  /** A name for an agent. Any string: it is made harmless here, and the fingerprint always stands beside it. */
  readonly names?: (did: Did) => string | undefined;
  /** A line at the top of every page, such as "example data". */
  readonly banner?: string;
  readonly now?: () => Date;
}
