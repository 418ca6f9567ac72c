"""Prints where a study is: jobs by state with their logs, the training, the queue.

    python -m bayling_study.commands.status --study-config config/config.yaml

Reads files only, so it works from any machine that sees the results folder.
``--watch SECONDS`` prints again and again.
"""

import time
from collections import Counter
from pathlib import Path

from bayling_study.commands.plan.jobs import job_counts
from bayling_study.commands.status.jobs import ORDER, StartedJob, jobs
from bayling_study.commands.status.queues.queued import Queued
from bayling_study.commands.status.queues.table import queued
from bayling_study.commands.status.times import duration
from bayling_study.commands.status.training import TrainingStatus, trainings
from bayling_study.config import load_config
from bayling_study.core import cli
from bayling_study.dag.rules import Dag

FINISHED_SHOWN = 5

COMMAND_LINE = cli.command(
    __name__,
    study_config=cli.STUDY_CONFIG,
    watch=cli.number(
        "seconds between two prints; without it, print once", 0, float, metavar="SECONDS"
    ),
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
    total = sum(job_counts(dag).values()) - (dag.layout.study / "runs" / "mlflow.json").is_file()
    lines = [f"{dag.config.study.title} ({name}), {time.strftime('%Y-%m-%d %H:%M:%S')}"]
    lines.append(_summary(found, total))
    lines += troubles
    lines += [_training_line(training) for training in trainings(dag.layout.study)]
    lines += _job_lines(found)
    if queue:
        lines += ["queue:", *(_queue_line(job) for job in queue)]
    return lines


def _summary(found: list[StartedJob], total: int) -> str:
    counts = Counter(job.state for job in found)
    parts = [f"{counts[state]} {state}" for state in reversed(ORDER) if counts[state]]
    return ", ".join([*parts, f"{max(0, total - len(found))} to come"])


def _training_line(training: TrainingStatus) -> str:
    steps = f"{training.step}/{training.steps or '?'}"
    text = f"training {training.system}: step {steps}, loss {training.loss:.3f}"
    text += f", {training.tokens_per_second:.0f} tokens/s, {duration(training.seconds_left)} left"
    text += f", saved at {training.saved}, attempt {training.attempts}"
    return f"{text}, last step {duration(training.age)} ago"


def _job_lines(found: list[StartedJob]) -> list[str]:
    lines = []
    for state in ORDER:
        of_state = [job for job in found if job.state == state]
        shown = of_state[-FINISHED_SHOWN:] if state == "finished" else of_state
        if shown:
            lines.append(f"{state}:" if shown == of_state else f"{state}, the last {len(shown)}:")
            lines += [line for job in shown for line in _lines_of(job)]
    return lines


def _lines_of(job: StartedJob) -> list[str]:
    took = duration((job.end or time.time()) - job.start)
    lines = [f"  {job.title:32} {took:>8}  {job.where}"]
    if job.error and job.state != "finished":
        lines.append(f"    {job.error}")
    if job.log is not None and job.state != "finished":
        lines.append(f"    log: {job.log}")
    return lines


def _queue_line(job: Queued) -> str:
    where = f"on {job.nodes}" if job.nodes else f"waits ({job.reason})"
    state = f"{job.state.lower():10} {job.time} of {job.limit}"
    return f"  {job.number:8} {job.rule:32} {state} {where}"


if __name__ == "__main__":
    cli.run_program(main)
