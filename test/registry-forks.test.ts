import { describeForks } from "./_forks.ts";

// A short run; test/slow/forks.test.ts makes 2,030 forks and 2,000 honest logs.
describeForks({ rounds: 12, honestLogs: 80 });
