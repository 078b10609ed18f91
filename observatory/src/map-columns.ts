import type { Did } from "@peerage/core";
import type { Sigil } from "./ui/sigil.ts";

/**
 * A map for scripts: one column for each property, the same number in each for the same agent, so that a network is one
 * small answer. Positions are in a square from −10,000 to 10,000.
 */
export interface MapColumns {
  /** Log size at which the positions were made. */
  readonly size: number;
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly community: readonly number[];
  readonly communities: number;
  /** The members of those that few vouches join to the rest. */
  readonly thin: readonly (readonly number[])[];
  readonly in: readonly number[];
  /** Thousandths; −1 for unknown, −2 where nobody looks. */
  readonly score: readonly number[];
  readonly roots: readonly number[];
  /** Who had not appeared by the time that is shown. */
  readonly absent: readonly number[];
  /** Ascending, each as its difference to the one before it. */
  readonly from: readonly number[];
  readonly to: readonly number[];
  readonly names: readonly NamedStar[];
  /** The agent that the query selects. */
  readonly selected?: number;
}

/** Who an agent of a map or an orbit is. */
export interface NamedStar {
  readonly i: number;
  readonly did: Did;
  readonly name?: string;
  readonly sigil: Sigil;
}

/** An orbit for scripts: the most trusted first. Where each stands is what `orbitPlace` makes of score and angle. */
export interface OrbitColumns {
  /** Log size at which it holds. */
  readonly size: number;
  /** Tells this orbit from any other; names are asked for with it. */
  readonly version: string;
  /** Thousandths, each as the difference to the one before it, which is never less; the first to 1,000. */
  readonly score: readonly number[];
  /** Parts of a turn, see `TURN`. */
  readonly angle: readonly number[];
  /** The number of the one whose vouch leads to it; −1 for the middle. */
  readonly through: readonly number[];
  /** Thousandths: what stands outermost. */
  readonly least: number;
  readonly unreached: number;
  /** The one in the middle; its number is that behind the last. */
  readonly centre: NamedStar;
  readonly names: readonly NamedStar[];
}
