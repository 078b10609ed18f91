import "./_reflect.ts";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import {
  BasicConstraintsExtension,
  cryptoProvider,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";

/** A key and its certificate, which is its own authority. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** A certificate for names and 127.0.0.1, good for an hour. */
export async function selfSigned(...names: string[]): Promise<Certificate> {
  cryptoProvider.set(crypto as never);
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const made = await X509CertificateGenerator.createSelfSigned({
    name: "CN=test",
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 3_600_000),
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new SubjectAlternativeNameExtension([
        { type: "ip", value: "127.0.0.1" },
        ...names.map((value) => ({ type: "dns" as const, value })),
      ]),
    ],
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  return {
    key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
    cert: made.toString("pem"),
  };
}

/** A web server on 127.0.0.1: by https with a certificate, else by http. */
export async function serve(
  listener: RequestListener,
  certificate?: Certificate,
): Promise<{ readonly port: number } & AsyncDisposable> {
  const server = certificate ? createServer({ ...certificate }, listener) : createHttpServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
