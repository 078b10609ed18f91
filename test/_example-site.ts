import { explainTrust, type TrustGraph } from "../core/src/index.ts";
import { type ExampleNetwork, exampleNetwork } from "./_example-network.ts";
import { startObservatory, type TestObservatory } from "./_observatory.ts";

/** An observatory over the example network as it is now, all of it published, as its own roots see it. */
export async function exampleSite(agents: number): Promise<{ network: ExampleNetwork; site: TestObservatory }> {
  const network = await exampleNetwork(agents, new Date());
  const site = await startObservatory({ roots: network.roots, names: network.names });
  await site.publish(...network.statements.map(({ statement }) => statement));
  return { network, site };
}

/** The vouches for tools that are in force. */
export function graphOf(site: TestObservatory): TrustGraph {
  return site.registry.view.graph("tools");
}

/** An agent with several chains to it. */
export function trustedIn(network: ExampleNetwork, site: TestObservatory): ExampleNetwork["identities"][number] {
  const found = network.identities.find(({ did }) => {
    const { score, contributions } = explainTrust(graphOf(site), { roots: network.roots, target: did });
    return contributions.length > 2 && score !== 1;
  });
  if (!found) throw new Error("nobody has several chains");
  return found;
}
