import { isJsonObject, type JsonValue } from "../json/types.ts";
import { findArgument, parseArgumentPath, type ArgumentPath, type Found } from "./argument-path.ts";
import { anyMatcher, pathGlob, type Matcher } from "./glob.ts";
import type { ArgumentTest, ArgumentTests, Operators, Scalar } from "./document.ts";

/**
 * A condition's answer. Undefined: it cannot be evaluated (a missing argument, another type), which is "not met" in an
 * allow rule and "met" in a deny rule.
 */
export type Verdict = boolean | undefined;

/** The tests of one rule's `args`, compiled. */
export interface CompiledArgs {
  readonly tests: readonly CompiledTest[];
  /** True if every member of the arguments is named by some test (`closed`). */
  readonly allNamed: (args: JsonValue | undefined) => boolean;
}

export interface CompiledTest {
  /** The path as it stands in the policy. */
  readonly path: string;
  readonly test: (args: JsonValue | undefined) => Verdict;
  /** What stands there, for people: at most 100 characters. */
  readonly found: (args: JsonValue | undefined) => string;
}

type ValueTest = (value: JsonValue) => Verdict;

/** Compiles `args`. The document has passed the schema and the load checks. */
export function compileArgs(args: ArgumentTests): CompiledArgs {
  const paths: ArgumentPath[] = [];
  const tests = Object.entries(args).map(([path, test]) => {
    const parsed = parseArgumentPath(path);
    if (!parsed) throw new TypeError(`not an argument path: ${path}`);
    paths.push(parsed);
    const verdict = compileTest(test);
    return {
      path,
      test: (all: JsonValue | undefined) => judge(findArgument(all, parsed.segments), parsed.each, verdict),
      found: (all: JsonValue | undefined) => foundText(findArgument(all, parsed.segments)),
    };
  });
  const names = nameTree(paths);
  return { tests, allNamed: (all) => isJsonObject(all) && covers(names, all) };
}

/** Both hold; one that is false decides even if the other cannot be evaluated. */
export function both(a: Verdict, b: Verdict): Verdict {
  if (a === false || b === false) return false;
  return a === undefined || b === undefined ? undefined : true;
}

function foundText(found: Found): string {
  if (found.kind !== "value") return found.kind === "absent" ? "nothing" : "no place for it";
  const text = JSON.stringify(found.value);
  return text.length > 100 ? `${text.slice(0, 99)}…` : text;
}

interface CompiledOperators {
  readonly absent: boolean;
  readonly value: ValueTest;
}

function judge(found: Found, each: boolean, { absent, value: test }: CompiledOperators): Verdict {
  if (found.kind === "unknown") return undefined;
  if (found.kind === "absent") return absent ? true : undefined;
  // Software often reads null as "not given", so whether it is absent cannot be said.
  if (absent) return found.value === null ? undefined : false;
  if (!each) return test(found.value);
  if (!Array.isArray(found.value) || found.value.length === 0) return undefined;
  let verdict: Verdict = true;
  for (const element of found.value as readonly JsonValue[]) verdict = both(verdict, test(element));
  return verdict;
}

function compileTest(test: ArgumentTest): CompiledOperators {
  if (Array.isArray(test)) return { absent: false, value: oneOf(test as readonly Scalar[]) };
  if (typeof test !== "object") return { absent: false, value: equals(test) };
  const operators = test as Operators;
  if (operators.absent) return { absent: true, value: () => undefined };
  const all: ValueTest[] = [];
  if (operators["=="] !== undefined) all.push(equals(operators["=="]));
  if (operators["!="] !== undefined) all.push(not(equals(operators["!="])));
  if (operators.in !== undefined) all.push(oneOf(operators.in));
  if (operators.notIn !== undefined) all.push(not(oneOf(operators.notIn)));
  if (operators["<"] !== undefined) all.push(compares(operators["<"], (a, b) => a < b));
  if (operators["<="] !== undefined) all.push(compares(operators["<="], (a, b) => a <= b));
  if (operators[">"] !== undefined) all.push(compares(operators[">"], (a, b) => a > b));
  if (operators[">="] !== undefined) all.push(compares(operators[">="], (a, b) => a >= b));
  if (operators.like !== undefined) all.push(like(operators.like));
  if (operators.notLike !== undefined) all.push(not(like(operators.notLike)));
  if (operators.maxLength !== undefined) all.push(atMost(operators.maxLength));
  return { absent: false, value: allOf(all) };
}

function allOf(tests: readonly ValueTest[]): ValueTest {
  return (value) => {
    let verdict: Verdict = true;
    for (const test of tests) verdict = both(verdict, test(value));
    return verdict;
  };
}

/** True if equal, false for another value of the same type, else undefined: nothing is converted. */
function equals(wanted: Scalar): ValueTest {
  const type = typeof wanted;
  return (value) => (typeof value === type ? value === wanted : undefined);
}

function oneOf(wanted: readonly Scalar[]): ValueTest {
  const values = new Set<JsonValue>(wanted);
  const types = new Set(wanted.map((value) => typeof value as string));
  return (value) => (types.has(typeof value) ? values.has(value) : undefined);
}

function not(test: ValueTest): ValueTest {
  return (value) => {
    const verdict = test(value);
    return verdict === undefined ? undefined : !verdict;
  };
}

function compares(bound: number, holds: (value: number, bound: number) => boolean): ValueTest {
  return (value) => (typeof value === "number" ? holds(value, bound) : undefined);
}

function like(patterns: string | readonly string[]): ValueTest {
  const matches: Matcher = anyMatcher([patterns].flat().map(pathGlob));
  return (value) => (typeof value === "string" ? matches(value) : undefined);
}

function atMost(codePoints: number): ValueTest {
  return (value) => {
    if (typeof value !== "string") return undefined;
    if (value.length <= codePoints) return true;
    if (value.length > 2 * codePoints) return false;
    let length = 0;
    for (const _ of value) length++;
    return length <= codePoints;
  };
}

/** The named members, level by level; null: everything below is covered. */
type NameTree = Map<string, NameTree | null>;

function nameTree(paths: readonly ArgumentPath[]): NameTree {
  const root: NameTree = new Map();
  for (const { segments } of paths) {
    let level: NameTree | null = root;
    for (const [index, segment] of segments.entries()) {
      if (level === null) break;
      const below = level.get(segment);
      if (index === segments.length - 1) level.set(segment, null);
      else if (below === undefined) level.set(segment, (level = new Map()));
      else level = below;
    }
  }
  return root;
}

function covers(names: NameTree, value: JsonValue): boolean {
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).every(([name, member]) => {
    const below = names.get(name);
    return below === null || (below !== undefined && covers(below, member));
  });
}
