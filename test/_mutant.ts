/** A guarded line, broken: some test must notice. Applied one by one by `npm run mutants`. */
export interface Mutant {
  /** What the break would let through. */
  readonly lets: string;
  readonly file: string;
  /** Stands there exactly once. */
  readonly from: string;
  readonly to: string;
  /** Tests of which at least one must fail: files, or folders of unit tests. */
  readonly tests: readonly string[];
}

/** Tests that notice much: of the guard, of HTTP signatures, of approvals. */
export const guard: readonly string[] = ["mcp-middleware/src/guard"];
export const http: readonly string[] = ["test/http-signature.test.ts", "test/http-signature-guard.test.ts"];
export const approvals: readonly string[] = [
  "mcp-middleware/src/approval",
  "mcp-middleware/src/guard",
  "core/src/history",
  "core/src/policy",
];

/** Breaks of one file that the same tests must notice. */
export function of(
  file: string,
  tests: readonly string[],
  breaks: readonly (readonly [lets: string, from: string, to: string])[],
): Mutant[] {
  return breaks.map(([lets, from, to]) => ({ lets, file, from, to, tests }));
}
