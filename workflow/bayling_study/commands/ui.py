"""MLflow's pages of a study, or of all studies beside it in one store, on the loopback address.

``python -m bayling_study.commands.ui --study results/NAME [--all] [--port 5000]``
"""

import json
import os
import sys
from pathlib import Path
from urllib.parse import quote

from bayling_study.commands.serve.guard import LOOPBACK, claimed
from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.shared.tracking.jobs import study_jobs
from bayling_study.shared.tracking.mlflow_store import reached, send_study
from bayling_study.shared.tracking.target import Target, default_uri, target_of

COMMAND_LINE = cli.command(
    __name__,
    study=cli.STUDY,
    all=cli.option("all studies that lie beside it", action="store_true"),
    port=cli.number("port to listen on", default=5000),
)


def main() -> None:
    """Prints the address of the runs' page and serves it until the process is ended."""
    arguments = COMMAND_LINE.parse_args()
    study = arguments.study.resolve()
    target = target_of(study)
    if target.uri.startswith("http") and not arguments.all:
        print(f"{target.uri}/#/{runs_page(target.uri, [target.experiment])}")
        return
    claimed(arguments.port).close()  # a port that is taken is said now
    names = [target.experiment]
    if arguments.all:
        target, names = together(study.parent)
    elif target.uri == default_uri(study) and not (study / "mlflow.db").is_file():
        raise StudyError("the study has no MLflow runs yet", where=study, fix="make study")
    page = runs_page(target.uri, names)
    print(f"http://{LOOPBACK}:{arguments.port}/#/{page}  (Ctrl-C ends it)", flush=True)
    command = ["mlflow", "server", "--backend-store-uri", target.uri, "--workers", "1"]
    command += ["--host", LOOPBACK, "--port", str(arguments.port)]
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.execv(sys.executable, [sys.executable, "-m", *command])


def together(results: Path) -> tuple[Target, list[str]]:
    """Brings the studies of a folder into one store, ``mlflow.db`` in it; returns that and them
    (``StudyError`` if there are no run records, or the store failed)."""
    uri = default_uri(results)
    studies = sorted({record.parents[2] for record in results.glob("*/runs/*/*.json")})
    if not studies:
        raise StudyError("no study with run records", where=results, fix="run a study first")
    for study in studies:
        send_study(study, study_jobs(study), Target(uri, study.name, uri))
    return Target(uri, "", uri), [study.name for study in studies]


def runs_page(uri: str, names: list[str]) -> str:
    """Returns the page with the runs of some experiments, as it is called after ``/#/``
    (``StudyError`` if the store cannot be reached, or has no such experiment)."""
    from mlflow import MlflowClient

    with reached(uri):
        client = MlflowClient(tracking_uri=uri)
        found = [client.get_experiment_by_name(name) for name in names]
    ids = [experiment.experiment_id for experiment in found if experiment]
    if not ids:
        raise StudyError(f"no experiment {names[0]!r}", where=uri, fix="make track")
    if len(ids) == 1:
        return f"experiments/{ids[0]}/runs"
    return f"compare-experiments/s?experiments={quote(json.dumps(ids))}"


if __name__ == "__main__":
    cli.run_program(main)
