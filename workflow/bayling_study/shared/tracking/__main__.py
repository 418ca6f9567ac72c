"""Brings a study's MLflow runs up to date with its run records (idempotent).

Reads ``STUDY/runs/*/*.json``; writes the MLflow store and, if asked, a file on what was sent.
"""

import sys

from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_json
from bayling_study.shared.tracking.jobs import read_job, study_jobs
from bayling_study.shared.tracking.mlflow_store import send_study
from bayling_study.shared.tracking.target import target_of

COMMAND_LINE = cli.command(
    __name__,
    study=cli.STUDY,
    shared=cli.path("shared jobs' records", required=False, nargs="*", default=[]),
    uri=cli.option("default: the last sync's, MLFLOW_TRACKING_URI, or the study's sqlite file"),
    experiment=cli.option(
        "default: that of the last sync, MLFLOW_EXPERIMENT_NAME, or else the study's name"
    ),
    later=cli.option("only warn where the store cannot be reached", action="store_true"),
    out=cli.path("file that says what was sent", required=False),
)


def main() -> None:
    """Syncs every record of a study and closes the study's own run."""
    arguments = COMMAND_LINE.parse_args()
    jobs = study_jobs(arguments.study)
    known = {job.file.resolve() for job in jobs}
    jobs += [read_job(path) for path in arguments.shared if path.resolve() not in known]
    target = target_of(arguments.study, arguments.uri, arguments.experiment)
    answer = {"experiment": target.experiment, "runs": len(jobs), "uri": target.configured}
    try:
        sent = send_study(arguments.study, jobs, target)
        print(f"MLflow: {len(jobs)} runs, {sent} sent or changed", file=sys.stderr)
    except StudyError as error:
        if not arguments.later:
            raise
        print(f"warning: {error.render()}", file=sys.stderr)
        answer |= {"pending": error.what}
    if arguments.out:
        write_json(arguments.out, answer)


if __name__ == "__main__":
    cli.run_program(main)
