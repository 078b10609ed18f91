/** Decides one string; undefined means that the string cannot be judged by this pattern. */
export type Matcher = (text: string) => boolean | undefined;

/** A string that a path glob does not judge: other software may read it as a different path. */
const ambiguousPath = /[\\%\u0000-\u001f\u007f-\u009f]|(?:^|\/)\.{1,2}(?:\/|$)/;

/**
 * Compiles a name glob: `*` is any run of characters, nothing else is special; the whole string must match, code point
 * by code point. Linear in the string.
 */
export function nameGlob(pattern: string): (text: string) => boolean {
  const [head = "", ...rest] = pattern.split("*");
  const tail = rest.pop();
  if (tail === undefined) return (text) => text === pattern;
  const middle = rest.filter((part) => part !== "");
  const shortest = head.length + tail.length;
  return (text) => {
    if (text.length < shortest || !text.startsWith(head) || !text.endsWith(tail)) return false;
    let at = head.length;
    const end = text.length - tail.length;
    for (const part of middle) {
      const found = text.indexOf(part, at);
      if (found === -1 || found + part.length > end) return false;
      at = found + part.length;
    }
    return true;
  };
}

/**
 * Compiles a path glob: `*` is any run without "/", `**` any run; the whole string must match. A bare `**` matches every
 * string; otherwise one with a `.` or `..` segment, a backslash, a percent sign or a control character is not judged.
 * Linear in the string.
 */
export function pathGlob(pattern: string): Matcher {
  if (pattern === "**") return () => true;
  const matches = pathMatcher(pattern);
  return (text) => (ambiguousPath.test(text) ? undefined : matches(text));
}

/** True for a pattern that no judged string can match, because a judged string never holds what it asks for. */
export function isImpossiblePath(pattern: string): boolean {
  return pattern !== "**" && ambiguousPath.test(pattern);
}

/** True if one of these globs is nothing but stars that cross every character. */
export function coversEverything(patterns: readonly string[], kind: "name" | "path"): boolean {
  return patterns.some((pattern) => (kind === "name" ? /^\*+$/.test(pattern) : pattern === "**"));
}

/** Any of several matchers; undefined if none matches and one cannot judge. */
export function anyMatcher(matchers: readonly Matcher[]): Matcher {
  const [only] = matchers;
  if (matchers.length === 1 && only) return only;
  return (text) => {
    let result: boolean | undefined = false;
    for (const matcher of matchers) {
      const verdict = matcher(text);
      if (verdict === true) return true;
      if (verdict === undefined) result = undefined;
    }
    return result;
  };
}

const STAR = -1;
const GLOBSTAR = -2;
const SLASH = 0x2f;

function pathMatcher(pattern: string): (text: string) => boolean {
  if (!pattern.includes("*")) return (text) => text === pattern;
  const prefix = pattern.slice(0, -2);
  if (pattern.endsWith("**") && !prefix.includes("*")) return (text) => text.startsWith(prefix);
  return automaton(tokenize(pattern));
}

function tokenize(pattern: string): readonly number[] {
  const tokens: number[] = [];
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] !== "*") tokens.push(pattern.charCodeAt(i));
    else if (pattern[i + 1] === "*") tokens.push((i++, GLOBSTAR));
    else tokens.push(STAR);
  }
  return tokens;
}

/** Runs all readings of the pattern at once, so that no text makes it backtrack. */
function automaton(tokens: readonly number[]): (text: string) => boolean {
  return (text) => {
    let current = new Uint8Array(tokens.length + 1);
    let next = new Uint8Array(tokens.length + 1);
    enter(current, 0);
    for (let i = 0; i < text.length; i++) {
      const char = text.charCodeAt(i);
      let alive = false;
      next.fill(0);
      for (let state = 0; state < tokens.length; state++) {
        if (current[state] === 0) continue;
        const token = tokens[state];
        if (token === GLOBSTAR || (token === STAR && char !== SLASH)) enter(next, state);
        else if (token === char) enter(next, state + 1);
        else continue;
        alive = true;
      }
      if (!alive) return false;
      [current, next] = [next, current];
    }
    return current[tokens.length] === 1;
  };

  function enter(states: Uint8Array, state: number): void {
    states[state] = 1;
    // A star may match nothing at all, so what follows it is entered too.
    while (tokens[state] === STAR || tokens[state] === GLOBSTAR) states[++state] = 1;
  }
}
