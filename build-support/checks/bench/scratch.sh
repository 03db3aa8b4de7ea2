# shellcheck shell=bash
# Goes to a scratch clone of the last commit, which is deleted at the end. The benchmarks, the
# rehearsal of the workflows and without-samples source it.
set -euo pipefail

# Prints the comment at the top of the script.
script=$(realpath "$0")
usage() { sed -n '2,/^$/s/^# \?//p' "$script"; }
[[ "${1:-}" != --help ]] || { usage && exit; }

scratch=$(mktemp -d)
registry="" processes=""
# The daemons of the clone and of its clones.
daemons() { cat "$scratch"/*/.pids/*/pantsd/pid 2>/dev/null || true; }
finish() {
  # shellcheck disable=SC2046,SC2086  # One word for each process.
  kill -KILL $(daemons) $processes 2>/dev/null || true
  # The engine forgets the names of the images in the registry, which ends.
  [[ -z "$registry" ]] || docker image ls --format '{{.Repository}}:{{.Tag}}' |
    grep "^$registry/" | xargs -r docker image rm >/dev/null 2>&1 || true
  rm -rf "$scratch"
}
trap finish EXIT
git clone --quiet "$(dirname "${BASH_SOURCE[0]}")/../../.." "$scratch/clone"
cd "$scratch/clone"
git config user.name bench
git config user.email bench@localhost

# shellcheck disable=SC2034  # The first handler, and its domain.
handler=$(git ls-files 'maxaiusecases/*/handlers/*.py' | grep -vE '_test|__init__' | head -n 1) || true
# shellcheck disable=SC2034
domain=$(cut -d/ -f2 <<<"$handler")

# quietly COMMAND...: prints the end of the output of a command that fails, and exits.
quietly() { "$@" >"$scratch/log" 2>&1 || { tail -n 50 "$scratch/log" >&2 && exit 1; }; }

# measure COMMAND...: prints the time that a command takes.
measure() {
  local TIMEFORMAT='%R s, %U + %S s of CPU'
  printf '%-60s' "$*"
  time quietly "$@"
}

# The files at the root of each tree stay, and so does maxairesources.
delete_domains() { git rm -r --quiet 'maxai[cdu]*/*/*'; }

# commit MESSAGE: commits everything.
commit() {
  git add --all
  git commit --quiet --allow-empty --message "$1"
}

# copy FROM TO: copies the folders of a domain, such as d1, or of a usecase, such as d1/u1.
copy() {
  local tree from=${1##*/} to=${2##*/}
  for tree in maxaiconfigs maxaidags maxaiusecases; do
    cp -r "$tree/$1" "$tree/$2"
    grep -rlw "$from" "$tree/$2" | xargs sed -i "s/\b$from\b/$to/g"
  done
}

# make_usecases DOMAINS USECASES: replaces all domains by d1, d2 ... with the usecases u1, u2 ...
make_usecases() {
  local number
  delete_domains
  quietly ./pants new domain d1
  quietly ./pants new usecase d1 u1 --objective daily --operator kubepod \
    --handler features --handler fit --handler score
  for ((number = 2; number <= $2; number++)); do copy d1/u1 "d1/u$number"; done
  for ((number = 2; number <= $1; number++)); do copy d1 "d$number"; done
}

# in_background LOG COMMAND...: starts a command that ends with this script.
in_background() {
  "${@:2}" >"$1" 2>&1 &
  processes+=" $!"
  # The shell does not report its end.
  disown
}

# Prints a free address of this machine.
free_address() {
  python3 -c 'import socket; print("127.0.0.1", socket.create_server(("127.0.0.1", 0)).getsockname()[1], sep=":")'
}

# start_registry [AUTH]: starts a registry of this machine, and sets `registry` to its address. AUTH
# is its setting `auth`.
start_registry() {
  registry=$(free_address)
  cat >"$scratch/registry.yml" <<SETTINGS
version: 0.1
log: {level: error, accesslog: {disabled: true}}
http: {addr: "$registry"}
storage: {filesystem: {rootdirectory: $scratch/registry}}
auth: {${1:-}}
SETTINGS
  in_background "$scratch/registry.log" docker-registry serve "$scratch/registry.yml"
}
