import { generateKeyPairSync } from "node:crypto";
import { isPeerageError, type JsonObject } from "@peerage/core";
import { expect, it } from "vitest";
import { importPublicJwk } from "./jwk.ts";

it("A-JSON-03 a key type that is a name of every object's is no key type", () => {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = publicKey.export({ format: "jwk" }) as JsonObject;
  expect(importPublicJwk(jwk).asymmetricKeyType).toBe("ec");
  for (const kty of ["__proto__", "constructor", "toString", "ec", "", 1, null]) {
    let error: unknown;
    try {
      importPublicJwk({ ...jwk, kty });
    } catch (caught) {
      error = caught;
    }
    expect(isPeerageError(error, "ERR_SVID_INVALID"), String(kty)).toBe(true);
  }
});
