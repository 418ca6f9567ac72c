#!/bin/sh
# Says how a SLURM job is, for cluster-generic: success, failed or running.
# A job is `failed` only where SLURM says so, since a failed job is sent again: beside a live one,
# both would write the same files. Who cannot be asked now is asked again at the next look.
job=${1%%;*} # sbatch --parsable may answer NUMBER;CLUSTER

judge() {
    case "$1" in
        COMPLETED) echo success ;;
        PENDING | CONFIGURING | RUNNING | COMPLETING | SUSPENDED | STOPPED | RESIZING | SIGNALING | \
            STAGE_OUT | REQUEUE* | RESV_DEL_HOLD | SPECIAL_EXIT) echo running ;;
        *) echo failed ;;
    esac
}

known=$(scontrol show job "$job" 2>&1)
state=$(printf '%s\n' "$known" | sed -n 's/.*JobState=\([A-Z_]*\).*/\1/p' | head -n 1)
if [ -n "$state" ]; then
    judge "$state"
    exit
fi

# The controller is busy, or forgot the job: it remembers ended ones for MinJobAge (300 s by default).
recorded=$(sacct --noheader --parsable2 --allocations --format=State --jobs="$job" 2>&1)
asked=$?
state=$(printf '%s\n' "$recorded" | sed -n 's/^\([A-Z][A-Z_]*\)\( by .*\)\{0,1\}$/\1/p' | tail -n 1)
if [ "$asked" -eq 0 ] && [ -n "$state" ]; then
    judge "$state"
    exit
fi

# Neither has a state. A controller that answers and knows no such job runs none; how it ended can
# still be told later by an accounting that is only out of reach, not by one that does not exist.
case "$known" in
    *"Invalid job id"*)
        case "$asked:$recorded" in
            0:* | *disabled* | 127:*) echo failed ;;
            *) echo running ;;
        esac
        ;;
    *) echo running ;;
esac
