import { afterAll, describe, expect, it } from "vitest";
import { equalBytes, isPeerageError, utf8 } from "@peerage/core";
import { mutate, type Shape } from "./_fuzz-mutations.ts";
import { Random } from "./_fuzz-random.ts";

/** One reader of untrusted input. */
export interface Target {
  /** What it reads; it stands in the title of its test. */
  readonly name: string;
  /** Genuine inputs, each of which must be read. */
  readonly samples: readonly (Uint8Array | string)[];
  /**
   * Reads one input, and throws a {@link Disagreement} where another implementation has another verdict. Where the format
   * has one form, `rewrite` reads and writes it: what comes out must be the input again.
   */
  readonly read?: (bytes: Uint8Array) => unknown;
  readonly rewrite?: (bytes: Uint8Array) => Uint8Array | string | Promise<Uint8Array | string>;
  /** Inputs that were once read wrongly, and must never be again; they are refused, or read. */
  readonly found?: readonly (Uint8Array | string)[];
  /** How samples are changed; `bytes` is always one of the ways. */
  readonly shapes?: readonly Shape[];
  /** Makes an input of its own, e.g. changed claims that are signed again; asked for every other input. */
  readonly forge?: (random: Random) => Uint8Array | string | Promise<Uint8Array | string>;
  /** Errors that this reader documents beside PeerageError. */
  readonly documented?: (error: unknown) => boolean;
  /** Its part of the time beside the others of its group; 1 by default. */
  readonly weight?: number;
  /** Milliseconds of processor time that one input may take; 50 unless the reader is a whole process. */
  readonly mostMs?: number;
}

/** Two implementations gave different verdicts on one input. */
export class Disagreement extends Error {
  override readonly name = "Disagreement";
}

/**
 * True of JSON with an escape in the name of a member. V8 takes such a name for the one that stood in its place in an object
 * before: after `{"a":1,"\\":1}`, `{"a":1,"\u0000":1}` has the name `\` (seen in Node 24.21), so JSON.parse is not asked.
 */
