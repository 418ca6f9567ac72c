# Sourced by every script of this folder: a throwaway environment of pinned packages.
#
# A script states in its head what it is about, then sources this file, calls `packages`, and
# runs a program that prints what it sees and fails where that is not what the head says.
# shellcheck shell=bash
set -euo pipefail

work=$(mktemp -d "${TMPDIR:-/tmp}/finding.XXXXXX")
trap 'rm -rf "$work"' EXIT
export HF_HUB_OFFLINE=1 HF_HOME="$work/hub" TOKENIZERS_PARALLELISM=false PYTHONWARNINGS=ignore
unset PYTHONPATH

# Installs the packages given as NAME==VERSION into an environment of their own and puts its
# programs first on the PATH. What one script fetched, the next finds in pip's cache.
packages() {
    "${PYTHON:-python3}" -m venv "$work/env"
    "$work/env/bin/pip" install --quiet --disable-pip-version-check "$@"
    PATH="$work/env/bin:$PATH"
    cd "$work"
}
