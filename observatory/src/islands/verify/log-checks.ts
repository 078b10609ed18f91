import {
  fromHex,
  isPeerageError,
  LogForkedError,
  openSignedNote,
  parseCheckpoint,
  parseSignedNote,
  parseVerifierKey,
  type ReadTile,
  type SignedCheckpoint,
  toHex,
  type VerifierKey,
  verifyCheckpoint,
  verifyConsistency,
  verifyExtension,
} from "@peerage/core";
import type { ProofBundle } from "../../proof-bundle.ts";
import type { Check, Report } from "./report.ts";

/** The head that this browser saw last, and the key under which it first saw the log. */
export interface Seen {
  readonly note: string;
  readonly logKey: string;
}

/** A head whose signature holds, or why none does. */
export interface CheckedLog extends Pick<Report, "log" | "evidence" | "remember"> {
  /** Present if the log's signature over it holds. */
  readonly head?: SignedCheckpoint;
  /** Witnessed times of the bundle's older heads, Unix seconds; undefined where a head does not hold. */
  readonly times: readonly (number | undefined)[];
}

/**
 * Checks the log as a whole: its signature, its clock, its witnesses, and that it grew out of what this browser has seen.
 * @param seen undefined at the first visit
 */
export async function checkLog(bundle: ProofBundle, seen: Seen | undefined, readTile: ReadTile): Promise<CheckedLog> {
  const logKey = attempt(() => parseVerifierKey(bundle.logKey));
  const witnessKey = attempt(() => (bundle.witnessKey === undefined ? undefined : parseVerifierKey(bundle.witnessKey)));
  const { origin } = bundle;
  const head = logKey && (await attemptAsync(() => verifyCheckpoint(bundle.checkpoint, { origin, logKey })));
  const known = seen === undefined || seen.logKey === bundle.logKey;
  const checkpoint: Check = {
    name: "checkpoint",
    verdict: head && known ? "holds" : "fails",
    text: !head
      ? "the log’s signature does not hold"
      : known
        ? `${head.size} entries, signed by the log’s key`
        : "signed by another key than the one this browser saw first",
  };
  const history = head ? await checkGrowth(bundle, head, logKey, seen, readTile) : { check: notCompared };
  const times = await Promise.all(bundle.heads.map((older) => timeOf(older, bundle, logKey, witnessKey)));
  return {
    log: [checkpoint, history.check, await checkClock(bundle, witnessKey), await checkWitnesses(bundle)],
    times,
    ...(head ? { head } : {}),
    ...(history.evidence ? { evidence: history.evidence } : {}),
    ...(head && known && history.check.verdict !== "fails"
      ? { remember: { note: bundle.checkpoint, logKey: bundle.logKey } }
      : {}),
  };
}

const notCompared: Check = { name: "history", verdict: "open", text: "not compared with what this browser has seen" };

async function checkGrowth(
  bundle: ProofBundle,
  head: SignedCheckpoint,
  logKey: VerifierKey,
  seen: Seen | undefined,
  readTile: ReadTile,
): Promise<{ check: Check; evidence?: object }> {
  const name = "history";
  if (!seen)
    return { check: { name, verdict: "open", text: "first look: from now on this browser remembers this head" } };
  const { origin } = bundle;
  const older = await attemptAsync(async () =>
    verifyCheckpoint(seen.note, { origin, logKey: parseVerifierKey(seen.logKey) }),
  );
  if (!older) return { check: { name, verdict: "fails", text: "not the log that this browser saw before" } };
  const says = (verdict: Check["verdict"], text: string): { check: Check } => ({ check: { name, verdict, text } });
  if (older.size > head.size) {
    return says("fails", `shorter than before: this browser has seen ${older.size} entries`);
  }
  try {
    const proof = older.size === head.size ? [] : (bundle.since?.proof ?? []).map(fromHex);
    if (older.size !== head.size && bundle.since?.size !== older.size) throw new Error("no proof was sent");
    await verifyExtension(older, head, { logKey, proof, readTile });
    return says(
      "holds",
      older.size === head.size ? "the head this browser saw last" : `grew out of the ${older.size} entries seen last`,
    );
  } catch (error) {
    if (error instanceof LogForkedError)
      return { ...says("fails", "this log has forked: it signed two histories"), evidence: error.evidence };
    return says("fails", `not shown to have grown out of the ${older.size} entries seen last`);
  }
}

