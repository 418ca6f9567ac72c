"""The sources of the full studies, fetched in part from the server of their upstreams."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from bayling_study.config import StudyConfig, load_config
from bayling_study.config.multiple_choice import HarnessSuite
from bayling_study.config.rehearsal import RehearsalSection
from bayling_study.config.study import DownloadSection
from bayling_study.core.files import read_json
from bayling_study.dag.layout import Layout
from bayling_study.shared.sources.table import SourceRow
from bayling_study.stages.download.__main__ import ensure
from helpers import ROOT
from helpers.upstream.server import Upstreams

SMALL = RehearsalSection(of="0" * 12, rows=3)
STUDIES = ("bayling-7b", "bayling-2-8b", "bayling-13b", "bayling-2-7b", "bayling-2-13b")


@cache
def study(name: str) -> StudyConfig:
    return load_config(ROOT / "config" / "studies" / f"{name}.yaml")


@cache
def users() -> dict[str, StudyConfig]:
    """Returns a study that uses it for each source that any uses."""
    found: dict[str, StudyConfig] = {}
    for name in STUDIES:
        for source in Layout(study(name)).used_sources():
            found.setdefault(source, study(name))
    return found


def table() -> dict[str, SourceRow]:
    """Returns the rows of all sources that a full study uses."""
    return {source: Layout(config).row(source) for source, config in users().items()}


def fetch(
    source: str, upstreams: Upstreams, out: Path, rows: int = 3, retries: int = 0
) -> dict[str, Any]:
    """Fetches the first rows of each file; returns the receipt."""
    row = Layout(users()[source]).row(source).model_copy(update={"first": rows})
    ensure(row, out, DownloadSection(retries=retries, mirrors=upstreams.mirrors), SMALL)
    receipt: dict[str, Any] = read_json(out / "manifest.json")
    return receipt


def corpora(kind: str) -> list[str]:
    return list(dict.fromkeys(
        corpus.source
        for name in ("bayling-7b", "bayling-2-8b")
        for corpus in getattr(study(name).corpora, kind)
    ))  # fmt: skip


def models() -> list[str]:
    return sorted(name for name, row in table().items() if row.location.startswith("models/"))


def harness_suites() -> dict[str, HarnessSuite]:
    suites = study("bayling-2-8b").suites.items()
    return {name: suite for name, suite in suites if isinstance(suite, HarnessSuite)}
