import { type ExampleNetwork, exampleNetwork } from "./_example-network.ts";
import { startObservatory, type TestObservatory } from "./_observatory.ts";

/** An observatory over the example network as it is now, all of it published, as its own roots see it. */
export async function exampleSite(agents: number): Promise<{ network: ExampleNetwork; site: TestObservatory }> {
  const network = await exampleNetwork(agents, new Date());
  const site = await startObservatory({ roots: network.roots, names: network.names });
  await site.publish(...network.statements.map(({ statement }) => statement));
  return { network, site };
}
