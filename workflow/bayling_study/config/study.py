"""Sections ``study``, ``environments``, ``download`` and ``tracking``."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator, model_validator

from bayling_study.config.base import Name, Section

Folder = Annotated[str, StringConstraints(pattern=r"^[\w./+@%:=,][\w./+@%:=,-]*$")]
"""A path that goes into the command lines of jobs: no spaces, quotes or other shell signs, and
no dash at the start, which would make it an option."""


class StudySection(Section):
    """What this study is called and where it lives."""

    name: Name = "embedded"
    """Folder of the results and name of the MLflow experiment: that of the study's file, without
    ``.yaml``. No overlay changes it."""
    title: str = "Embedded study"
    """Heading of the report."""
    seed: int = Field(default=20230619, ge=0)
    """Root of every random choice; each stage derives its own from it and its name."""
    results: Folder = "results"
    """Folder under which each study gets a folder of its own name."""
    resources: Folder = "resources"
    """Folder of downloads and foundation checkpoints, shared by all studies."""

    @model_validator(mode="after")
    def _apart(self) -> "StudySection":
        """`make clean` removes a study's results and never what is shared."""
        study = Path(os.path.normpath(Path(self.results) / self.name))
        shared = Path(os.path.normpath(self.resources))
        if study == shared or study in shared.parents or shared in study.parents:
            what = f"results of this study ({study}) and resources ({shared}) lie in one another"
            raise ValueError(f"{what}; write study.results: results and study.resources: resources")
        return self


class EnvironmentsSection(Section):
    """Where the interpreters of ready-made environments are (unused with ``--sdm``)."""

    comet_python: str = ".venv/comet/bin/python"
    """Interpreter of the environment that holds unbabel-comet."""
    container: str = "bayling-study.sif"
    """Image with both environments for ``--sdm apptainer``, built from ``envs/container.def``."""


class DownloadSection(Section):
    """How sources of ``config/sources.tsv`` are fetched."""

    manifest: str = "config/sources.tsv"
    """Table of all sources; hashes in it are never overridden."""
    local: dict[str, str] = {}
    """Source id to a local path that replaces the download: a folder in the upstream layout
    (complete or partial; it is used in place) or the upstream file (it must have the pinned
    hash)."""
    mirrors: dict[str, str] = {}
    """Location prefix to the prefix that replaces it. An account for a mirror's host is read from
    ``~/.netrc`` (mode 600); a password may not stand here."""
    retries: int = Field(default=5, ge=0)
    """Consecutive attempts that bring nothing new before a transfer counts as failed."""
    timeout: float = Field(default=60.0, gt=0)
    """Seconds without a byte, or below the rate ``slowest``, that end an attempt."""
    slowest: float = Field(default=1024.0, ge=0)
    """Bytes per second, averaged over ``timeout``, below which an attempt ends."""


TRACKING_SCHEMES = (
    *("sqlite", "http", "https", "postgresql", "mysql", "mssql"),
    *("databricks", "databricks-uc"),
)
"""Kinds of MLflow stores; MLflow 3 refuses plain folders."""


class TrackingSection(Section):
    """How run records reach MLflow."""

    uri: str | None = None
    """Tracking URI; none means an sqlite file in the study's results folder."""

    @field_validator("uri")
    @classmethod
    def _known_scheme(cls, uri: str | None) -> str | None:
        scheme = uri.split(":")[0].split("+")[0] if uri else ""
        if uri and scheme not in TRACKING_SCHEMES:
            known = f"a tracking URI begins with one of {', '.join(TRACKING_SCHEMES)}, for example"
            such = "sqlite:////data/mlflow.db, https://mlflow.example.org or databricks://PROFILE"
            raise ValueError(f"{known} {such}")
        return uri

    experiment: str | None = None
    """Name of the MLflow experiment; none means the study's name. Databricks wants a
    workspace path, such as ``/Shared/bayling``."""

    @model_validator(mode="after")
    def _databricks_path(self) -> "TrackingSection":
        path = (self.experiment or "").startswith("/")
        if (self.uri or "").startswith("databricks") and not path:
            what = "Databricks names experiments by their path"
            raise ValueError(f"{what}; write experiment: /Shared/NAME")
        return self

    live: bool = True
    """Send training metrics while training runs, not only when the study ends."""
    flush_seconds: float = Field(default=15.0, gt=0)
    """Seconds between two live transfers."""
