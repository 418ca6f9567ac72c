"""The end of `make study`: results, then the verdict, then the report's path."""

from __future__ import annotations

from pathlib import Path

import pytest

from bayling_study.commands import summary
from bayling_study.core.errors import StudyError
from bayling_study.shared.verdict import read_verdict
from bayling_study.stages.report.__main__ import write_report
from helpers import report_study


def printed(study: Path, capsys: pytest.CaptureFixture) -> str:
    summary.show(study)
    return str(capsys.readouterr().out)


def test_the_verdict_comes_last_before_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    write_report(report_study.make(tmp_path), tmp_path / "report")
    table, verdict, path = printed(tmp_path, capsys).strip().split("\n\n")
    assert table.splitlines()[2].split() == [
        "translation",
        "zh-en",
        "chrf2",
        "20.00",
        "45.50",
        "▲",
        "45.25",
    ]
    assert " ".join(verdict.split()) == " ".join(read_verdict(tmp_path))
    assert verdict.startswith("tuned is better than foundation on translation: chrF2")
    assert max(map(len, verdict.splitlines())) <= summary.WIDTH
    assert path == f"Report: {tmp_path}/report/index.html"


def test_a_report_without_a_verdict_ends_with_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    write_report(report_study.make(tmp_path), tmp_path / "report")
    (tmp_path / "report/verdict.json").unlink()
    assert len(printed(tmp_path, capsys).strip().split("\n\n")) == 2


@pytest.mark.parametrize("text", ["[]", '{"sentences": "one"}', '{"sentences": [1]}', "{}"])
def test_a_damaged_verdict_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report/verdict.json").write_text(text)
    with pytest.raises(StudyError, match=r"verdict\.json: no list of sentences"):
        read_verdict(tmp_path)
