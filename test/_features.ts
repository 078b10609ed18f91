import { commandLine } from "./_features-cli.ts";

/** A feature that people see, and the tests that prove exactly what it is accepted by. */
export interface Feature {
  /** `U…` of the observatory and the console, `C…` of the command line. */
  readonly id: string;
  /** When it was due: 1 first, 2 next. */
  readonly stage: 1 | 2;
  /** What must hold. */
  readonly accepts: string;
  /** `file#part of a title` of every test that proves a part of it; each must be there. */
  readonly tests: readonly string[];
}

/** The features that are promised, each with its tests. */
export const features: readonly Feature[] = [
  {
    id: "U1",
    stage: 1,
    accepts: "an agent's page without scripts, as JSON and as text: name, score, viewpoint, chains, vouches",
    tests: [
      "test/observatory-pages.test.ts#U1 answers as HTML, JSON and text",
      "test/observatory-browser.test.ts#U1 U12 are complete, quiet and as wide as the window",
      "test/observatory-acceptance-browser.test.ts#U1 an agent's page without scripts shows",
    ],
  },
  {
    id: "U2",
    stage: 1,
    accepts: "the printed working, recomputed, is the score of explainTrust and of the command line",
    tests: [
      "test/observatory-pages.test.ts#U2 is that of explainTrust, and the printed line adds up to it",
      "test/observatory-one-answer.test.ts#page, JSON, curl, badge, command line and guard give one score",
    ],
  },
  {
    id: "U3",
    stage: 1,
    accepts: "without the vouch that holds an agent up, it has the score that the page prints",
    tests: [
      "test/observatory-pages.test.ts#U3 names the vouch that holds it up",
      "test/observatory-acceptance.test.ts#U3 prints for every agent",
    ],
  },
  {
    id: "U4",
    stage: 1,
    accepts: "a flipped byte in body, proof, path, checkpoint or cosignature has its own cross, and the others stay",
    tests: [
      "test/observatory-verify.test.ts#U4 A-WEB-05 marks a byte flipped",
      "test/observatory-acceptance-browser.test.ts#U4 U8 A-WEB-05 witnesses elsewhere are counted",
    ],
  },
  {
    id: "U5",
    stage: 1,
    accepts: "the directory is searched by name, DID, prefix, statement id and log index, by a form without scripts",
    tests: [
      "test/observatory-pages.test.ts#U5 goes straight to what has one address, and lists the rest",
      "test/observatory-acceptance-browser.test.ts#U5 a form finds agents by name, DID and prefix",
    ],
  },
  {
    id: "U6",
    stage: 1,
    accepts: "the map takes the form that fits its size, is drawn alike for a log size, and goes by hand and by keys",
    tests: [
      "test/observatory-map.test.ts#U6 takes the form that fits the number of agents",
      "test/observatory-map.test.ts#U6 gives the same positions for the same log",
      "test/observatory-map.test.ts#U6 pans, zooms, finds, walks by keys",
      "test/slow/observatory-large.test.ts#U6 is a constellation of 10,000 agents and communities of 10,001",
    ],
  },
  {
    id: "U7",
    stage: 1,
    accepts: "a feed that is cut and resumed has neither gap nor duplicate; Atom beside it",
    tests: [
      "test/observatory-pages.test.ts#U7 resumes after a break without gap or duplicate",
      "test/observatory-pages.test.ts#U7 is Atom with statement ids",
      "test/observatory-acceptance.test.ts#U7 cut again and again",
      "test/observatory-scopes-feed.test.ts#U7 show the entries that are asked for",
      "test/observatory-scopes-feed.test.ts#U7 hold for what comes in live",
    ],
  },
  {
    id: "U8",
    stage: 1,
    accepts: "the log is shown with proofs, age and witnesses; one that has forked turns red and leaves evidence",
    tests: [
      "test/observatory-pages.test.ts#U8 shows each entry with a proof",
      "test/observatory-verify.test.ts#U8 turns red over a log that has forked",
      "test/observatory-acceptance-browser.test.ts#U4 U8 A-WEB-05 witnesses elsewhere are counted",
    ],
  },
  {
    id: "U9",
    stage: 1,
    accepts: "the console shows of a refused call rule, number and threshold; the public site has no such route",
    tests: [
      "test/console-pages.test.ts#U9 show of a refused call the rule, the number and the threshold",
      "test/console-access.test.ts#U9 is another app than the public one, which has no such route",
      "test/console-pages.test.ts#must hold 5: shows a refused call by itself within a second",
      "test/console-calls.test.ts#U9 stands on its page as the caller got it",
      "test/console-calls.test.ts#are paged through to the oldest",
    ],
  },
  {
    id: "U10",
    stage: 1,
    accepts: "an approval signed in Chromium is admitted; expired, replayed, altered, foreign and own ones are not",
    tests: [
      "test/console-approvals.test.ts#U10 is over the bytes that the page has drawn",
      "test/console-approvals.test.ts#U10 A-APPR-04 A-APPR-05 altered, replayed, expired and foreign",
    ],
  },
  {
    id: "U11",
    stage: 1,
    accepts: "badges, cards and sitemap parse, name their viewpoint, and say unknown of a stranger",
    tests: [
      "test/observatory-more.test.ts#U11 name the viewpoint, say unknown of a stranger",
      "test/observatory-more.test.ts#U11 the sitemap and robots.txt",
      "test/observatory-acceptance-browser.test.ts#U11 U13 A-WEB-01 pictures, Atom and sitemap are well-formed",
      "test/observatory-acceptance.test.ts#has one address: others are not indexed",
    ],
  },
  {
    id: "U12",
    stage: 1,
    accepts: "themes, motion, keyboard, axe, narrow windows, with scripts and without, on every page",
    tests: [
      "test/observatory-axe.test.ts#U12 axe finds nothing on any page",
      "test/observatory-axe.test.ts#U12 pages are usable at 320 px",
      "test/observatory-axe.test.ts#U12 nothing moves for those who ask for it",
      "test/observatory-acceptance-browser.test.ts#U12 every control of home and of an agent is reached",
      "test/observatory-acceptance-browser.test.ts#prints dark on white",
      "test/slow/observatory-matrix.test.ts#U12 must hold 1",
      "test/console-pages.test.ts#U12 pages are complete, quiet and as wide as the window",
      "test/slow/console-matrix.test.ts#U12 is complete, quiet and as wide as the window",
      "test/slow/console-matrix.test.ts#U12 is usable at 320 px, and every control is reached",
    ],
  },
  {
    id: "U13",
    stage: 1,
    accepts: "strict headers, nothing foreign, and hostile names harmless in every output, the terminal included",
    tests: [
      "test/observatory-pages.test.ts#U13 A-WEB-02 allows nothing to run, load or frame but its own",
      "test/observatory-browser.test.ts#U13 A-WEB-01 A-WEB-06 are text on every page",
      "test/observatory-notes.test.ts#U13 A-WEB-01 notes are text",
      "test/observatory-acceptance-browser.test.ts#U11 U13 A-WEB-01 pictures, Atom and sitemap are well-formed",
      "test/console-pages.test.ts#A-WEB-01 hostile tools, arguments, reasons and log names are text",
      "test/observatory-map.test.ts#A-WEB-01 shows hostile names as text",
      "test/cli-foreign-text.test.ts#A-CLI-07 is neutralised in self-chosen names",
    ],
  },
  {
    id: "U14",
    stage: 2,
    accepts: "an orbit as seen by anyone, at the same positions in SVG and on canvas; 100,000 agents load",
    tests: [
      "test/observatory-more.test.ts#U14 is the network by the agent's own scores",
      "test/observatory-orbit.test.ts#U14 has one place for each agent",
      "test/observatory-orbit.test.ts#U14 is drawn for any DID",
      "test/slow/observatory-large.test.ts#U14 shows everybody whom an agent has a score for",
      "test/slow/observatory-large.test.ts#U14 draws, tells who is under the pointer",
    ],
  },
  {
    id: "U15",
    stage: 2,
    accepts: "what-if is the engine's answer on the edited graph, and a proposed vouch does change the score",
    tests: [
      "test/observatory-more.test.ts#U15 is the engine's answer on the graph without the chosen vouches",
      "test/observatory-more.test.ts#U15 names vouches that lift an agent over the threshold",
    ],
  },
  {
    id: "U16",
    stage: 2,
    accepts: "map, agent and explanation of the past are those of a registry replayed to that size",
    tests: [
      "test/observatory-more.test.ts#U16 is what a registry says that was replayed to that size",
      "test/observatory-acceptance.test.ts#U16 has the map, the agents and the workings",
    ],
  },
  {
    id: "U17",
    stage: 2,
    accepts: "of synthetic rings thin clusters find at least 0.99, and nothing else",
    tests: [
      "test/observatory-more.test.ts#U17 lists rings of made-up agents as thinly joined",
      "test/observatory-acceptance.test.ts#U17 are all synthetic rings and nothing else",
    ],
  },
  {
    id: "U18",
    stage: 2,
    accepts: "the simulator is the gate's own decide and sends no policy; dry run and rules that were never hit",
    tests: [
      "test/observatory-simulate.test.ts#U18 is the gate's own decide",
      "test/observatory-simulate.test.ts#U18 decides in the browser: the policy is in no request",
      "test/console-pages.test.ts#U18 say which rules were hit and which never",
    ],
  },
  {
    id: "U19",
    stage: 2,
    accepts: "the address alone restores lenses and replay of the console",
    tests: [
      "test/console-pages.test.ts#U19 replay a stretch of the past as it was, by the address alone",
      "test/console-pages.test.ts#U19 replays what the slider is moved to, and the address restores it",
    ],
  },
  {
    id: "U20",
    stage: 2,
    accepts: "keys, a signature and a vouch are tried in the tab, without a request until one is asked for",
    tests: ["test/observatory-more.test.ts#U20 A-WEB-03 makes keys that the page cannot export"],
  },
  ...commandLine,
];
