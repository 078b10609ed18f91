import { PeerageError } from "../errors.ts";

/** A place on the web that somebody controls: a domain, or a repository on a forge that serves single files. */
export interface Place {
  readonly kind: "domain" | "repository";
  /** Its one written form: an https URL without a final slash; http on loopback only. */
  readonly url: string;
  /** Where its proofs are published. */
  readonly file: string;
}

/** The path of a domain's proofs. */
export const DOMAIN_PROOF_PATH = "/.well-known/peerage.json";
/** The name of a repository's proofs, at its top. */
export const REPOSITORY_PROOF_FILE = "peerage-proof.json";

const MAX_PLACE_LENGTH = 300;

/**
 * Forges whose repositories can prove something, with the address of a file at the top of the default branch. Each serves
 * it to anyone without a login, and none tells names apart by case.
 */
const forges: ReadonlyMap<string, (path: string) => string> = new Map([
  ["github.com", (path: string) => `https://raw.githubusercontent.com/${path}/HEAD/${REPOSITORY_PROOF_FILE}`],
  ["gitlab.com", (path: string) => `https://gitlab.com/${path}/-/raw/HEAD/${REPOSITORY_PROOF_FILE}`],
  ["codeberg.org", (path: string) => `https://codeberg.org/api/v1/repos/${path}/raw/${REPOSITORY_PROOF_FILE}`],
]);

/**
 * What no group or project of GitLab is called: behind it stands a branch, a job or a merge request, which others may
 * write, and not a repository.
 * @see https://docs.gitlab.com/user/reserved_names/
 */
const gitlabRoute =
  /^(-|badges|blame|blob|builds|commits|create|create_dir|edit|files|find_file|new|preview|raw|refs|tree|update|wikis)$/i;

/** The hosts of repositories that can be named. */
export const forgeHosts: readonly string[] = [...forges.keys()];

/**
 * Reads a place as people write it: `example.org`, `https://example.org/`, `github.com/owner/name`,
 * `https://github.com/owner/name.git`. Names of other scripts become their ASCII form.
 * @throws {PeerageError} ERR_REQUEST_INVALID with what is wrong
 */
export function parsePlace(text: string): Place {
  if (text.length === 0 || text.length > MAX_PLACE_LENGTH || /[\s\p{C}\\]/u.test(text))
    throw notAPlace("form", "a place has no spaces or control characters, and at most 300 characters");
  const written = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
  if (!URL.canParse(written)) throw notAPlace("form", "it is no address");
  const url = new URL(written);
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "")
    throw notAPlace("form", "a place has no user, query or fragment");
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url.hostname)))
    throw notAPlace("scheme", "a place is reached by https, and by http on loopback only");
  const forge = forges.get(url.hostname);
  return forge ? repository(url, forge) : domain(url);
}

/** As {@link parsePlace}; undefined for what is none, such as a page of a site. */
export function placeOf(text: string): Place | undefined {
  try {
    return parsePlace(text);
  } catch {
    return undefined;
  }
}

/** True if two written forms name one place. Forges do not tell names apart by case. */
export function isSamePlace(one: Place, other: Place): boolean {
  if (one.kind !== other.kind) return false;
  return one.kind === "domain" ? one.url === other.url : one.url.toLowerCase() === other.url.toLowerCase();
}

function domain(url: URL): Place {
  if (url.pathname !== "/" && url.pathname !== DOMAIN_PROOF_PATH)
    throw notAPlace("path", `it is a page; a place is a whole domain, or a repository on ${forgeHosts.join(", ")}`);
  // One name, one form: with the final dot it would be another origin of the same domain.
  if (url.hostname.endsWith(".")) throw notAPlace("host", "a domain is written without a final dot");
  if (!isLoopback(url.hostname) && !/^(?!\d+(\.\d+)*$)[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(url.hostname))
    throw notAPlace("host", "a domain is a name with a dot, not an address");
  return { kind: "domain", url: url.origin, file: `${url.origin}${DOMAIN_PROOF_PATH}` };
}

function repository(url: URL, fileAt: (path: string) => string): Place {
  if (url.port !== "") throw notAPlace("host", "a forge is at its usual port");
  const path = url.pathname.replace(/^\/+|\/+$/g, "").replace(/(\.git)+$/, "");
  const parts = path.split("/");
  const isGitlab = url.hostname === "gitlab.com";
  const isName = (part: string): boolean =>
    /^(?!\.+$)[A-Za-z0-9._-]{1,100}$/.test(part) && !(isGitlab && gitlabRoute.test(part));
  if (parts.length < 2 || parts.length > (isGitlab ? 8 : 2) || !parts.every(isName))
    throw notAPlace("path", `a repository is written ${url.hostname}/owner/name`);
  return { kind: "repository", url: `https://${url.hostname}/${path}`, file: fileAt(path) };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}

function notAPlace(detail: string, message: string): PeerageError {
  return new PeerageError("ERR_REQUEST_INVALID", message, { detail });
}
