/** An A2A client's look at an agent card: `node card.mjs <URL of the agent>`. Everything by A2A's own SDK. */
import { AgentCard, verifyAgentCardSignature } from "@a2a-js/sdk";
import { DefaultAgentCardResolver } from "@a2a-js/sdk/client";
import { publicKeyOf } from "@peerage/core";

// Found where A2A says: at /.well-known/agent-card.json of the agent's URL.
const card = await new DefaultAgentCardResolver().resolve(process.argv[2]);
console.log(`${card.name} answers ${card.supportedInterfaces.map(({ url }) => url).join(", ")}`);

// The key needs no key set to be fetched: the signer's name is its key.
const signers = [];
await verifyAgentCardSignature(async (kid) => {
  const [did] = kid.split("#");
  signers.push(did);
  return { kty: "OKP", crv: "Ed25519", x: Buffer.from(publicKeyOf(did).bytes).toString("base64url") };
})(card);
console.log(`signed by ${signers.at(-1)}`);

// Who stands for it. Whether they do is for `peerage verify`, and whether that is enough for the reader's own roots.
const { extensions } = card.capabilities;
const chain = extensions.find(({ uri }) => uri === "https://peerage.dev/ns/a2a/vouch_chain/v1");
for (const { issuer, credentialSubject } of chain?.params?.vouches ?? [])
  console.log(`${issuer} vouches for ${credentialSubject.id} in ${chain.params.scope}`);

// The SDK knows each member of it: what it read is what it would write.
console.log(JSON.stringify(AgentCard.toJSON(card)));
