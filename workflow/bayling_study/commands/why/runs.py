"""From run records to MLflow's runs and back, by the id that both carry."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from bayling_study.core.errors import StudyError
from bayling_study.shared.tracking.jobs import RecordedJob
from bayling_study.shared.tracking.mlflow_store import runs_of
from bayling_study.shared.tracking.target import target_of

NAME = "mlflow.runName"
NOTHING = "not in MLflow (make track)"


class RunIds:
    """The MLflow runs of a study's jobs, by default from the last sync's store or the study's own;
    nothing is read before it is asked for."""

    def __init__(self, study: Path, uri: str | None = None) -> None:
        self._study = study
        self._target = target_of(study, uri)

    @cached_property
    def _runs(self) -> dict[str, str] | str:
        """Job's uid, or ``system/NAME`` or ``study/NAME``, to run id; or why there are none."""
        local = self._target.uri.removeprefix("sqlite:///")
        if local != self._target.uri and not Path(local).is_file():
            return NOTHING  # asking would create the store
        try:
            runs = runs_of(self._target.uri, self._study, self._target.experiment)
        except StudyError as error:
            return f"unknown: {error.what}"
        found = ((run.data.tags, str(run.info.run_id)) for run in runs)
        kind = "bayling.kind"
        return {tags.get("bayling.uid", f"{tags[kind]}/{tags[NAME]}"): run for tags, run in found}

    def of(self, record: Mapping[str, Any]) -> str:
        """Returns the run id of a record, or why there is none."""
        return self._runs if isinstance(self._runs, str) else self._runs.get(record["uid"], NOTHING)

    def job(self, run_id: str, jobs: list[RecordedJob]) -> RecordedJob:
        """Returns the job of a run: of the study's own, its report; of a system's, its scores
        (``StudyError`` if the store has no such run, or its record is gone)."""
        if isinstance(self._runs, str):
            raise StudyError(f"no MLflow runs: {self._runs}", where=self._study)
        key = next((key for key, run in self._runs.items() if run == run_id), "")
        kind, _, name = key.partition("/")
        title = {"study": "report/report", "system": f"scoring/{name}"}.get(kind)
        wanted = [job for job in jobs if key == job.record["uid"] or title == job.title]
        if not wanted:
            known = ", ".join(sorted(self._runs.values())[:3])
            fix = f"a run id such as {known}" if known else "make track"
            what = f"no job of the study has the run {run_id!r}"
            raise StudyError(what, where=self._study, fix=fix)
        return wanted[0]
