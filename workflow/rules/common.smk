from bayling_study.devices import export_place
from bayling_study.layout import one_of

# A retry inside a scheduler's allocation would get no more memory or time, so
# remote jobs leave retries to the profile.
RETRIES = 0 if workflow.remote_exec else 2
TUNE_RETRIES = 0 if workflow.remote_exec else STUDY.config.tuning.attempts - 1
# Under a scheduler the profile's set-threads decides; `workflow.cores` would then be an error.
ALL_CORES = workflow.resource_settings.cores or 1
export_place(scheduled=workflow.remote_exec)
