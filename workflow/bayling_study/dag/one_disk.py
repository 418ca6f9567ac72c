"""Refuses what would move a study's declared files alone."""

from typing import Any

from bayling_study.core.errors import StudyError


def check_one_disk(workflow: Any) -> None:
    """Checks that a path is one file to Snakemake, every job and this package, or raises."""
    storage, paths = workflow.storage_settings, workflow.modifier.path_modifier
    missing = {"input-output", "sources"} - {str(usage) for usage in storage.shared_fs_usage}
    found = [f"--shared-fs-usage without {word}" for word in sorted(missing)]
    found += ["--default-storage-provider"] if storage.default_storage_provider else []
    found += ["prefix of the module"] if paths.prefix or paths._prefix_replacements else []
    if found:
        what = "jobs share checkpoints, journals and run records beside their declared outputs"
        fix = "one file system for all jobs; study.results and study.resources name folders"
        raise StudyError(what, where=", ".join(found), fix=fix)