export function hasEscapedName(json: string): boolean {
  return /\\.(?:[^"\\]|\\.)*"\s*:/s.test(json);
}

/** One input may take so long, in milliseconds of processor time. */
const MOST_MS = 50;
const seed = Number(process.env["FUZZ_SEED"] ?? Date.now() % 2 ** 31);
const only = process.env["FUZZ_TARGET"];
const given = process.env["FUZZ_INPUT"];
const utf8Error = /utf|encoded data was not valid|URI malformed/i;

/**
 * A test for each target. All together take so many seconds, shared out by weight; FUZZ_SECONDS sets another number for
 * the file, FUZZ_SEED repeats a run, FUZZ_TARGET and FUZZ_INPUT (base64) repeat one input.
 * @param file the file of the tests, for the command that repeats a finding
 */
export function fuzz(file: string, targets: readonly Target[], seconds: number): void {
  const all = Number(process.env["FUZZ_SECONDS"] ?? seconds) * 1_000;
  const weights = targets.reduce((sum, { weight = 1 }) => sum + weight, 0);
  console.info(`fuzz: FUZZ_SEED=${seed} FUZZ_SECONDS=${all / 1_000} repeats this run of ${file}`);
  const isBrief = all < 60_000;
  const counts: { name: string; inputs: number; read: number }[] = [];
  describe("read, or refused with a code, quickly and without a crash", () => {
    for (const target of targets) {
      if (only !== undefined && only !== target.name) continue;
      it(target.name, async () => {
        const ms = only === undefined ? (all * (target.weight ?? 1)) / weights : all;
        counts.push({ name: target.name, ...(await run(file, target, ms)) });
      });
    }
    afterAll(() => {
      const inputs = counts.reduce((sum, one) => sum + one.inputs, 0);
      const lines = counts.map(({ name, inputs: n, read }) => `  ${name}: ${n} inputs, ${read} of them read`);
      console.info(`fuzz: ${inputs} inputs in ${file}${isBrief ? "" : `\n${lines.join("\n")}`}`);
    });
  });
}

async function run(file: string, target: Target, ms: number): Promise<{ inputs: number; read: number }> {
  const own = target.samples.map(bytesOf);
  const shapes: readonly Shape[] = ["bytes", ...(target.shapes ?? []), ...(target.shapes ?? [])];
  const random = new Random(seed, target.name);
  if (given !== undefined) {
    const input = Buffer.from(given, "base64");
    const verdict = await verdictOf(target, input);
    if (verdict !== "read" && verdict !== "refused") await complain(file, target, input, verdict);
    console.info(`fuzz: ${target.name}: ${verdict}`);
    return { inputs: 1, read: Number(verdict === "read") };
  }
  let read = 0;
  for (const sample of own) {
    const verdict = await verdictOf(target, sample);
    if (verdict === "refused") {
      let reason: unknown;
      try {
        await (target.rewrite ?? target.read)?.(sample);
      } catch (error) {
        reason = error;
      }
      expect.fail(`${target.name}: a genuine sample was refused: ${String(reason)}`);
    }
    if (verdict !== "read") await complain(file, target, sample, verdict);
  }
  const found = (target.found ?? []).map(bytesOf);
  for (const input of found) {
    const verdict = await verdictOf(target, input);
    if (verdict !== "read" && verdict !== "refused") await complain(file, target, input, verdict);
  }
  let inputs = own.length + found.length;
  for (const end = performance.now() + ms; performance.now() < end; inputs++) {
    const bytes =
      target.forge && random.oneIn(2)
        ? bytesOf(await target.forge(random))
        : random.oneIn(50) || own.length === 0
          ? random.bytes(random.below(200))
          : mutate(random.pick(own), shapes, random, own);
    const verdict = await verdictOf(target, bytes);
    if (verdict === "read") read++;
    else if (verdict !== "refused") await complain(file, target, bytes, verdict);
  }
  return { inputs, read };
}

const bytesOf = (input: Uint8Array | string): Uint8Array => (typeof input === "string" ? utf8(input) : input);

/** `read`, `refused`, or what is wrong. */
async function verdictOf(target: Target, bytes: Uint8Array): Promise<string> {
  const { mostMs = MOST_MS } = target;
  const start = performance.now();
  const verdict = await once(target, bytes);
  if (performance.now() - start <= mostMs) return verdict;
  // Slow by the clock: perhaps it waited for the processor, or a collection fell into it. What counts is its own time.
  let least = Infinity;
  for (let i = 0; i < 3 && least > mostMs; i++) {
    const before = process.threadCpuUsage();
    await once(target, bytes);
    const { user, system } = process.threadCpuUsage(before);
    least = Math.min(least, (user + system) / 1_000);
  }
  return least > mostMs ? `slow: more than ${mostMs} ms of processor time, three times` : verdict;
}

async function once(target: Target, bytes: Uint8Array): Promise<string> {
  try {
    const reading = target.read?.(bytes);
    if (reading instanceof Promise) await reading;
    const writing = target.rewrite?.(bytes);
    if (writing === undefined) return "read";
    const written = writing instanceof Promise ? await writing : writing;
    return equalBytes(bytesOf(written), bytes) ? "read" : "written otherwise than read";
  } catch (error) {
    if (isPeerageError(error)) return "refused";
    // Text that is no UTF-8 is refused before a reader sees it, by the error of the platform.
    if (error instanceof TypeError && utf8Error.test(error.message)) return "refused";
    if (target.documented?.(error) === true) return "refused";
    return error instanceof Error ? `${error.name}: ${error.message}` : `thrown: ${String(error)}`;
  }
}

/**
 * Fails with the smallest input that is wrong in the same way, and the command that repeats it. One that is not wrong
 * the second time is reported as it came.
 */
async function complain(file: string, target: Target, bytes: Uint8Array, wrong: string): Promise<void> {
  const again = await verdictOf(target, bytes);
  const small = again === wrong ? await minimised(target, bytes, kindOf(wrong)) : bytes;
  const config = file.includes("slow/") ? " --config vitest.slow.config.ts" : "";
  const input = Buffer.from(small).toString("base64");
  const repeat = `FUZZ_TARGET='${target.name}' FUZZ_INPUT='${input}' npx vitest run${config} ${file}`;
  const found = again === wrong ? await verdictOf(target, small) : `${wrong}; asked again: ${again}`;
  expect.fail(`${target.name}: ${found} (FUZZ_SEED=${seed}); repeat it by\n${repeat}`);
}

/** Two findings are one if they begin alike: the words after may name what was in the input. */
function kindOf(verdict: string): string {
  return verdict.slice(0, verdict.indexOf(":") + 1 || verdict.length);
}

/** Takes away ever smaller pieces as long as the input stays wrong in the same way. */
async function minimised(target: Target, bytes: Uint8Array, kind: string): Promise<Uint8Array> {
  let small = bytes;
  const end = performance.now() + 5_000;
  for (let size = small.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < small.length && performance.now() < end;) {
      const less = Uint8Array.from([...small.subarray(0, at), ...small.subarray(at + size)]);
      if (kindOf(await verdictOf(target, less)) === kind) small = less;
      else at += size;
    }
  }
  return small;
}
