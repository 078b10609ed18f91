import { readFileSync } from "node:fs";
import type { Story } from "./_stories.ts";

const EVERYTHING = "@modelcontextprotocol/server-everything";

const call = (message: string): string => `peerage --identity bot call echo --arg message=${message} -- \\
  peerage --identity gate guard --policy policy.yaml -- npx ${EVERYTHING}`;
const AGAIN = call("$RANDOM");

/** A person, an agent and a guard of their own that asks the person before it calls `echo`; one call waits. */
const WAITING = `
peerage init alice --role person; peerage init bot; peerage init gate --role server
cat > policy.yaml <<EOF
apiVersion: peerage.dev/v1
kind: Policy
groups: { approvers: ["$(peerage whoami --identity alice --plain | cut -f2)"] }
allow: [{ tools: echo, agents: "@me", approval: { by: "@approvers", within: 30m, timeout: 30m } }]
EOF
${call("hi")} || test $? = 8
`;

const samples = readFileSync(new URL("./fixtures/aip-samples.json", import.meta.url), "utf8");
const AIP_CERTIFICATE = JSON.stringify((JSON.parse(samples) as { certificate: object }).certificate);

const POLICY = `
cat > policy.yaml <<'EOF'
apiVersion: peerage.dev/v1
kind: Policy
allow: [{ tools: "*", agents: "@me" }]
EOF
`;

/** The pages whose `sh` blocks are run here. A placeholder and what stands for it is named here and nowhere else. */
export const stories: readonly Story[] = [
  {
    page: "README.md",
    given: POLICY,
    stands: { "npx some-mcp-server": `npx ${EVERYTHING}` },
    ports: ["7070", "9000"],
    running: [{ command: `PORT=9000 npx ${EVERYTHING} streamableHttp`, ready: /listening on port/ }],
    steps: [
      { command: /proxy --/, speaks: true },
      { command: /guard .*-- npx/, speaks: true },
      { command: /guard .*--http/, stays: /guarding/ },
    ],
  },
  {
    page: "docs/tutorial.md",
    ports: ["7075"],
    steps: [
      { command: /registry serve/, stays: /127\.0\.0\.1:\d+/ },
      { command: /call echo/, code: 3, shows: /ERR_TRUST_INSUFFICIENT/ },
      { command: /^npx peerage trust bot/, shows: /0\.80/ },
      { command: /call echo/, shows: /Echo: hello/ },
      { command: /unvouch bot/, shows: /withdrew +1 vouch/ },
      { command: /trust bot/, code: 3, shows: /unknown/ },
    ],
  },
  {
    page: "docs/messages.md",
    ports: ["7075"],
    stands: { "1f3a9c02": "$(npx peerage inbox --identity bob --plain | cut -c8-15 | head -n 1)" },
    steps: [
      { command: /registry serve/, stays: /127\.0\.0\.1:\d+/ },
      { command: /^npx peerage send/, shows: /sent +did:key/ },
      { command: /inbox --identity/, shows: /1\.00 .*the build is green/ },
      { command: /inbox read/, shows: /the build is green/ },
      { command: /inbox remove/, shows: /removed/ },
    ],
  },
  {
    page: "docs/proofs.md",
    ports: ["8080"],
    steps: [
      { command: /^node serve/, stays: /serving/ },
      { command: /verify http:.*\d$/, shows: /Proven, as of/ },
      { command: /--by build-bot/, shows: /Proven, as of/ },
    ],
  },
  {
    page: "docs/webhooks.md",
    ports: ["7075", "9000"],
    steps: [
      { command: /registry serve/, stays: /127\.0\.0\.1:\d+/ },
      { command: /watch bob --min/, stays: /watching 1 agent/ },
      { command: /watch bob --once/, shows: /vouch .*tools 80/ },
      { command: /^node receiver/, stays: /listening/ },
      { command: /--from 0 --cursor/, shows: /vouch .*tools 80/ },
      { command: /--once --cursor/, shows: /\b0 events/ },
    ],
  },
  {
    page: "docs/bridges.md",
    given: `peerage init bot; peerage init alice --role person
cat > certificate.json <<'EOF'
${AIP_CERTIFICATE}
EOF`,
    steps: [
      { command: /verify agent-card/, shows: /signer +is the agent itself/ },
      { command: /import aip cert/, shows: /unverifiable +created, id/ },
      { command: /import aip$/, shows: /Reviewed \| their code/ },
    ],
  },
  {
    page: "docs/approvals.md",
    given: WAITING,
    // Where nobody can be asked, the yes is given with the command.
    stands: {
      "approvals approve": "approvals approve --yes",
      "7f3a91c2": "$(peerage approvals --plain | cut -f1 | head -n 1)",
    },
    steps: [
      { command: /^peerage approvals$/, shows: /waits +bot +echo/ },
      { command: /show/, shows: /message +"hi"/ },
      { command: /approve/ },
      { command: /watch/, stays: /waits/, stirred: AGAIN },
    ],
  },
  {
    page: "docs/audit.md",
    given: WAITING,
    stands: { "show 17": "show 1" },
    steps: [
      { command: /--follow/, stays: /wait +bot +echo/, stirred: AGAIN },
      { command: /show/, shows: /initialize/ },
      { command: /replay/ },
      { command: /audit verify/, shows: /signed +all of them/ },
    ],
  },
  {
    page: "examples/README.md",
    given: "peerage init bot",
    ports: ["3000"],
    stands: { "node examples/hono": "PORT=3000 node examples/hono" },
    steps: [
      { command: /hono/, stays: /\/mcp/ },
      { command: /proxy http/, speaks: true },
      { command: /proxy -- node/, speaks: true },
    ],
  },
  {
    page: "docs/how-to/agent.md",
    ports: ["7075"],
    running: [{ command: "peerage registry serve --listen 7075 --data ./registry", ready: /127\.0\.0\.1:\d+/ }],
    given: `peerage config set registry http://127.0.0.1:7075
mkdir -p .cursor my-skill; echo '# A skill' > my-skill/SKILL.md
echo '{ "mcpServers": { "files": { "command": "npx", "args": ["${EVERYTHING}"] } } }' > .cursor/mcp.json
cat > strict.yaml <<'EOF'
{ apiVersion: peerage.dev/v1, kind: Policy, allow: [{ tools: get-sum, agents: "@me" }] }
EOF`,
    steps: [
      { command: /proxy install$/, shows: /cursor/i },
      { command: /call echo/, code: 3, shows: /ERR_POLICY_DENIED/ },
      { command: /doctor/, shows: /cursor starts files without the proxy/ },
      { command: /agent run/, stays: /use it +PEERAGE_AGENT_SOCK/ },
      { command: /agent status/, shows: /did:key/ },
      { command: /verify .* --by/, shows: /by +the one you named/ },
      { command: /verify .\/my-skill$/, code: 6, shows: /SKILL\.md/ },
    ],
  },
  {
    page: "docs/how-to/server.md",
    ports: ["7070", "9000"],
    running: [{ command: `PORT=9000 npx ${EVERYTHING} streamableHttp`, ready: /listening on port/ }],
    given: "peerage init build-bot",
    stands: { "--console": "--console 0" },
    steps: [
      { command: /^peerage guard --policy policy.yaml --/, speaks: true },
      { command: /--http/, stays: /console/ },
      { command: /--mode shadow/, speaks: true },
      { command: /--mode recommend/, speaks: true },
    ],
  },
  {
    page: "docs/how-to/people.md",
    ports: ["7075"],
    running: [{ command: "peerage registry serve --listen 7075 --data ./registry", ready: /127\.0\.0\.1:\d+/ }],
    given: "peerage init build-bot --registry http://127.0.0.1:7075",
    steps: [
      { command: /trust build-bot/, code: 3, shows: /unknown/ },
      { command: /unvouch/, shows: /withdrew/ },
      { command: /trust build-bot/, code: 3, shows: /unknown/ },
    ],
  },
  {
    page: "docs/how-to/operator.md",
    ports: ["7075", "7078"],
    steps: [
      { command: /registry serve --data/, stays: /127\.0\.0\.1:\d+/ },
      { command: /witness --log/, stays: /127\.0\.0\.1:\d+/ },
    ],
  },
];

