type Handler = (...args: never[]) => void;

/**
 * Wraps a callback property of a transport (`onmessage`, `onclose`) for good: whatever is set there, before or after, is
 * called through `wrap`. SDK clients set handlers more than once, so wrapping the one that is there would not do.
 */
export function interceptHandler<H extends Handler>(target: object, name: string, wrap: (handler: H) => H): void {
  const inherited = inheritedAccessor(target, name);
  const present = (target as Record<string, H | undefined>)[name];
  let wrapped: H | undefined;
  const set = (handler: H | undefined): void => {
    wrapped = handler && wrap(handler);
    inherited?.set?.call(target, wrapped);
  };
  Object.defineProperty(target, name, { configurable: true, enumerable: true, get: () => wrapped, set });
  set(present);
}

/** A transport that delegates to another one has accessors in its class. */
function inheritedAccessor(target: object, name: string): PropertyDescriptor | undefined {
  for (
    let at: unknown = Object.getPrototypeOf(target);
    typeof at === "object" && at !== null;
    at = Object.getPrototypeOf(at)
  ) {
    const found = Object.getOwnPropertyDescriptor(at, name);
    if (found) return found.set ? found : undefined;
  }
  return undefined;
}
