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
from bayling_study.tracking.mlflow_store import Store, default_uri


def parser() -> argparse.ArgumentParser:
    """Returns the command line."""
    options = argparse.ArgumentParser(prog="python -m bayling_study.tracking", description=__doc__)
    options.add_argument("--study", type=Path, required=True, help="results folder of the study")
    options.add_argument("--shared", type=Path, nargs="*", default=[], help="shared jobs' records")
    options.add_argument(
        "--uri", default=None, help="tracking URI; default: the study's sqlite file"
    )
    options.add_argument("--out", type=Path, default=None, help="file that says what was sent")
    return options


def main() -> None:
    """Syncs every record of a study and closes the study's own run."""
    arguments = parser().parse_args()
    paths = [*arguments.shared, *sorted((arguments.study / "runs").glob("*/*.json"))]
    if not paths:
        raise StudyError(
            "no run records", where=arguments.study / "runs", fix="run the study first"
        )
    uri = arguments.uri or default_uri(arguments.study)
    store = Store(uri, arguments.study)
    sent = sum(store.sync(path) for path in paths)
    report = arguments.study / "report"
    pages = [report / name for name in ("index.html", "verdicts.tsv")]
    store.finish([read_json(path) for path in paths], [page for page in pages if page.exists()])
    print(f"MLflow: {len(paths)} runs, {sent} sent or changed", file=sys.stderr)
    if arguments.out:
        write_json(arguments.out, {"experiment": store.name, "runs": len(paths)})


if __name__ == "__main__":
    run_program(main)
