"""From run records to MLflow's runs and back, by the id that both carry."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from bayling_study.core.errors import StudyError
from bayling_study.shared.tracking.jobs import RecordedJob
from bayling_study.shared.tracking.mlflow_store import runs_of
from bayling_study.shared.tracking.target import target_of

NOTHING = "not in MLflow (make track)"
RUNS = """SELECT iif(key = 'bayling.uid', value, ''), run_uuid FROM tags JOIN runs USING (run_uuid)
WHERE lifecycle_stage = 'active' AND (key = 'bayling.uid' OR key = 'mlflow.runName' AND value = ?)
"""


class RunIds:
    """The MLflow runs of a study's jobs; nothing is read before it is asked for.

    The default tracking URI is that of the last sync, or the study's own store.
    """

    def __init__(self, study: Path, uri: str | None = None) -> None:
        self._study = study
        self._target = target_of(study, uri)

    @cached_property
    def _runs(self) -> dict[str, str] | str:
        """Job's uid to run id (the study's own run under no uid), or why there are none."""
        local = Path(self._target.uri.removeprefix("sqlite:///"))
        if self._target.uri.startswith("sqlite:"):
            if not local.is_file():
                return NOTHING  # asking would create the store
            with suppress(sqlite3.Error):  # of another version: MLflow knows
                return _read(local, self._study.name)
        try:
            runs = runs_of(self._target.uri, self._study, self._target.experiment)
        except StudyError as error:
            return f"unknown: {error.what}"
        return {run.data.tags.get("bayling.uid", ""): str(run.info.run_id) for run in runs}

    def of(self, record: Mapping[str, Any]) -> str:
        """Returns the run id of a record, or why there is none."""
        return self._runs if isinstance(self._runs, str) else self._runs.get(record["uid"], NOTHING)

    def job(self, run_id: str, jobs: list[RecordedJob]) -> RecordedJob:
        """Returns the job of a run; of the study's own run, its report.

        Raises:
            StudyError: the store has no such run, or its record is gone.
        """
        if isinstance(self._runs, str):
            raise StudyError(f"no MLflow runs: {self._runs}", where=self._study)
        if run_id == self._runs.get(""):
            wanted = [job for job in jobs if job.record["stage"] == "report"]
        else:
            wanted = [job for job in jobs if self._runs.get(job.record["uid"]) == run_id]
        if not wanted:
            known = ", ".join(sorted(self._runs.values())[:3])
            raise StudyError(
                f"no job of the study has the run {run_id!r}",
                where=self._study,
                fix=f"a run id such as {known}" if known else "make track",
            )
        return wanted[0]


def _read(store: Path, study: str) -> dict[str, str]:
    """Returns what ``runs_of`` finds, without MLflow's client, whose import takes seconds."""
    with closing(sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        return dict(connection.execute(RUNS, (study,)))
