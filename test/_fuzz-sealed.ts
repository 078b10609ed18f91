import {
  addProof,
  checkSealedForm,
  digest,
  formatPlaceFile,
  fromUtf8,
  identityFromSeed,
  type JsonObject,
  parseJson,
  parsePlace,
  parsePlaceFile,
  signCompactJws,
  signDelivery,
  signInboxRequest,
  signMessage,
  signPlaceProof,
  utf8,
  verifyDelivery,
  verifyInboxRequest,
  verifyMessage,
  verifyPlaceProof,
} from "@peerage/core";
import { Disagreement, type Target } from "./_fuzz.ts";
import { mutateClaims } from "./_fuzz-mutations.ts";
import type { Random } from "./_fuzz-random.ts";

const [alice, bob] = [5, 6].map((n) => identityFromSeed(new Uint8Array(32).fill(n))) as [
  ReturnType<typeof identityFromSeed>,
  ReturnType<typeof identityFromSeed>,
];
const now = new Date(1_795_200_000_000);
const audience = "https://registry.example";
const message = digest({ sealed: true });
const written = await signMessage(alice, { recipient: bob.did, body: utf8("meet at nine, é"), now });
const delivery = await signDelivery(alice, { audience, recipient: bob.did, message, now });
const wishes = [
  await signInboxRequest(bob, { audience, action: "list", now }),
  await signInboxRequest(bob, { audience, action: "fetch", message, now }),
  await signInboxRequest(bob, { audience, action: "erase", message, now }),
];
const letters = (n: number): string => "A".repeat(n);
const sealed = `age-encryption.org/v1\n-> X25519 ${letters(43)}\n${letters(43)}\n--- ${letters(43)}\n${letters(64)}`;
const place = parsePlace("github.com/peers/tools");
const proof = await signPlaceProof(alice, place, now);

const claimsOf = (jws: string): JsonObject => parseJson(Buffer.from(jws.split(".")[1]!, "base64url")) as JsonObject;

/** A token with changed claims, signed by who signed the genuine one. */
function signedAgain(typ: string, genuine: readonly string[], signer = alice): (random: Random) => Promise<string> {
  return (random) => signCompactJws(signer, typ, mutateClaims(claimsOf(random.pick(genuine)), random));
}

/** A message under other claims, before the same body. */
async function writtenAgain(random: Random): Promise<Uint8Array> {
  const end = written.indexOf(10);
  const token = await signedAgain("peerage-message+jwt", [fromUtf8(written.subarray(0, end))])(random);
  return Uint8Array.from([...utf8(token), ...written.subarray(end)]);
}

/** A proof of which any member is another, signed as it then is. */
async function provenAgain(random: Random): Promise<string> {
  const { proof: _, ...said } = proof;
  const document = mutateClaims(said, random);
  const created = "2026-11-20T10:00:00Z";
  return formatPlaceFile([
    { ...document, proof: await addProof(alice, document, { verificationMethod: alice.kid, created }) },
  ]);
}

/** What agents write to one another, and what they publish on the web. */
export const sealedTargets: readonly Target[] = [
  {
    name: "the content of a sealed message",
    samples: [written],
    shapes: ["jws"],
    read: (x) => verifyMessage(x, { recipient: bob.did, now }),
    forge: writtenAgain,
  },
  { name: "the form of a sealed message", samples: [sealed], shapes: ["lines"], read: checkSealedForm },
  {
    name: "a delivery of a sealed message",
    samples: [delivery],
    shapes: ["jws"],
    read: (x) => verifyDelivery(fromUtf8(x), { audience, now }),
    forge: signedAgain("peerage-delivery+jwt", [delivery]),
  },
  {
    name: "a request to an inbox",
    samples: wishes,
    shapes: ["jws"],
    read: (x) => verifyInboxRequest(fromUtf8(x), { audience, now }),
    forge: signedAgain("peerage-inbox+jwt", wishes, bob),
  },
  {
    name: "a place on the web",
    samples: [
      "example.org",
      "https://example.org/",
      "github.com/owner/name.git",
      "https://gitlab.com/a/b/c",
      "bücher.example",
    ],
    found: ["github.com/o/e.git.git"],
    read: (x) => {
      const { url, kind, file } = parsePlace(fromUtf8(x));
      const again = parsePlace(url);
      if (again.url !== url || again.kind !== kind || again.file !== file)
        throw new Disagreement(`${url} is ${again.url}`);
    },
  },
  {
    name: "a place's file of proofs",
    samples: [formatPlaceFile([proof])],
    shapes: ["json"],
    read: async (x) => {
      for (const one of parsePlaceFile(x)) await verifyPlaceProof(one, place);
    },
    forge: provenAgain,
    weight: 2,
  },
];
