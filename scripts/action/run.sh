#!/usr/bin/env bash
# One command of Peerage for one step of a job. Inputs come from the environment, are checked against the form that they
# must have, and reach the command line as single arguments that cannot be taken for flags. Secrets go into files of this
# step alone, never into arguments, and leave the environment before anything is started.
set -euo pipefail
umask 077
# Ranges of letters mean the same everywhere.
export LC_ALL=C

key=${INPUT_KEY-}
passphrase=${INPUT_PASSPHRASE-}
unset INPUT_KEY INPUT_PASSPHRASE

fail() {
  # The fixed words of this script and the name of an input: what the input holds is not repeated.
  printf '::error title=Peerage::%s\n' "$1"
  exit 2
}

# must <input> <its value> <pattern> <what it is>
must() {
  [[ $2 =~ ^($3)$ ]] || fail "the input '$1' must be $4"
}

did='did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}'
url='https://[A-Za-z0-9._~:/%-]+|http://(localhost|127\.0\.0\.1)(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?'
arguments=()

work=$(mktemp -d "${RUNNER_TEMP:-${TMPDIR:-/tmp}}/peerage.XXXXXXXX")
trap 'rm -rf -- "$work"' EXIT
mkdir -- "$work/home" "$work/empty"

path_argument() {
  [[ -n ${INPUT_PATH-} && ${INPUT_PATH} != *$'\n'* && ${INPUT_PATH} != *$'\r'* ]] ||
    fail "the input 'path' must be a file or folder"
  # Absolute, so that it is no flag, and so that the command runs in a folder of ours: settings of a checkout are
  # somebody else's.
  local path=${INPUT_PATH}
  [[ $path == /* ]] || path="${GITHUB_WORKSPACE:-$PWD}/$path"
  [[ -e $path ]] || fail "the input 'path' names nothing that is there"
  arguments+=("$path")
}

registry_argument() {
  [[ -z ${INPUT_REGISTRY-} ]] && return
  must registry "${INPUT_REGISTRY-}" "$url" "an https address"
  arguments+=(--registry "$INPUT_REGISTRY")
}

case ${INPUT_MODE-} in
  verify)
    arguments=(verify)
    path_argument
    registry_argument
    must signer "${INPUT_SIGNER-}" "$did( +$did){0,31}" "the DIDs of which one must have signed"
    # Who may sign is asked of one after the other; the first that did is the answer.
    read -r -a candidates <<<"$INPUT_SIGNER"
    ;;
  gate)
    must agent "${INPUT_AGENT-}" "$did" "a DID: names can be chosen by anybody"
    must min "${INPUT_MIN-}" '0?\.[0-9]{1,6}|1(\.0{1,6})?' "a score above 0, at most 1"
    must scope "${INPUT_SCOPE-}" '[a-z][a-z0-9-]{0,63}' "a word such as tools"
    must roots "${INPUT_ROOTS-}" "$did( +$did){0,31}" "the DIDs from which trust starts"
    must registry "${INPUT_REGISTRY-}" "$url" "an https address"
    arguments=(trust "$INPUT_AGENT" --min "$INPUT_MIN" --scope "$INPUT_SCOPE")
    registry_argument
    read -r -a roots <<<"$INPUT_ROOTS"
    for root in "${roots[@]}"; do arguments+=(--root "$root"); done
    candidates=("")
    ;;
  sign)
    [[ -n $key ]] || fail "the input 'key' must be a key file, from a secret"
    arguments=(sign)
    path_argument
    mkdir -- "$work/home/keys"
    # A builtin writes it: an argument of a program could be read by others.
    printf '%s\n' "$key" >"$work/home/keys/action.key"
    arguments+=(--identity action)
    if [[ -n $passphrase ]]; then
      printf '%s\n' "$passphrase" >"$work/passphrase"
      arguments+=(--passphrase-file "$work/passphrase")
    fi
    candidates=("")
    ;;
  *) fail "the input 'mode' must be verify, gate or sign" ;;
esac
unset key passphrase

# What is printed names files and agents of others: until the token comes again, no line of it is a command to the runner.
token="peerage-$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')"
peerage() {
  (cd -- "$work/empty" && env -i PATH="$PATH" LANG=C.UTF-8 PEERAGE_HOME="$work/home" \
    ${NODE_EXTRA_CA_CERTS:+NODE_EXTRA_CA_CERTS="$NODE_EXTRA_CA_CERTS"} \
    ${NODE_COMPILE_CACHE:+NODE_COMPILE_CACHE="$NODE_COMPILE_CACHE"} \
    node "$GITHUB_ACTION_PATH/cli/bin/peerage.js" "$@" --no-input)
}

manifest='{"v":1,"ok":true,"command":"verify","answer":"yes","exit":0,"data":{"type":"manifest",'
status=0
for candidate in "${candidates[@]}"; do
  asked=("${arguments[@]}" ${candidate:+--by "$candidate"})
  status=0
  result=$(peerage "${asked[@]}" --json 2>"$work/problem") || status=$?
  # A signed statement where a signed file should be is authentic, and not what was asked for. What it holds is somebody's
  # own text: only how the answer begins tells what it is of.
  if ((status == 0)) && [[ $INPUT_MODE == verify && $result != "$manifest"* ]]; then
    printf '::error title=Peerage::%s\n' "what stands at 'path' is signed, but it is no file or folder with a manifest"
    status=6
  fi
  ((status == 0)) && break
done

printf '::stop-commands::%s\n' "$token"
if [[ -z $result ]]; then
  cat -- "$work/problem"
elif ((status == 0)); then
  printf '%s\n' "$result"
else
  # Why not, for people.
  peerage "${asked[@]}" || true
fi
printf '::%s::\n' "$token"

if [[ -n ${GITHUB_OUTPUT-} ]]; then
  case $status in
    0) answer=yes ;;
    3) answer=no ;;
    6) answer=invalid ;;
    *) answer='' ;;
  esac
  {
    printf 'answer=%s\n' "$answer"
    # With an end that nobody can guess, so that no text in it can begin another output.
    printf 'result<<%s\n%s\n%s\n' "$token" "$result" "$token"
  } >>"$GITHUB_OUTPUT"
fi
exit "$status"
