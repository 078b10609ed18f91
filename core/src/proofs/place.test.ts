import { describe, expect, it } from "vitest";
import { isPeerageError } from "../errors.ts";
import { isSamePlace, parsePlace } from "./place.ts";

describe("parsePlace", () => {
  it.each([
    ["example.org", "domain", "https://example.org", "https://example.org/.well-known/peerage.json"],
    ["https://Example.ORG/", "domain", "https://example.org", "https://example.org/.well-known/peerage.json"],
    [
      "bücher.example",
      "domain",
      "https://xn--bcher-kva.example",
      "https://xn--bcher-kva.example/.well-known/peerage.json",
    ],
    ["http://127.0.0.1:8080", "domain", "http://127.0.0.1:8080", "http://127.0.0.1:8080/.well-known/peerage.json"],
    [
      "github.com/owner/na.me",
      "repository",
      "https://github.com/owner/na.me",
      "https://raw.githubusercontent.com/owner/na.me/HEAD/peerage-proof.json",
    ],
    [
      "https://gitlab.com/a/b/c.git",
      "repository",
      "https://gitlab.com/a/b/c",
      "https://gitlab.com/a/b/c/-/raw/HEAD/peerage-proof.json",
    ],
    [
      "github.com/o/n.git.git",
      "repository",
      "https://github.com/o/n",
      "https://raw.githubusercontent.com/o/n/HEAD/peerage-proof.json",
    ],
    [
      "codeberg.org/o/n/",
      "repository",
      "https://codeberg.org/o/n",
      "https://codeberg.org/api/v1/repos/o/n/raw/peerage-proof.json",
    ],
  ])("reads %s", (text, kind, url, file) => {
    expect(parsePlace(text)).toEqual({ kind, url, file });
    expect(parsePlace(url)).toEqual({ kind, url, file });
  });

  it.each([
    ...["", " ", "example", "10.0.0.1", "https://10.0.0.1", "https://[::ffff:1.1.1.1]", "https://134744072", "a b.org"],
    ...["http://example.org", "ftp://example.org", "https://u:p@example.org", "example.org?x", "example.org#x"],
    ...[
      "example.org/page",
      "example.org.",
      "https://constructor",
      "https://__proto__",
      "github.com",
      "github.com/owner",
    ],
    ...["github.com/a/b/c", "github.com:8443/a/b", "github.com/../b", "github.com/a/%2e%2e", "github.com/a/b\u202e"],
    // Of a merge request, which anybody may open, and of a branch: what stands there is not the repository's word.
    ...["gitlab.com/a/b/-/raw/refs/merge-requests/1/head", "gitlab.com/a/b/-/raw/main", "gitlab.com/a/b/raw/x"],
    `${"a".repeat(300)}.org`,
  ])("refuses %j", (text) => {
    let code: unknown;
    try {
      parsePlace(text);
    } catch (error) {
      code = isPeerageError(error) && error.code;
    }
    expect(code).toBe("ERR_REQUEST_INVALID");
  });

  it("tells repositories apart without their case, and domains as they are", () => {
    expect(isSamePlace(parsePlace("github.com/A/b"), parsePlace("github.com/a/B"))).toBe(true);
    expect(isSamePlace(parsePlace("github.com/a/b"), parsePlace("gitlab.com/a/b"))).toBe(false);
    expect(isSamePlace(parsePlace("www.example.org"), parsePlace("example.org"))).toBe(false);
  });
});
