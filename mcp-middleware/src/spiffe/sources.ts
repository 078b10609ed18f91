import type { WitIdentity } from "./issue-binding.ts";
import type { X509Identity } from "./x509-svid.ts";

/** Where this process's own X.509-SVID comes from. It is replaced as a whole, keys included. */
export interface X509Source {
  /** The identity to present now; undefined before the first one, after a withdrawal, and after its end. */
  current(now?: Date): X509Identity | undefined;
  /** Calls back after it has changed. @returns a function that ends this */
  onChange(listener: () => void): () => void;
}

/** Where JWT-SVIDs come from: one for each audience, asked for when needed. */
export interface JwtSource {
  /** @throws {PeerageError} ERR_SVID_INVALID if none is to be had */
  fetchJwtSvid(audience: string): Promise<string>;
}

/** Where this process's own WIT-SVID comes from. */
export interface WitSource {
  currentWit(now?: Date): WitIdentity | undefined;
}

/** Keeps one or more trust domains of a store up to date until it is disposed of. */
export interface BundleSource extends AsyncDisposable {
  /** Settles when the first state was read, or could not be read. */
  readonly ready: Promise<void>;
  /** Asks now instead of at the next interval; failures are logged, and the last good bundle stays. */
  refresh(): Promise<void>;
}

/** One line for the operator; never a token, a certificate or a key. */
export type Log = (line: string) => void;
