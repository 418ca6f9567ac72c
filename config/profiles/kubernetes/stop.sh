#!/bin/sh
# What Kubernetes runs in the pod before it ends it (preStop of job.yaml): training is to save.
#   stop.sh [PROCESS]      Snakemake's process; in the pod it is process 1
# On a SIGTERM, Snakemake starts no further job and waits for those that run; they are not told.
# Without the first line, Snakemake would start the training anew that the second one stops.
cd "$(dirname "$0")/../../.." || exit 1
kill -TERM "${1:-1}"
for folder in results/*/work/tuning/*/*/; do # a job's stop_file; one of no running job is ignored
    [ -e "$folder/job.json" ] && touch "$folder/stop"
done
exit 0
