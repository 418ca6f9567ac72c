"""Brings a study's MLflow runs up to date with its run records (idempotent).

Reads ``STUDY/runs/*/*.json``; writes the MLflow store and, where asked for, a
small file that says what was sent.
"""

import sys
from pathlib import Path

from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.shared.tracking.jobs import study_jobs
from bayling_study.shared.tracking.mlflow_store import Store
from bayling_study.shared.tracking.target import Target, target_of

COMMAND_LINE = cli.command(
    __name__,
    study=cli.STUDY,
    shared=cli.path("shared jobs' records", required=False, nargs="*", default=[]),
    uri=cli.option(
        "tracking URI; default: that of the last sync, MLFLOW_TRACKING_URI, or else the"
        " study's sqlite file"
    ),
    experiment=cli.option(
        "experiment; default: that of the last sync, MLFLOW_EXPERIMENT_NAME, or else the"
        " study's name"
    ),
    later=cli.option("only warn where the store cannot be reached", action="store_true"),
    out=cli.path("file that says what was sent", required=False),
)


def main() -> None:
    """Syncs every record of a study and closes the study's own run."""
    arguments = COMMAND_LINE.parse_args()
    paths = [job.file for job in study_jobs(arguments.study)]
    paths += [path for path in arguments.shared if path.resolve() not in map(Path.resolve, paths)]
    target = target_of(arguments.study, arguments.uri, arguments.experiment)
    answer = {"experiment": target.experiment, "runs": len(paths), "uri": target.configured}
    try:
        sync(arguments.study, paths, target)
    except StudyError as error:
        if not arguments.later:
            raise
        print(f"warning: {error.render()}", file=sys.stderr)
        answer |= {"pending": error.what}
    if arguments.out:
        write_json(arguments.out, answer)


def sync(study: Path, paths: list[Path], target: Target) -> None:
    """Sends every record that changed and closes the study's own run.

    Raises:
        StudyError: the store cannot be reached.
    """
    store = Store(target.uri, study, target.experiment)
    sent = sum(store.sync(path) for path in paths)
    pages = [study / "report" / name for name in ("index.html", "verdicts.tsv")]
    store.finish([read_json(path) for path in paths], [page for page in pages if page.exists()])
    print(f"MLflow: {len(paths)} runs, {sent} sent or changed", file=sys.stderr)


if __name__ == "__main__":
    cli.run_program(main)
