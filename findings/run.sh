#!/usr/bin/env bash
# Runs all findings, or those named, each in an environment of its own; ends with a table.
# Fails where one of them no longer shows what it says.
set -uo pipefail
folder=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- $(cd "$folder" && ls -- *.sh | grep -vxE 'common\.sh|run\.sh' | sed 's/\.sh$//')
logs=$(mktemp -d "${TMPDIR:-/tmp}/findings.XXXXXX")
table="" changed=0 began=$SECONDS
for name; do
    start=$SECONDS
    echo "[$(date +%H:%M:%S)] $name"
    if bash "$folder/$name.sh" >"$logs/$name.log" 2>&1; then
        outcome=confirmed
    else
        outcome=CHANGED changed=$((changed + 1))
        tail -n 20 "$logs/$name.log"
    fi
    table+=$(printf '  %-9s %5d s  %s' "$outcome" $((SECONDS - start)) "$name")$'\n'
done
printf '\n%s  %d of %d confirmed in %d s; output in %s\n' \
    "$table" $(($# - changed)) $# $((SECONDS - began)) "$logs"
[ "$changed" -eq 0 ]
