import type { Options } from "../context.ts";

/** Any of these turns SPIFFE on; `SPIFFE_ENDPOINT_SOCKET` alone does not. */
const switches = [
  ...["spiffeBundle", "spiffeConfig", "spiffeSocket", "spiffeSvid", "spiffeKey", "spiffeRequire", "spiffeMtls"],
  ...["upstreamSpiffe", "upstreamJwtSvid", "upstreamWpt", "spiffe", "spiffeServer"],
];

/** True if a command line asks for anything of SPIFFE. */
export function asksForSpiffe(options: Options): boolean {
  return switches.some((name) => options[name] !== undefined);
}
