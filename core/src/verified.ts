declare const verified: unique symbol;

/**
 * A value whose signatures and rules were checked by this process. Only the `verify…` functions of core make one, so an
 * unchecked value cannot enter a graph, a history or a decision: it does not type-check.
 */
export type Verified<T> = T & { readonly [verified]: true };

/** Values that really went through a verifier; a cast without verification is not in here. */
const seal = new WeakSet<object>();

/** Marks a value as verified. Not exported from the package: only verifiers in core call it. */
export function markVerified<T extends object>(value: T): Verified<T> {
  seal.add(value);
  return value as Verified<T>;
}

/** True if {@link markVerified} was called on this very object, so a type cast is noticed at run time as well. */
export function isVerified(value: object): boolean {
  return seal.has(value);
}
