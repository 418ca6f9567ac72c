# A retry inside a scheduler's allocation would get no more memory or time, so
# remote jobs leave retries to the profile.
RETRIES = 0 if workflow.remote_exec else 2
TUNE_RETRIES = 0 if workflow.remote_exec else STUDY.config.tuning.attempts - 1
# Under a scheduler the profile's set-threads decides; `workflow.cores` would then be an error.
ALL_CORES = workflow.resource_settings.cores or 1
# On one machine each job takes free GPUs for itself; a scheduler has dealt them out already.
ONE_GPU = "" if workflow.remote_exec else "python -m bayling_study.devices --gpus 1 --"
ALL_GPUS = ONE_GPU.replace("1", "all")
# Only a scheduler enforces a job's runtime.
LIMITED = int(workflow.remote_exec)
