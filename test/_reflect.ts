/**
 * The three functions of the metadata proposal that @peculiar/x509 wants to find on `Reflect` when it is loaded. Import
 * this before it.
 */
const metadata = new WeakMap<object, Map<unknown, unknown>>();

Object.assign(Reflect, {
  defineMetadata(key: unknown, value: unknown, target: object): void {
    const known = metadata.get(target) ?? new Map<unknown, unknown>();
    metadata.set(target, known.set(key, value));
  },
  getMetadata(key: unknown, target: object): unknown {
    return getOwn(key, target);
  },
  getOwnMetadata(key: unknown, target: object): unknown {
    return metadata.get(target)?.get(key);
  },
});

function getOwn(key: unknown, target: object | null): unknown {
  for (let at = target; at; at = Object.getPrototypeOf(at) as object | null) {
    const known = metadata.get(at);
    if (known?.has(key)) return known.get(key);
  }
  return undefined;
}

export {};
