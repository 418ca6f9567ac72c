"""The full studies rehearsed off line: every source from a server on loopback, to the report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bayling_study.commands.rehearse.page import PASSED
from bayling_study.core.files import read_json
from helpers import ROOT
from helpers.rehearsals import rehearse
from helpers.stand_ins import lay_out
from helpers.upstream import upstream
from helpers.upstream.hub import TOKEN
from helpers.upstream.server import Upstreams

pytestmark = [
    pytest.mark.first,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        not (ROOT / ".venv" / "comet").exists(), reason="the environment 'comet' is missing"
    ),
]
OTHERS = ("bayling-7b", "bayling-13b", "bayling-2-7b", "bayling-2-13b")
STUDIES = [
    pytest.param("bayling-2-8b", marks=pytest.mark.slow),  # has every kind of suite and source
    *(pytest.param(name, marks=pytest.mark.long) for name in OTHERS),
]
WEIGHTS = (".safetensors", ".bin", ".ckpt")


@pytest.fixture(scope="module")
def upstreams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstreams]:
    with upstream(tmp_path_factory.mktemp("upstream")) as running:
        yield running


def environment(root: Path, upstreams: Upstreams) -> dict[str, str]:
    return upstreams.environment(root / "home", TOKEN)


def write_config(root: Path, name: str, upstreams: Upstreams) -> Path:
    """Writes a configuration that differs from the study's in where it fetches from."""
    lay_out(root, downloads=environment(root, upstreams))
    path = root / f"{name}.yaml"
    values = {
        "extends": [str(ROOT / "config" / "studies" / f"{name}.yaml")],
        "study": {"results": "results", "resources": "resources"},
        "download": {"mirrors": upstreams.mirrors},
    }
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_rehearsed_to_its_report(
    name: str, upstreams: Upstreams, tmp_path: Path
) -> None:
    config = write_config(tmp_path, name, upstreams)
    upstreams.asked.clear()
    status, words, left = rehearse(config, tmp_path, environment(tmp_path, upstreams))
    assert status == 0, words
    page = (left / "rehearsal.txt").read_text(encoding="utf-8")
    assert page.splitlines()[1] == PASSED, page
    assert (left / "report" / "index.html").is_file()
    receipts = [read_json(path) for path in (tmp_path / "resources").rglob("manifest.json")]
    assert {receipt["pin"] for receipt in receipts} == {"rehearsal"}
    assert not any(path.endswith(WEIGHTS) for path in upstreams.asked)
