"""Opens the study for the Snakefile, which may be the module of another workflow.

A module's rules keep their paths, but for one thing Snakemake does not tell it apart from the
main workflow: ``--configfile`` and ``--config`` are the importing workflow's.
"""

import sys
from collections.abc import Mapping
from typing import Any

from bayling_study.core.errors import StudyError
from bayling_study.dag.rules import Dag

NEEDED = {"input-output", "sources"}
"""What jobs must share with Snakemake, of the words of ``--shared-fs-usage``."""


def open_study(workflow: Any, config: Mapping[str, Any]) -> Dag:
    """Reads the configuration, marks what is outdated, or ends with one clear message.

    ``config`` is what a ``module`` statement gives; a main workflow's files are read instead.
    """
    module = not workflow.modifier.is_main_snakefile()
    try:
        check_paths(workflow)
    except StudyError as error:
        sys.exit(f"error: {error.render()}")
    sdm = {str(name) for name in workflow.deployment_settings.deployment_method}
    files = () if module else workflow.configfiles
    given = config if module else workflow.config_settings.config
    dag = Dag.open(files, given, sdm=sdm, module=module)
    if not workflow.remote_exec:
        dag.mark_outdated()
    return dag


def check_paths(workflow: Any) -> None:
    """Checks that a path is one file, to Snakemake, to every job and to this package.

    Raises:
        StudyError: jobs would not share files, or Snakemake would move declared ones only:
            checkpoints, journals and run records are files beside them.
    """
    storage = workflow.storage_settings
    missing = NEEDED - {str(usage) for usage in storage.shared_fs_usage}
    if missing or storage.default_storage_provider:
        words = f"without {', '.join(sorted(missing))}" if missing else "with a default storage"
        what = "jobs share checkpoints, journals and run records beside their declared outputs"
        fix = "run where all jobs see one file system, without these options"
        raise StudyError(what, where=f"--shared-fs-usage {words}" if missing else words, fix=fix)
    modifier = workflow.modifier.path_modifier
    if modifier.prefix or modifier._prefix_replacements:
        what = "files beside the declared outputs would stay where they are"
        fix = "config: {study: {results: FOLDER/results, resources: FOLDER/resources}}"
        raise StudyError(what, where="module: prefix", fix=fix)
