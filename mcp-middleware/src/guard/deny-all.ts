import { randomUUID } from "node:crypto";
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { isJsonObject, member, parseJson, parsePolicy, type Policy } from "@peerage/core";

/** That nothing is allowed any more, whatever a policy says. */
export interface DenyAll {
  /** Until when; for good if left out. */
  readonly until?: Date;
  /** The reason, for people. */
  readonly because?: string;
}

/** A policy that denies everything; `because` stands in it as its name. */
export function denyEverything(because: string): Policy {
  const metadata = { name: `deny-all: ${because}`.slice(0, 500) };
  const policy = parsePolicy(JSON.stringify({ apiVersion: "peerage.dev/v1", kind: "Policy", metadata, allow: [] }));
  brakes.add(policy);
  return policy;
}

const brakes = new WeakSet<Policy>();

/** True for a policy of {@link denyEverything}: the operator's brake, which holds in every mode. */
export function isDenyAll(policy: Policy): boolean {
  return brakes.has(policy);
}

/**
 * Writes the marker by which guards deny everything. Once this returns, no guard that watches it admits another message:
 * they look for every one.
 */
export function setDenyAll(path: string, { until, because }: DenyAll = {}): void {
  const marker = { ...(until ? { until: until.toISOString() } : {}), ...(because === undefined ? {} : { because }) };
  const draft = `${path}.${randomUUID()}`;
  writeFileSync(draft, `${JSON.stringify(marker)}\n`, { mode: 0o600, flag: "wx", flush: true });
  renameSync(draft, path);
}

/** Removes the marker. */
export function clearDenyAll(path: string): void {
  rmSync(path, { force: true });
}

/** The marker, if it is there and its time has not passed. One that cannot be read denies like any other. */
export function readDenyAll(path: string, now: Date): DenyAll | undefined {
  return new DenyAllMarker(path).read(now);
}

/** Looks for the marker; cheap enough for every message. */
export class DenyAllMarker {
  readonly #path: string;
  /** What the marker said when it was last read, and how to tell that it is still the same. */
  #known: { readonly stamp: string; readonly marker: DenyAll } | undefined;
  #policy: Policy | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  read(now: Date): DenyAll | undefined {
    const stamp = this.#stamp();
    if (stamp === undefined) {
      this.#known = undefined;
      return undefined;
    }
    if (this.#known?.stamp !== stamp) {
      this.#known = { stamp, marker: this.#parse() };
      this.#policy = undefined;
    }
    const { marker } = this.#known;
    return marker.until !== undefined && marker.until <= now ? undefined : marker;
  }

  /** The policy that denies everything, while the marker says so. */
  policy(now: Date): Policy | undefined {
    const marker = this.read(now);
    return marker && (this.#policy ??= denyEverything(marker.because ?? "by the operator"));
  }

  #stamp(): string | undefined {
    try {
      const found = statSync(this.#path, { throwIfNoEntry: false });
      return found && `${found.ino} ${found.size} ${found.mtimeMs}`;
    } catch {
      // It may be there: that counts.
      return "unknown";
    }
  }

  #parse(): DenyAll {
    try {
      const marker = parseJson(readFileSync(this.#path));
      const until = isJsonObject(marker) ? member(marker, "until") : undefined;
      const because = member(marker, "because");
      const at = typeof until === "string" ? new Date(until) : undefined;
      return {
        ...(at && !Number.isNaN(at.getTime()) ? { until: at } : {}),
        ...(typeof because === "string" ? { because } : {}),
      };
    } catch {
      return { because: "the marker cannot be read" };
    }
  }
}
