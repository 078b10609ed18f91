import { PeerageError } from "../errors.ts";

/** One thing wrong with, or doubtful in, a policy text. */
export interface PolicyProblem {
  /** The file in a policy directory. */
  readonly file?: string;
  /** The line in the text, from 1, where known. */
  readonly line?: number;
  /** Where it stands in the document: `["allow", 0, "trust"]`. */
  readonly path?: readonly (string | number)[];
  /** What is wrong and what to write instead. */
  readonly message: string;
}

const SHOWN = 10;

/** Formats a path as it would be written in code: `allow[0].args["a.b"]`. */
function formatPath(path: readonly (string | number)[]): string {
  let out = "";
  for (const part of path) {
    if (typeof part === "number") out += `[${part}]`;
    else if (/^[A-Za-z][A-Za-z0-9_-]*$/.test(part)) out += out === "" ? part : `.${part}`;
    else out += `[${JSON.stringify(part)}]`;
  }
  return out;
}

/** Formats a problem as one line: `payments.yaml, line 7, allow[0].trust: …`. */
export function formatProblem({ file, line, path, message }: PolicyProblem): string {
  const where = [file ?? "", line === undefined ? "" : `line ${line}`, path?.length ? formatPath(path) : ""];
  const prefix = where.filter((part) => part !== "").join(", ");
  return prefix === "" ? message : `${prefix}: ${message}`;
}

/** The error that refuses a policy; it names at most the first ten problems. */
export function policyInvalid(problems: readonly PolicyProblem[], cause?: unknown): PeerageError {
  const shown = problems.slice(0, SHOWN).map(formatProblem);
  if (problems.length > SHOWN) shown.push(`and ${problems.length - SHOWN} more`);
  return new PeerageError("ERR_POLICY_INVALID", shown.join("\n"), cause === undefined ? {} : { cause });
}

/** The same error, each of its problems with the name of the file. */
export function inFile(error: unknown, file: string): unknown {
  if (!(error instanceof PeerageError) || error.code !== "ERR_POLICY_INVALID") return error;
  const message = error.message
    .split("\n")
    .map((line) => `${file}, ${line}`)
    .join("\n");
  return new PeerageError("ERR_POLICY_INVALID", message, { cause: error });
}
