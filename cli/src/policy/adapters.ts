import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { cedarAdapter, opaAdapter, type PolicyAdapter, type PolicyAdapters } from "@peerage/core";
import { socketFetch } from "@peerage/mcp-middleware";
import type { Context, Options } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { codeOf } from "../files/safe-file.ts";
import { visible } from "../ui/visible.ts";

/** Where an adapter that a policy names under `also` is found. */
type Place =
  | { readonly kind: "cedar"; readonly policies: string; readonly schema: string }
  | { readonly kind: "opa"; readonly url: string; readonly socket?: string };

/** The adapters of `--also name=where`; one is loaded only if a policy names it. */
export class Adapters {
  /** Files that they are read from. */
  readonly files: readonly string[];
  readonly #places: ReadonlyMap<string, Place>;

  constructor(places: ReadonlyMap<string, Place>) {
    this.#places = places;
    this.files = [...places.values()].flatMap((place) =>
      place.kind === "cedar" ? [place.policies, place.schema] : [],
    );
  }

  get isEmpty(): boolean {
    return this.#places.size === 0;
  }

  /** Loads those whose names stand in a text. @throws {CliError} ERR_POLICY_INVALID */
  async load(text: string): Promise<PolicyAdapters> {
    const loaded: Record<string, PolicyAdapter> = {};
    if (!/\balso\b/.test(text)) return loaded;
    for (const [name, place] of this.#places) if (text.includes(name)) loaded[name] = await load(name, place);
    return loaded;
  }
}

/**
 * Reads `--also name=where`: a file of Cedar policies with its schema beside it, an OPA's URL, or
 * `unix:<socket>:/v1/data/<package>`.
 * @throws {CliError} ERR_USAGE
 */
export function adaptersOf(context: Context, options: Options): Adapters {
  const places = new Map<string, Place>();
  for (const text of (options["also"] ?? []) as readonly string[]) {
    const [, name, where] = /^([a-z][a-z0-9-]{0,63})=(.+)$/s.exec(text) ?? [];
    if (name === undefined || where === undefined || places.has(name)) {
      throw usage(
        "--also is name=where, once a name",
        "--also cedar=refunds.cedar --also opa=http://127.0.0.1:8181/v1/data/mcp",
      );
    }
    places.set(name, placeOf(context, where));
  }
  return new Adapters(places);
}

function placeOf(context: Context, where: string): Place {
  const [, socket, path] = /^unix:([^:]+):(\/.*)$/s.exec(where) ?? [];
  if (socket !== undefined && path !== undefined) {
    return { kind: "opa", url: `http://opa${path}`, socket: resolve(context.io.cwd, socket) };
  }
  if (/^https?:/.test(where)) return { kind: "opa", url: where };
  if (!where.endsWith(".cedar"))
    throw usage("an adapter is a .cedar file, an OPA's URL, or unix:<socket>:/v1/data/<package>");
  const policies = resolve(context.io.cwd, where);
  return { kind: "cedar", policies, schema: `${policies}schema` };
}

async function load(name: string, place: Place): Promise<PolicyAdapter> {
  try {
    if (place.kind === "cedar") {
      return await cedarAdapter({
        policies: await readFile(place.policies, "utf8"),
        schema: await readFile(place.schema, "utf8"),
      });
    }
    const { url, socket } = place;
    return opaAdapter({ url, ...(socket === undefined ? {} : { fetch: socketFetch(socket), isLocal: true }) });
  } catch (error) {
    const why = error instanceof Error ? error.message : "";
    const said = codeOf(error) === "ENOENT" ? `no such file: ${(error as NodeJS.ErrnoException).path ?? ""}` : why;
    throw new CliError("ERR_POLICY_INVALID", `the adapter ${name}: ${visible(said, 400)}`);
  }
}
