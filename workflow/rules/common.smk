# A retry inside a scheduler's allocation would get no more memory or time, so
# remote jobs leave retries to the profile.
RETRIES = 0 if workflow.remote_exec else 2
