from bayling_study.dag.devices import on_free_cards
from bayling_study.dag.layout import one_of

# A retry inside a scheduler's allocation would get no more memory or time, so
# remote jobs leave retries to the profile.
RETRIES = 0 if workflow.remote_exec else 2
# Under a scheduler the profile's set-threads decides; `workflow.cores` would then be an error.
ALL_CORES = workflow.resource_settings.cores or 1
# What waits for a core together starts in the order of what hangs on it: a model that is to be
# trained first, then answers, of which the rest is made. `commands/running/estimate.py` counts so.
# Snakemake adds up the priorities of jobs that it starts together: FIRST is worth more than any
# number of EARLY ones, or an export that needs two cores would wait for two generations.
# `make` has `commands/running/patient.py` choose: the longest first, and nothing in front of a
# training that only waits for what runs.
FIRST, EARLY = 10_000, 1
# A scheduler deals out GPUs and enforces a job's runtime; on one machine jobs take free cards.
# Resources, not parameters: where a job runs is no reason to run it again.
ON_SCHEDULER = workflow.remote_exec or not workflow.local_exec
SCHEDULED = str(int(ON_SCHEDULER))
ONE_GPU = "" if ON_SCHEDULER else on_free_cards("1")
ALL_GPUS = "" if ON_SCHEDULER else on_free_cards("all")
# Inside a job of a scheduler nothing is retried; `attempts: auto` follows from the time limit.
LIMITS = workflow.resource_settings if ON_SCHEDULER else None
TUNING_RETRIES = 0 if workflow.remote_exec else STUDY.tuning_attempts(LIMITS) - 1
