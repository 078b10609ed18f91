import { randomUUID } from "node:crypto";
import { formatVerifierKey } from "@peerage/core";
import { type OpenWitness, openWitness, type WitnessParty } from "../registry/src/index.ts";
import { temporaryFolder } from "./_registry.ts";

/** A witness in this process, reached by a `fetch` that goes nowhere else. */
export interface TestWitness extends Disposable {
  readonly open: OpenWitness;
  readonly party: WitnessParty;
  /** While set, it does not answer. */
  down: boolean;
}

export interface TestWitnesses extends Disposable {
  readonly all: readonly TestWitness[];
  readonly parties: readonly WitnessParty[];
  /** Answers for all of them; everything else goes out as usual. */
  readonly fetch: typeof fetch;
}

/** Witnesses that watch the given logs (vkeys). */
export async function startWitnesses(count: number, logs: readonly string[]): Promise<TestWitnesses> {
  const all = await Promise.all(
    Array.from({ length: count }, async (_, i): Promise<TestWitness> => {
      const folder = temporaryFolder();
      const open = await openWitness({ dataDir: folder.path, name: `witness.test/${i}-${randomUUID()}`, logs });
      return {
        open,
        party: { key: open.key, url: `http://witness-${i}.test/witness` },
        down: false,
        [Symbol.dispose]() {
          open[Symbol.dispose]();
          folder[Symbol.dispose]();
        },
      };
    }),
  );
  const send: typeof fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const n = /^witness-(\d+)\.test$/.exec(url.hostname)?.[1];
    if (n === undefined) return fetch(input, init);
    const witness = all[Number(n)]!;
    if (witness.down) throw new TypeError("connection refused");
    return witness.open.app.request(url.pathname, init);
  };
  return {
    all,
    parties: all.map(({ party }) => party),
    fetch: send,
    [Symbol.dispose]() {
      for (const witness of all) witness[Symbol.dispose]();
    },
  };
}

/** The vkey under which witnesses know a log. */
export const vkeyOf = formatVerifierKey;
