"""Prints where a study is: jobs by state with their logs, the queue.

    python -m bayling_study.commands.status --study-config config/config.yaml

Reads files only, so it works from any machine that sees the results folder.
``--watch SECONDS`` prints again and again.
"""

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

from bayling_study.commands.plan.jobs import job_names, record_of
from bayling_study.commands.running.meters import read_meter
from bayling_study.commands.status.queues import Queued, queued
from bayling_study.commands.summary import WIDTH, ending
from bayling_study.config import load_config
from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.dag.rules import Dag
from bayling_study.shared.tracking.host import is_alive

ORDER = ("failed", "lost", "interrupted", "running", "finished")
"""States, those that need a look first. ``lost``: the record says that the job runs, but its
process or its place in the queue is gone."""
TRACKED = Path("runs") / "mlflow.json"
"""What the job that tracks leaves in a study; it keeps no record of its own."""

COMMAND_LINE = cli.command(
    __name__,
    study_config=cli.STUDY_CONFIG,
    watch=cli.number("between two prints; else print once", 0, float, metavar="SECONDS"),
)


def main() -> None:
    """Prints the status, once or again and again."""
    options = COMMAND_LINE.parse_args()
    dag = Dag(load_config(*options.study_config))
    while True:
        print("\n".join(status(dag)), flush=True)
        if options.watch is None:
            return
        time.sleep(options.watch)
        print()


def status(dag: Dag) -> list[str]:
    """Returns the lines to print."""
    name = dag.config.study.name
    queue, troubles = queued(name, Path.cwd())
    # A machine with a queue need not be the one that the study runs on.
    alive = {job.number for job in queue} if queue else None
    found = jobs(dag.layout.study, dag.layout.shared_records(), alive)
    coming = to_come(dag, found)
    lines = [f"{dag.config.study.title} ({name}), {time.strftime('%Y-%m-%d %H:%M:%S')}"]
    counts = Counter(job.state for job in found)
    counts["finished"] += (dag.layout.study / TRACKED).is_file()
    parts = [f"{counts[state]} {state}" for state in reversed(ORDER) if counts[state]]
    parts.append(f"{len(coming)} to come")
    lines += [f"{counts.total() + len(coming)} jobs: {', '.join(parts)}", *troubles]
    for state in ORDER:
        shown = [line for job in found if job.state == state for line in _lines_of(job)]
        lines += [f"{state}:", *shown] if shown else []
    lines += [fill(f"to come: {', '.join(coming)}", WIDTH, subsequent_indent="  ")] * bool(coming)
    if queue:
        lines += ["queue:", *(_queue_line(job) for job in queue)]
    return lines if coming else [*lines, *ending(dag.layout.study)]


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
    )


def to_come(dag: Dag, found: list[StartedJob]) -> list[str]:
    """Returns the titles of the jobs that have not begun."""
    started = {job.title for job in found}
    started |= {"track/track"} if (dag.layout.study / TRACKED).is_file() else set()
    # The folder of a foundation carries a hash, which its record's name has too.
    started |= {title.rpartition("-")[0] for title in started if title.startswith("foundation/")}
    jobs = ((rule, name) for rule, names in job_names(dag).items() for name in names)
    titles = ("/".join(record_of(rule, name)) for rule, name in jobs)
    return [title for title in titles if title not in started]


def _lines_of(job: StartedJob) -> list[str]:
    took = duration((job.end or time.time()) - job.start)
    lines = [f"  {job.title:32} {took:>8}  {job.where}"]
    meter = read_meter(job.log) if job.log is not None and job.state == "running" else None
    lines += [f"    {meter.words}"] if meter else []
    told = [f"    {job.error}"] * bool(job.error) + [f"    log: {job.log}"] * bool(job.log)
    return lines if job.state == "finished" else [*lines, *told]


def duration(seconds: float) -> str:
    """Returns a time as people say it: ``45 s``, ``3:20 min`` or ``2:05 h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"


def _queue_line(job: Queued) -> str:
    where = f"on {job.nodes}" if job.nodes else f"waits ({job.reason})"
    state = f"{job.state.lower():10} {job.time} of {job.limit}"
    return f"  {job.number:8} {job.rule:32} {state} {where}"


if __name__ == "__main__":
    cli.run_program(main)
