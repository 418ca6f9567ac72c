"""Prints the whole chain of a number: score, hypotheses, model, data, sources.

    python -m bayling_study.commands.why results/embedded/scoring/tuned/translation.json
    python -m bayling_study.commands.why --study results/embedded --run MLFLOW-RUN-ID

Every job is printed with its command, hashes and MLflow run; every file is hashed
again, and what no longer matches is said at the end (exit status 1).
"""

import shlex
import textwrap
from datetime import UTC, datetime
from pathlib import Path

from bayling_study.commands.why import chain
from bayling_study.commands.why.chain import SHOWN, CheckedFile, Link, RunIds
from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.shared.tracking.jobs import study_jobs

WIDTH = 110
WRONG = ("MISSING", "CHANGED", "READ")
"""How the status of a file begins that does not match its record."""

COMMAND_LINE = cli.command(
    __name__,
    file=cli.option("a file or folder of the study", positional=True, type=Path, nargs="?"),
    run=cli.option("id of an MLflow run, instead of a file"),
    study=cli.path("results folder; default: found from the file", required=False),
    uri=cli.option("tracking URI; default: the study's store"),
    no_verify=cli.option("do not hash the files again (large models)", action="store_true"),
)


def main() -> int:
    """Prints the chain; returns 1 where something no longer matches."""
    arguments = COMMAND_LINE.parse_args()
    file, run = arguments.file, arguments.run
    if (file is None) == (run is None):
        raise StudyError("name what to explain", fix="make why FILE=PATH, or make why RUN=ID")
    if file is None and arguments.study is None:
        raise StudyError("the study of a run is not known", fix="--study results/NAME")
    study = arguments.study or chain.nearest_study(file)
    jobs, runs = study_jobs(study), RunIds(study, arguments.uri)
    start = chain.jobs_behind(file, jobs) if file else [runs.job(run, jobs)]
    links = chain.chain_of(start, jobs, not arguments.no_verify)
    print(f"{file or 'run ' + run}, of {study.name}\n")
    for link in links:
        print("\n".join(render(link, runs)) + "\n")
    wrong = [line for link in links for line in mismatches(link)]
    checked = "not verified" if arguments.no_verify else f"{len(wrong)} mismatches"
    print(f"{len(links)} jobs, {checked}.")
    for line in wrong:
        print(f"  {line}")
    return 1 if wrong else 0


def render(link: Link, runs: RunIds) -> list[str]:
    """Returns the lines about one job."""
    record = link.job.record
    when = datetime.fromtimestamp(record["start"], UTC).strftime("%Y-%m-%d %H:%M UTC")
    took = "" if record["end"] is None else f", {record['end'] - record['start']:.0f} s"
    facts = [f"{record['state']}, {when}{took}", f"code {record['code'] or 'unknown'}"]
    facts += [f"commit {record['commit'][:SHOWN]}"] if record.get("commit") else []
    scheduled = record["host"].get("scheduler_job")
    facts += [f"scheduler job {scheduled}"] if scheduled else []
    lines = [f"[{link.number}] {link.job.title}", f"    {'; '.join(facts)}"]
    lines += [f"    MLflow run: {runs.of(record)}", f"    record: {link.job.file}"]
    lines += [f"    {_file('settings', link.settings)}"] if link.settings else []
    lines += [f"    {note}" for note in link.notes]
    lines += textwrap.wrap(
        shlex.join(record["command"]), WIDTH, initial_indent="    $ ", subsequent_indent="        ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    lines += [f"    made {_file(output.reference.name, output)}" for output in link.outputs]
    lines += [f"    from {_file(item.reference.name, item)}" for item in link.inputs]
    return lines


def _file(name: str, checked: CheckedFile) -> str:
    reference = checked.reference
    arrow = " <- " + ", ".join(f"[{number}]" for number in checked.makers) if checked.makers else ""
    digest = reference.sha256[:SHOWN] or "-"
    return f"{name}: {reference.shown} {digest} {checked.status}{arrow}"


def mismatches(link: Link) -> list[str]:
    """Returns what of a job's files no longer matches its record."""
    files = [*([link.settings] if link.settings else []), *link.outputs, *link.inputs]
    told = [(f"{item.reference.shown}: ", item.status) for item in files]
    told += [("", note) for note in link.notes]
    return [f"[{link.number}] {lead}{s}" for lead, s in told if s.startswith(WRONG)]


if __name__ == "__main__":
    cli.run_program(main)
