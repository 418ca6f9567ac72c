#!/bin/bash
# Grid Engine starts the script of each job with this shell (-S). With -notify, before it suspends
# or kills a job it signals all of its processes, USR1 or USR2, and most of them would die of that
# at once: here nothing dies, and training is asked (USR1) to save and end.
trap '' USR1 # for all below, unless they listen themselves, as training does
(
    trap '' USR2
    exec /bin/bash "$@"
) &
job=$!
trap 'kill -s USR1 0' USR2
wait "$job"
status=$?
while kill -s 0 "$job" 2>/dev/null; do # a signal ends `wait` too
    wait "$job"
    status=$?
done
exit "$status"
