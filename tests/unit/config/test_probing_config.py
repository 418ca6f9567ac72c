"""Which languages and systems are probed, and what is refused before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bayling_study.commands.plan.jobs import job_counts
from bayling_study.config.loading import parse_config
from bayling_study.config.model import StudyConfig
from bayling_study.core.errors import StudyError
from bayling_study.dag.layout import Layout
from bayling_study.dag.rules import Dag
from helpers.tiny import write_study


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = write_study(tmp_path_factory.mktemp("study"))
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def study(values: dict[str, Any], *languages: str, **systems: Any) -> StudyConfig:
    changed = {**values, "probing": {"languages": list(languages)}}
    changed["systems"] = {**values["systems"], **systems}
    return parse_config(changed, "mine.yaml")


@pytest.mark.parametrize(
    ("languages", "reason"),
    [(["fr"], "fr"), (["en"], "en"), (["zh", "zh"], "occurs twice"), ([], "at least 1")],
)
def test_languages_without_a_corpus_are_refused(
    values: dict[str, Any], languages: list[str], reason: str
) -> None:
    with pytest.raises(StudyError, match=reason) as caught:
        study(values, *languages)
    assert "probing.languages" in str(caught.value)


def test_systems_with_a_model_are_probed_in_their_first_seed(values: dict[str, Any]) -> None:
    server = {"kind": "endpoint", "url": "http://127.0.0.1:8000/v1", "model": "one"}
    again = {**values["systems"]["tuned"], "seed": 2}
    config = study(values, "zh", "de", server=server, again=again)
    assert Layout(config).probed() == ["foundation", "tuned", "tuned-int8"]
    assert job_counts(Dag(config))["probing"] == 3
    assert config.probing is not None and config.probing.texts == 2 * 2 * 100 + 3 * 230
    assert Layout(parse_config(values, "mine.yaml")).probed() == []


def test_the_settings_of_a_job_do_not_name_systems(values: dict[str, Any], tmp_path: Path) -> None:
    config = study({**values, "study": {**values["study"], "results": str(tmp_path)}}, "zh")
    text = Path(Dag(config).settings("probing")).read_text(encoding="utf-8")
    assert '"zh"' in text and "systems" not in text


def test_where_no_system_has_a_model_here_nothing_is_probed_nor_read_for_it() -> None:
    server = {"kind": "endpoint", "url": "http://127.0.0.1:8000/v1", "model": "one"}
    corpus = {"source": "homeassistant", "reader": "homeassistant", "languages": {"zh": "zh"}}
    values = {"study": {"name": "mine"}, "corpora": {"parallel": [corpus]}}
    values |= {"systems": {"server": server}, "probing": {"languages": ["zh"]}}
    counts = job_counts(Dag(parse_config(values, "mine.yaml")))
    assert not {"probing", "corpora"} & set(counts)
