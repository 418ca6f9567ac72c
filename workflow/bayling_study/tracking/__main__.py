"""Brings a study's MLflow runs up to date with its run records (idempotent).

Reads ``STUDY/runs/*/*.json``; writes the MLflow store and, where asked for, a
small file that says what was sent.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bayling_study.cli import run_program
from bayling_study.errors import StudyError
from bayling_study.files import read_json, write_json
from bayling_study.tracking.jobs import study_jobs
from bayling_study.tracking.mlflow_store import Store, chosen_uri


def parser() -> argparse.ArgumentParser:
    """Returns the command line."""
    options = argparse.ArgumentParser(prog="python -m bayling_study.tracking", description=__doc__)
    options.add_argument("--study", type=Path, required=True, help="results folder of the study")
    options.add_argument("--shared", type=Path, nargs="*", default=[], help="shared jobs' records")
    options.add_argument(
        "--uri",
        default=None,
        help="tracking URI; default: MLFLOW_TRACKING_URI, or else the study's sqlite file",
    )
    options.add_argument(
        "--later", action="store_true", help="only warn where the store cannot be reached"
    )
    options.add_argument("--out", type=Path, default=None, help="file that says what was sent")
    return options


def main() -> None:
    """Syncs every record of a study and closes the study's own run."""
    arguments = parser().parse_args()
    paths = [job.file for job in study_jobs(arguments.study)]
    paths += [path for path in arguments.shared if path.resolve() not in map(Path.resolve, paths)]
    answer = {"experiment": arguments.study.name, "runs": len(paths), "uri": arguments.uri}
    uri = chosen_uri(arguments.uri or recorded_uri(arguments.study), arguments.study)
    try:
        answer |= sync(arguments.study, paths, uri)
    except StudyError as error:
        if not arguments.later:
            raise
        print(f"warning: {error.render()}", file=sys.stderr)
        answer |= {"pending": error.what}
    if arguments.out:
        write_json(arguments.out, answer)


def recorded_uri(study: Path) -> str | None:
    """Returns the store that the study's configuration names, as its last sync wrote it down."""
    path = study / "runs" / "mlflow.json"
    return read_json(path).get("uri") if path.is_file() else None


def sync(study: Path, paths: list[Path], uri: str) -> dict[str, object]:
    """Sends every record that changed and closes the study's own run; returns what was sent.

    Raises:
        StudyError: the store cannot be reached.
    """
    store = Store(uri, study)
    sent = sum(store.sync(path) for path in paths)
    pages = [study / "report" / name for name in ("index.html", "verdicts.tsv")]
    store.finish([read_json(path) for path in paths], [page for page in pages if page.exists()])
    print(f"MLflow: {len(paths)} runs, {sent} sent or changed", file=sys.stderr)
    return {"experiment": store.name}


if __name__ == "__main__":
    run_program(main)