/** Commands and whole pages that another test runs as they stand there; the test names the page. */
export const elsewhere: readonly { readonly page: string; readonly mark?: string; readonly by: string }[] = [
  { page: "docs/operating.md", mark: "federation", by: "examples/federation/run.ts" },
  { page: "docs/spiffe.md", mark: "", by: "test/spiffe-cli.test.ts" },
  { page: "README.md", mark: "ci", by: ".ci/run" },
];

/** Blocks marked `sh template`, which cannot be run as they stand, and why; their flags are checked all the same. */
export const templates: readonly { readonly page: string; readonly holds: string; readonly because: string }[] = [
  {
    page: "docs/proofs.md",
    holds: "verify https://example.org",
    because: "it names somebody's domain; test/proofs.test.ts does all of it with a server of its own",
  },
  { page: "docs/operating.md", holds: "podman build", because: "it needs a container engine" },
  {
    page: "docs/operating.md",
    holds: "PEERAGE_DATABASE=",
    because: "it names somebody's database; test/postgres-cli.test.ts runs the command with a real one",
  },
  {
    page: "docs/operating.md",
    holds: "--behind-proxy 127.0.0.1 --root",
    because: "it names a public address and a DID; test/cli-registry.test.ts starts it with others",
  },
  {
    page: "bench/README.md",
    holds: "npm run bench",
    because: "it takes minutes; test/bench.test.ts and test/slow/bench.test.ts run its parts and the whole",
  },
  {
    page: "docs/policy.md",
    holds: "--also cedar",
    because: "Cedar and OPA are other people's; test/policy-engines.test.ts asks them",
  },
  {
    page: "docs/spiffe.md",
    holds: "unix:///run/spire",
    because: "it needs a SPIRE agent; npm run test:spire runs with one",
  },
  { page: "docs/spiffe.md", holds: "kubectl", because: "it needs a cluster with Dapr" },
];
