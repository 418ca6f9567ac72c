#!/usr/bin/env bash
# snakemake 9.27.1: the job with the highest priority waits while two of lower priority run.
# One would guess: of all jobs that could start, the one with the highest priority starts first.
# What happens: the default scheduler takes the set of jobs whose sum of priorities is largest, so
# two jobs of priority 20 go before one of priority 30 that needs both cores. The greedy scheduler
# starts the one of priority 30. A priority above the sum of all that fits beside it helps.
# Output seen: default: small small large; greedy: large small small;
# default with priority 50: large small small.
. "$(dirname "$0")/common.sh"
packages snakemake==9.27.1
cat > Snakefile <<"END"
rule all:
    input:
        "large",
        "small-1",
        "small-2",


rule large:
    output:
        "large",
    threads: 2
    priority: config["large"]
    shell:
        "echo large >> order; sleep 1; touch {output}"


rule small:
    output:
        "small-{number}",
    priority: 20
    shell:
        "echo small >> order; sleep 1; touch {output}"
END
order() {
    rm -f order large small-*
    snakemake --cores 2 --quiet all "$@" 2> log || { cat log; exit 1; }
    paste -sd" " order
}
default=$(order --config large=30)
greedy=$(order --config large=30 --scheduler greedy)
above=$(order --config large=50)
echo "default: $default; greedy: $greedy; default with priority 50: $above"
[ "$default" = "small small large" ]
[ "$greedy" = "large small small" ]
[ "$above" = "large small small" ]
