/**
 * What must be closed together, the newest first: `AsyncDisposableStack` of ECMAScript as far as it is used here, which
 * Node has from version 24 on.
 */
export class Owned implements AsyncDisposable {
  #closers: (() => unknown)[] = [];

  /** Takes a thing over, to be closed with the others. */
  use<T extends AsyncDisposable | Disposable | undefined>(thing: T): T {
    if (thing !== undefined) {
      this.defer(() => (Symbol.asyncDispose in thing ? thing[Symbol.asyncDispose]() : thing[Symbol.dispose]()));
    }
    return thing;
  }

  /** Has something done at the end. */
  defer(close: () => unknown): void {
    this.#closers.push(close);
  }

  /** Hands everything to a new owner; this one has nothing left to close. */
  move(): Owned {
    const heir = new Owned();
    heir.#closers = this.#closers;
    this.#closers = [];
    return heir;
  }

  /** Closes everything; if several fail, the first failure is told, and none keeps the others from being closed. */
  async disposeAsync(): Promise<void> {
    const failures: unknown[] = [];
    for (let close = this.#closers.pop(); close; close = this.#closers.pop()) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.disposeAsync();
  }
}
