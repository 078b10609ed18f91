#!/usr/bin/env bash
# Installs what the command line needs beside it, exactly as the lockfile says and without running anybody's scripts.
set -euo pipefail

node=$(node --version 2>/dev/null || echo none)
if [[ ! $node =~ ^v([0-9]+)\.([0-9]+)\. ]] ||
  ((BASH_REMATCH[1] < 22 || (BASH_REMATCH[1] == 22 && BASH_REMATCH[2] < 18))); then
  echo "::error title=Peerage::Node 22.18 or newer is needed, and this is $node: put actions/setup-node before this step"
  exit 1
fi
cd -- "$GITHUB_ACTION_PATH"
# A second step of one job finds what the first one installed.
[[ -d node_modules/@peerage ]] || npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error
