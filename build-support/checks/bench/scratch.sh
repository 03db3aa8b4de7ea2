# shellcheck shell=bash
# Goes to a scratch clone of the last commit, which is deleted at the end. For the benchmarks and
# without-samples, which source it.
set -euo pipefail

scratch=$(mktemp -d)
daemon() { cat "$scratch"/clone/.pids/*/pantsd/pid 2>/dev/null || true; }
finish() {
  [[ -z "$(daemon)" ]] || kill -KILL "$(daemon)" || true
  rm -rf "$scratch"
}
trap finish EXIT
git clone --quiet "$(dirname "${BASH_SOURCE[0]}")/../../.." "$scratch/clone"
cd "$scratch/clone"

# shellcheck disable=SC2034  # The first handler, and its domain.
handler=$(git ls-files 'maxaiusecases/*/handlers/*.py' | grep -vE '_test|__init__' | head -n 1) || true
# shellcheck disable=SC2034
domain=$(cut -d/ -f2 <<<"$handler")

# The files at the root of each tree stay, and so does maxairesources.
delete_domains() { git rm -r --quiet 'maxai[cdu]*/*/*'; }

# commit MESSAGE: commits everything.
commit() {
  git add --all
  git -c user.name=bench -c user.email=bench@localhost commit --quiet --allow-empty --message "$1"
}
