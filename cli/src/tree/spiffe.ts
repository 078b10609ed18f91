import { passphraseFile } from "./flags.ts";
import type { CommandSpec, Flag } from "./spec.ts";

const bundle: Flag = [
  "--spiffe-bundle <source>",
  "trust a domain: domain=file, domain=https://…, or domain alone: its bundle is the socket's (repeatable)",
  { many: true },
];
const config: Flag = ["--spiffe-config <file>", "trust domains and all else as JSON, see docs/spiffe.md"];
const socket: Flag = ["--spiffe-socket <address>", "the Workload API, by default that of SPIFFE_ENDPOINT_SOCKET"];
const svid: Flag = ["--spiffe-svid <file>", "the own X.509-SVID in PEM, where no Workload API gives one"];
const key: Flag = ["--spiffe-key <file>", "its private key, where that is in another file"];

/** Flags of `peerage guard`. */
export const guardSpiffeFlags: readonly Flag[] = [
  bundle,
  socket,
  ["--spiffe-require", "refuse every call without a SPIFFE ID bound to its DID"],
  config,
  svid,
  key,
  ["--spiffe-mtls", "serve --http by mutual TLS, with the own SVID"],
  ["--upstream-spiffe <id>", "the server behind is this SPIFFE ID, by mutual TLS"],
  ["--upstream-jwt-svid <aud>", "show the server behind a JWT-SVID for this audience"],
  ["--upstream-wpt", "show the server behind the own WIT-SVID and a proof of its key"],
];

/** Flags of commands that call a server. */
export const callerSpiffeFlags: readonly Flag[] = [
  ["--spiffe", "bind the identity to the own SPIFFE ID, and show that with every call"],
  socket,
  svid,
  key,
  ["--spiffe-server <id>", "the server is this SPIFFE ID, by mutual TLS"],
  bundle,
  config,
];

/** Commands for SPIFFE identities. */
export const spiffeCommands: readonly CommandSpec[] = [
  {
    path: "spiffe show",
    text: "the own SPIFFE IDs, and the trust domains with the age of their bundles",
    group: "operate",
    byDefault: true,
    flags: [bundle, socket, config, svid, key],
    examples: [
      "peerage spiffe show --spiffe-socket unix:///run/spire/agent.sock",
      "peerage spiffe show --spiffe-bundle acme.example=acme.bundle.json",
    ],
    load: () => import("../commands/spiffe.ts").then(({ show }) => ({ run: show })),
  },
  {
    path: "spiffe verify",
    args: "<file>",
    text: "check an X.509-SVID (PEM), a JWT-SVID or a binding against trust domains",
    group: "operate",
    flags: [bundle, socket, config, ["--audience <value>", "the audience that a JWT-SVID, or a binding, is for"]],
    examples: [
      "peerage spiffe verify svid.pem --spiffe-bundle acme.example=acme.bundle.json",
      "peerage spiffe verify binding.json --spiffe-bundle acme.example=acme.bundle.json",
    ],
    load: () => import("../commands/spiffe.ts").then(({ verify }) => ({ run: verify })),
  },
  {
    path: "spiffe bind",
    text: "sign, by both keys, that this identity and the own SPIFFE ID belong together",
    group: "operate",
    flags: [
      socket,
      svid,
      key,
      ["--audience <did|url>", "the one guard that it is for, instead of any"],
      ["--lifetime <time>", "how long it holds, at most 24h and the SVID's own life"],
      ["--out <file>", "where it goes, for clients that present it by themselves"],
      passphraseFile,
    ],
    examples: [
      "peerage spiffe bind --spiffe-socket unix:///run/spire/agent.sock --out binding.json",
      "peerage spiffe bind --spiffe-svid svid.pem --spiffe-key key.pem --out binding.json",
    ],
    load: () => import("../commands/spiffe.ts").then(({ bind }) => ({ run: bind })),
  },
];
