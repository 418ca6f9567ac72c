"""The jobs of a study, from their run records."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.shared.tracking.host import is_alive

ORDER = ("failed", "lost", "interrupted", "running", "finished")
"""States, those that need a look first. ``lost``: the record says that the job runs, but its
process or its place in the queue is gone."""


class StartedJob(NamedTuple):
    """One job that has begun, ``STAGE/NAME``, in a state of ``ORDER``: with Unix times, the host
    and the scheduler's number of the job, if any, and the first line of what a failed one said."""

    title: str
    state: str
    start: float
    end: float | None
    where: str
    error: str
    log: Path | None
    record: Path


def jobs(study: Path, shared: Iterable[Path], alive: set[str] | None) -> list[StartedJob]:
    """Returns the jobs of a study's results folder and the shared ones by their start; ``alive``
    are the numbers of those in the scheduler's queue, or none if nobody knows."""
    files = [*study.glob("runs/*/*.json"), *(path for path in shared if path.is_file())]
    found = [job for path in files if (job := _read(path, alive)) is not None]
    return sorted(found, key=lambda job: job.start)


def _read(path: Path, alive: set[str] | None) -> StartedJob | None:
    try:
        record = read_json(path)
    except StudyError:  # replaced just now, or somebody's notes
        return None
    if not isinstance(record, dict) or not {"stage", "name", "state", "start"} <= set(record):
        return None
    host = record.get("host", {})
    number = host.get("scheduler_job", "")
    # As the rules name it: of the job's name, or of the only job of its stage.
    place, stage, state = path.parents[2] / "logs", record["stage"], record["state"]
    if state == "running":  # as far as one can know from here
        gone = alive is not None and number not in alive if number else not is_alive(host)
        state = "lost" if gone else state
    logs = (place / stage / f"{record['name']}.log", place / f"{stage}.log")
    return StartedJob(
        title=f"{record['stage']}/{record['name']}",
        state=state,
        start=record["start"],
        end=record.get("end"),
        where=f"{host.get('name', '?')}{f', job {number}' if number else ''}",
        error=str(record.get("error") or "").partition("\n")[0],
        log=next((log for log in logs if log.is_file()), None),
        record=path,
    )
