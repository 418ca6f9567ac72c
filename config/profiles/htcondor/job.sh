#!/bin/sh
# Starts a job's Snakemake. HTCondor signals only the first process of a job when it takes a
# machine back; this one hands the signal on to all of them, as SLURM does: then training saves.
setsid "$@" &
job=$!
trap 'kill -s TERM -- "-$job"' TERM
wait "$job"
status=$?
while kill -s 0 "$job" 2>/dev/null; do # a signal ends `wait` too
    wait "$job"
    status=$?
done
exit "$status"
