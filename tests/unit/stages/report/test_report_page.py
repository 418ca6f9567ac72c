"""The written report: its page, its files, its verdicts and its summary."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bayling_study.stages.report.__main__ import write_report
from bayling_study.stages.report.blocks import Cell, PageSection
from bayling_study.stages.report.collect import Study
from helpers import report_study
from helpers.report_study import CHRF2

PUBLISHED = (
    "translation\tzh-en\ttuned\tchrf2\t45.5\t1\tpublished\tTable 1\t\n"
    "translation\tde-en\ttuned\tchrf2\t90.0\t1\tpublished\tTable 1\tanother test set\n"
)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return report_study.make(tmp_path / "study")


def texts(row: list[Cell]) -> list[str]:
    return [cell.text for cell in row]


def chapter(sections: list[PageSection], name: str) -> PageSection:
    return next(section for section in sections if section.name == name)


def test_the_page_escapes_what_others_wrote(study: Study, tmp_path: Path) -> None:
    write_report(study, tmp_path / "report")
    page = (tmp_path / "report/index.html").read_text(encoding="utf-8")
    assert page.count("<script") == 1
    assert "&lt;script&gt;" in page
    assert "A small &lt;study&gt;" in page
    assert "\u202e" not in page
    assert len(page) < 1_000_000


def test_every_file_that_the_page_names_is_there(study: Study, tmp_path: Path) -> None:
    stale = study.folder / "report/tables/stale.tsv"
    stale.parent.mkdir(parents=True)
    stale.write_text("of an earlier report", encoding="utf-8")
    sections = write_report(study, study.folder / "report")
    assert not stale.exists()
    names = [table.name for section in sections for table in section.all_tables]
    assert len(names) == len(set(names))
    for name in names:
        assert (study.folder / f"report/tables/{name}.tsv").is_file()
    for section in sections:
        for table in section.all_tables:
            for row in table.rows:
                assert all((study.folder / "report" / c.link).is_file() for c in row if c.link)


def test_the_summary_has_headline_metrics_only(study: Study, tmp_path: Path) -> None:
    write_report(study, tmp_path)
    lines = (tmp_path / "tables/summary.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0].split("\t") == ["suite", "item", "metric", *CHRF2]
    assert lines[1].split("\t") == ["translation", "zh-en", "chrf2", "20.00", "45.50 ▲", "45.25"]
    assert len(lines) == 3


def test_without_published_values_one_sentence_says_so(study: Study, tmp_path: Path) -> None:
    section = chapter(write_report(study, tmp_path), "verdicts")
    assert section.text.startswith("No published value")
    assert not section.all_tables


def test_verdicts_show_published_values_only(tmp_path: Path) -> None:
    study = report_study.make(tmp_path / "study", PUBLISHED)
    section = chapter(write_report(study, tmp_path / "report"), "verdicts")
    (table,) = section.more["translation: 2 published values"]
    assert texts(table.rows[0])[:7] == [
        "zh-en", "tuned", "chrf2", "45.5", "45.5", "44.50 to 46.50", "reproduced",
    ]  # fmt: skip
    assert texts(table.rows[1])[6] == "differs"
    assert texts(section.tables[0].rows[0]) == ["translation", "1", "0", "1", "0"]
    assert [texts(table.rows[-1]) for table in section.tables] == [["all", "1", "0", "1", "0"]] * 2
    assert table.rows[0][4].link.endswith("scoring/tuned/translation.json")
    rows = (tmp_path / "report/verdicts.tsv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + 9


def test_a_replay_prints_its_verdicts(tmp_path: Path) -> None:
    study = report_study.make(tmp_path / "study", PUBLISHED)
    released = {"kind": "published", "source": "release", "folders": {"wmt22": "exp"}}
    config = type(study.config).model_validate(
        study.config.model_dump() | {"systems": dict.fromkeys(CHRF2, released)}
    )
    write_report(replace(study, config=config), tmp_path / "report")
    lines = (tmp_path / "report/tables/summary.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("suite\treproduced\tclose\tdiffers")
    assert lines[1].split("\t")[0] == "translation"
