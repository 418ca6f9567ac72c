"""Which MLflow store and experiment a study goes to. The configuration says both, and the sync
leaves them in ``STUDY/runs/mlflow.json``; commands that only have the folder (``make track``) read
them there, lest a study end up in two places."""

import os
from pathlib import Path
from typing import Any, NamedTuple

from bayling_study.core.credentials import ADVICE, has_credentials
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json

EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"
"""MLflow's own variable; without it the experiment is called as the study."""


class Target(NamedTuple):
    """Where the runs of a study are, or go to: the store's tracking URI and the experiment."""

    uri: str
    experiment: str
    configured: str | None
    """The URI that was asked for or written down; none means the environment's or the study's
    own store, which moves with its folder."""


def target_of(study: Path, uri: str | None = None, experiment: str | None = None) -> Target:
    """Returns where a study's runs are: as asked for, as its last sync wrote down, or by default
    (``StudyError`` if the URI carries a password)."""
    path = study / "runs" / "mlflow.json"
    known: dict[str, Any] = read_json(path) if path.is_file() else {}
    # What was written down about one store says nothing about another one.
    same = uri is None or uri == known.get("uri")
    name = experiment or (known.get("experiment") if same else None)
    configured = uri or known.get("uri")
    return Target(chosen_uri(configured, study), chosen_experiment(name, study), configured)


def default_uri(study: Path) -> str:
    """Returns the address of the study's own sqlite store."""
    return f"sqlite:///{study.resolve() / 'mlflow.db'}"


def chosen_uri(configured: str | None, study: Path) -> str:
    """Returns the URI given, the environment's or the study's (``StudyError`` with a password)."""
    uri = configured or os.environ.get("MLFLOW_TRACKING_URI") or default_uri(study)
    if has_credentials(uri):
        where = "MLFLOW_TRACKING_URI" if not configured else "tracking URI"
        raise StudyError("the tracking URI carries a password or token", where=where, fix=ADVICE)
    return uri


def chosen_experiment(configured: str | None, study: Path) -> str:
    """Returns the experiment's name: the one given, the environment's, or the study's."""
    return configured or os.environ.get(EXPERIMENT) or study.name
