import { randomUUID } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { type Did, isJsonObject, parseDid, parseJson, PeerageError } from "@peerage/core";

/** Which server identity was met at an endpoint. */
export interface Pin {
  /** A canonical URL, or `stdio:` and the command line as JSON: see {@link commandEndpoint}. */
  readonly endpoint: string;
  readonly did: Did;
  /** RFC 3339 time of the first contact. */
  readonly at: string;
}

/** Remembers server identities from first contact on (trust on first use, as SSH does for host keys). */
export interface PinStore {
  get(endpoint: string): Pin | undefined;
  /** The endpoints at which this identity was met. */
  endpointsOf(did: Did): readonly string[];
  /** Remembers a pin; replaces one only because its user accepted the change. */
  put(pin: Pin): void;
}

/** The name under which a stdio server is pinned: its whole command line, so other arguments are another server. */
export function commandEndpoint(command: string, args: readonly string[]): string {
  return `stdio:${JSON.stringify([command, ...args])}`;
}

/** Pins that last as long as the process. */
export class MemoryPinStore implements PinStore {
  readonly #pins = new Map<string, Pin>();

  get(endpoint: string): Pin | undefined {
    return this.#pins.get(endpoint);
  }

  endpointsOf(did: Did): readonly string[] {
    return [...this.#pins.values()].filter((pin) => pin.did === did).map((pin) => pin.endpoint);
  }

  put(pin: Pin): void {
    this.#pins.set(pin.endpoint, pin);
  }
}

/**
 * Pins in one JSON file of mode 0600, replaced atomically. It is read anew for every question, so that several bridges of
 * one user share it.
 */
export class FilePinStore implements PinStore {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws {PeerageError} ERR_CONFIG_INVALID if the file is not a pin file */
  get(endpoint: string): Pin | undefined {
    return this.#read().find((pin) => pin.endpoint === endpoint);
  }

  /** @throws {PeerageError} ERR_CONFIG_INVALID if the file is not a pin file */
  endpointsOf(did: Did): readonly string[] {
    return this.#read()
      .filter((pin) => pin.did === did)
      .map((pin) => pin.endpoint);
  }

  /** @throws {PeerageError} ERR_CONFIG_INVALID if the file that is there is not a pin file */
  put(pin: Pin): void {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    using _lock = lock(`${this.#path}.lock`);
    const pins = [...this.#read().filter((old) => old.endpoint !== pin.endpoint), pin];
    writePrivately(this.#path, `${JSON.stringify({ version: 1, pins }, null, 2)}\n`);
  }

  #read(): readonly Pin[] {
    let text: Buffer;
    try {
      text = readFileSync(this.#path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
    return parsePins(text, this.#path);
  }
}

function parsePins(text: Uint8Array, path: string): readonly Pin[] {
  try {
    const file = parseJson(text);
    const pins = isJsonObject(file) && file["version"] === 1 ? file["pins"] : undefined;
    if (!Array.isArray(pins)) throw new TypeError("not a pin file of version 1");
    return pins.map((pin: unknown) => {
      const { endpoint, did, at } = isJsonObject(pin) ? pin : {};
      if (typeof endpoint !== "string" || typeof at !== "string") throw new TypeError("a pin is malformed");
      return { endpoint, did: parseDid(did), at };
    });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "unreadable";
    throw new PeerageError("ERR_CONFIG_INVALID", `the pin file ${path} cannot be read: ${why}`, { cause });
  }
}

const LOCK_WAIT_MS = 5;
// Longer than a busy disk takes to flush one small file.
const LOCK_STALE_MS = 10_000;

/**
 * Holds a lock file until disposed, for the milliseconds between reading and replacing: a host starts the bridges of all
 * its servers at once, and none of them may undo the pin of another. What a killed process left is taken over.
 */
function lock(path: string): Disposable {
  for (;;) {
    try {
      closeSync(openSync(path, "wx", 0o600));
      return { [Symbol.dispose]: () => rmSync(path, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const taken = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (taken > 0 && Math.abs(Date.now() - taken) > LOCK_STALE_MS) rmSync(path, { force: true });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_WAIT_MS);
  }
}

/** Replaces a file in one step: whoever reads meanwhile sees the old or the new one, whole. */
function writePrivately(path: string, text: string): void {
  const temporary = `${path}.${randomUUID()}`;
  const file = openSync(temporary, "wx", 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
    closeSync(file);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
