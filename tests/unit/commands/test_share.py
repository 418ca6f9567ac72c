"""`make share`: the zip holds what the report links to, and the same report is the same zip."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from bayling_study.commands.share import linked, pack
from bayling_study.core.errors import StudyError
from bayling_study.stages.report.__main__ import write_report
from helpers import report_study


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "small"
    write_report(report_study.make(folder), folder / "report")
    return folder


def test_every_link_is_alive_where_it_is_unpacked(study: Path, tmp_path: Path) -> None:
    count = pack(study, tmp_path / "small.zip")
    with zipfile.ZipFile(tmp_path / "small.zip") as archive:
        archive.extractall(tmp_path / "there")
        names = archive.namelist()
    assert len(names) == count == len(set(names))
    found = linked(tmp_path / "there/small/report/index.html")
    assert len(found) > 20
    assert [path for path in found if not path.is_file()] == []
    assert "small/scoring/tuned/translation.json" in names
    assert "small/report/verdict.json" in names
    assert "small/generation/tuned/translation.jsonl" not in names  # nothing links to it


def test_the_same_report_is_the_same_zip(study: Path, tmp_path: Path) -> None:
    pack(study, tmp_path / "one.zip")
    for path in study.rglob("*.json"):
        os.utime(path, (1, 1))
        path.chmod(0o600)
    pack(study, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_other_pages_links_count_too_and_hidden_files_do_not(study: Path, tmp_path: Path) -> None:
    (study / "report/answers.html").write_text(
        '<a href="../prompts/translation.jsonl#a">p</a> <a href="https://example.org/x">web</a>'
        '<img src="data:image/png;base64,AA"><a href="#top">top</a>'
        '<a href="index.html">back</a><script>const page = "<a href=\'gone\'>";</script>',
        encoding="utf-8",
    )
    (study / "report/.index.html.host.tmp").write_text("half a page")
    pack(study, tmp_path / "small.zip")
    names = zipfile.ZipFile(tmp_path / "small.zip").namelist()
    assert "small/prompts/translation.jsonl" in names and "small/report/answers.html" in names
    assert not any("tmp" in name for name in names)


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("../gone.json", "not in the study"),
        ("../../secret", "not in the study"),
        ("%2e%2e/%2e%2e/secret", "not in the study"),
    ],
)
def test_a_link_that_leads_nowhere_or_out_is_refused(
    study: Path, tmp_path: Path, link: str, said: str
) -> None:
    (tmp_path / "secret").write_text("of another")
    (study / "report/more.html").write_text(f'<a href="{link}">x</a>', encoding="utf-8")
    with pytest.raises(StudyError, match=said):
        pack(study, tmp_path / "small.zip")
    assert not (tmp_path / "small.zip").exists()


def test_a_study_without_a_report_has_nothing_to_share(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no report yet"):
        pack(tmp_path, tmp_path / "small.zip")