/** The operator's own witness stamps the time; its line is looked at by itself, whatever the log's own line is worth. */
async function checkClock(bundle: ProofBundle, witnessKey: VerifierKey | undefined): Promise<Check> {
  const name = "time stamp";
  if (!witnessKey) return { name, verdict: "open", text: "no key to check it by" };
  const opened = await attemptAsync(() => openSignedNote(bundle.checkpoint, [witnessKey]));
  const time = opened?.signed[0]?.time;
  if (time === undefined) return { name, verdict: "fails", text: "the operator’s cosignature does not hold" };
  return { name, verdict: "holds", text: `${timeText(time)}, by the operator’s own clock` };
}

/**
 * Witnesses elsewhere sign that they saw no other history. Each line is looked at by itself: one that does not hold is a
 * cross, however many others there are.
 */
async function checkWitnesses({ witnesses, checkpoint }: ProofBundle): Promise<Check> {
  const name = "witnesses";
  if (!witnesses) return { name, verdict: "open", text: "none configured" };
  const lines = attempt(() => parseSignedNote(checkpoint).signatures) ?? [];
  const times: number[] = [];
  let bad = 0;
  for (const text of witnesses.keys) {
    const key = attempt(() => parseVerifierKey(text));
    if (!key || !lines.some((line) => line.name === key.name && line.keyId === key.keyId)) continue;
    const time = (await attemptAsync(() => openSignedNote(checkpoint, [key])))?.signed[0]?.time;
    if (time === undefined) bad++;
    else times.push(time);
  }
  const { threshold = 1, keys } = witnesses;
  const found = `${times.length} of ${keys.length} cosigned`;
  if (bad > 0)
    return { name, verdict: "fails", text: `${found}; ${bad} ${bad === 1 ? "line does" : "lines do"} not hold` };
  if (times.length < threshold) return { name, verdict: "fails", text: `${found}, ${threshold} must have` };
  return { name, verdict: "holds", text: `${found}, the first at ${timeText(Math.min(...times))}` };
}

/** The time of an older head, if it is signed and the newest head grew out of it. */
async function timeOf(
  older: ProofBundle["heads"][number],
  bundle: ProofBundle,
  logKey: VerifierKey | undefined,
  operatorWitness: VerifierKey | undefined,
): Promise<number | undefined> {
  if (!logKey || !operatorWitness) return undefined;
  return attemptAsync(async () => {
    const { size, root, time } = await verifyCheckpoint(older.note, { origin: bundle.origin, logKey, operatorWitness });
    if (size !== older.size) return undefined;
    const proof = size === bundle.size ? [] : older.proof.map(fromHex);
    verifyConsistency({ size1: size, root1: root, size2: bundle.size, root2: fromHex(bundle.root), proof });
    return time;
  });
}

/** The root that a note states, whoever signed it. */
export function rootOfNote(note: string): string | undefined {
  return attempt(() => toHex(parseCheckpoint(note.slice(0, note.lastIndexOf("\n\n") + 1)).root));
}

/** `2026-11-20 14:23:10 UTC`. */
export function timeText(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** What a function returns; undefined if it refuses, or if what it was given is not even well formed. */
export function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (isPeerageError(error) || error instanceof TypeError || error instanceof RangeError) return undefined;
    throw error;
  }
}

export async function attemptAsync<T>(make: () => Promise<T>): Promise<T | undefined> {
  try {
    return await make();
  } catch (error) {
    if (isPeerageError(error) || error instanceof TypeError || error instanceof RangeError) return undefined;
    throw error;
  }
}
