#!/bin/sh
# Says how a SLURM job is, for cluster-generic: success, failed or running.
# The controller remembers ended jobs for MinJobAge (300 s by default).
state=$(scontrol show job "$1" 2>/dev/null | sed -n 's/.*JobState=\([A-Z_]*\).*/\1/p')
case "$state" in
    COMPLETED) echo success ;;
    PENDING | CONFIGURING | RUNNING | COMPLETING | SUSPENDED | REQUEUED) echo running ;;
    *) echo failed ;;
esac
