"""The chapters on data and warnings, and the table on the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from bayling_study.commands.summary import table as aligned
from bayling_study.core.files import write_json
from bayling_study.core.records import Prompt, write_prompts, write_scores
from bayling_study.stages.report.blocks import PageSection, Table
from bayling_study.stages.report.cautions import warning_table
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.data import (
    add_audit,
    corpora_tables,
    data_section,
    rejected_samples,
)
from helpers import report_study

AUDIT = {
    "conversations": 30,
    "wanted": {"translation/zh-en": 22, "general": 10},
    "by_recipe": {"translation": 20, "general": 10},
    "by_recipe_and_direction": {"translation/zh-en": 20, "general/none": 10},
    "by_demand": {},
    "tokens": {
        "real": 4000, "supervised": 1000, "supervised_share": 0.25, "truncated": 0,
        "by_recipe": {"translation": {"real": 3000, "supervised": 900, "supervised_share": 0.3}},
        "histogram": [{"to": 128, "count": 20}, {"to": None, "count": 10}],
    },
    "rejected": {"mixture": [{"reason": "too long", "count": 7, "samples": []}], "corpora": []},
}  # fmt: skip


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return report_study.make(tmp_path / "study")


def body(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def add_source(study: Study, pin: str, checked: str = "", sha256: str = "") -> None:
    """Writes a download and a job that read it."""
    folder = study.folder / "download/corpus-1234"
    source = {"id": "corpus", "location": "somewhere", "revision": "1.0", "licence": "CC0-1.0"}
    files = [{"path": "a", "sha256": "0", "bytes": 3 * 2**20}]
    source["sha256"] = sha256
    manifest = {"source": source, "pin": pin, "listing": "ab" * 32, "files": files}
    manifest |= {"checked": checked} if checked else {}
    write_json(folder / "manifest.json", manifest)
    record = study.records[0] | {"inputs": {"corpus": {"path": str(folder), "sha256": "0"}}}
    write_json(study.folder / "runs/corpora/job.json", record)
    del study.own_records


def test_a_source_shows_licence_size_and_how_it_is_pinned(study: Study) -> None:
    add_source(study, "table")
    (table,) = data_section(study).tables
    expected = ["corpus", "somewhere", "1.0", "CC0-1.0", "3.0 MiB", "pinned in the source table"]
    assert body(table) == [expected]
    assert table.rows[0][-1].detail == "ab" * 8


@pytest.mark.parametrize(("pin", "warned"), [("table", False), ("lock", True), ("local", True)])
def test_only_sources_that_the_table_does_not_pin_are_warnings(
    study: Study, pin: str, warned: bool
) -> None:
    add_source(study, pin)
    found = [row[0] for row in body(warning_table(study))]
    assert ("sources: corpus" in found) == warned


def test_corpora_tell_what_was_rejected_most_often_first() -> None:
    group = {"read": 100, "kept": 90, "rejected": {"short": 3, "markup": 7}}
    report = {
        "parallel": {
            "groups": {"catalogues/zh": group},
            "segments": {"zh": {"train": 60, "test": 30}},
            "documents": {"train": 6, "test": 3},
        }
    }
    cleaned, split = corpora_tables(report)
    assert body(cleaned) == [["catalogues/zh", "100", "90", "10", "markup 7; short 3"]]
    assert body(split) == [["zh", "60", "30"]]
    assert "6 train, 3 test" in split.note


def test_an_audit_shows_tokens_wanted_rows_and_rejections() -> None:
    section = PageSection("data", "Data")
    add_audit(section, "mix", AUDIT)
    assert body(section.tables[0]) == [
        ["translation", "20", "3,000", "900", "30.0 %", "–", "–"],
        ["all", "30", "4,000", "1,000", "25.0 %", "–", "–"],
    ]
    (folded,) = section.more.values()
    tables = {table.name: body(table) for table in folded}
    assert tables["audit-mix-wanted"] == [
        ["translation/zh-en", "22", "20"],
        ["general", "10", "10"],
    ]
    assert tables["audit-mix-rejected"] == [["mixture", "too long", "7"]]
    assert "audit-mix-demand" not in tables
    assert "longer" in section.figures[0].svg


def test_many_empty_and_few_cut_answers(study: Study) -> None:
    facts = {"translation": {"turns": 100, "empty": 40, "truncated": 2}}
    write_json(study.folder / "generation/tuned/system.json", {"suites": facts})
    found = [row[0] for row in body(warning_table(study))]
    assert "empty answers: tuned on translation 40 %" in found
    assert not any(what.startswith("truncated") for what in found)


def test_an_exam_score_no_better_than_one_letter_for_all_is_a_warning(study: Study) -> None:
    exams = {"exams": {"kind": "exams", "tasks": ["sat-math"]}}
    changed = {**study.config.model_dump(), "suites": exams}
    study.config = type(study.config).model_validate(changed)
    letters = ["A", "A", "B", "C"]
    prompts = [Prompt(f"sat-math/{n}", "exams", "sat-math", {}, ["?"], [letter])
               for n, letter in enumerate(letters)]  # fmt: skip
    write_prompts(study.folder / "prompts/exams.jsonl", prompts)
    for system, value in (("foundation", 50.5), ("tuned", 60.0)):
        row = report_study.score(system, "accuracy", "sat-math", value, suite="exams")
        write_scores(study.folder / f"scoring/{system}/exams.json", [row])
    found = {row[0]: row[1] for row in body(warning_table(study))}
    assert "(foundation)" in found["exams: 1 of 2 accuracies at chance level"]


def test_the_embedded_metric_is_never_mistaken_for_comet(study: Study) -> None:
    row = report_study.score("tuned", "comet-embedded", "zh-en", 0.5, low=0.4, high=0.6)
    write_scores(study.folder / "comet/score/tuned/translation.json", [row])
    write_json(study.folder / "comet/training/correlation.json", {"spearman": 0.625})
    found = dict(body(warning_table(study)))
    assert "Spearman 0.62 on held-out" in found["comet-embedded is not COMET"]


def test_the_terminal_table_is_aligned(tmp_path: Path) -> None:
    path = tmp_path / "summary.tsv"
    path.write_text("item\tsystem\nzh-en\t1.0\nlonger-item\t20.0 ▲\n", encoding="utf-8")
    lines = aligned(path).splitlines()
    assert lines[1] == "-----------  ------"
    assert lines[2].index("1.0") == lines[3].index("20.0")


@pytest.mark.parametrize(
    ("checked", "sha256", "warning"),
    [
        ("local, not checked", "0" * 64, "local, not checked: others"),
        ("local, 1 of 2 files checked", "", "local, 1 of 2 files checked: others"),
        ("local, checked", "", "hash locked at the first download"),
        ("local, checked", "0" * 64, ""),
    ],
)
def test_a_local_copy_says_how_much_of_it_was_checked(
    study: Study, checked: str, sha256: str, warning: str
) -> None:
    add_source(study, "local", checked, sha256)
    (table,) = data_section(study).tables
    assert table.rows[0][-1].text == checked
    found = [row[1] for row in body(warning_table(study)) if row[0] == "sources: corpus"]
    assert [why.startswith(warning) for why in found] == ([True] if warning else [])


def test_rejected_rows_are_shown_as_many_as_asked_for():
    rows = [["a", "b"], ["c", "d"], ["e", "<f>"]]
    report = {"parallel": {"samples": {"url": rows}}, "conversations": {"samples": {}}}
    (table,) = rejected_samples(report, 2)
    assert [cell.text for row in table.rows for cell in row] == [
        *("url", '["a", "b"]', "url", '["c", "d"]')
    ]
    assert rejected_samples(report, 0) == []


def test_the_languages_of_corpora_are_shown_and_what_is_not_checked() -> None:
    side = {"group": "ha/hsb", "language": "en", "heard": 200, "voted": 160, "foreign": 4}
    unknown = {"group": "ha/hsb", "language": "hsb", "heard": 90}
    (table,) = [
        table
        for table in corpora_tables({"parallel": {"languages": [side, unknown]}})
        if table.name == "languages"
    ]
    assert body(table) == [
        ["ha/hsb", "en", "200", "160", "2.5 %"],
        ["ha/hsb", "hsb", "90", "–", "not checked"],
    ]


def test_missing_languages_and_odd_rows_are_warnings(study: Study) -> None:
    segments = {"de": {"train": 5, "test": 1}, "fr": {"train": 0, "test": 0}}
    odd = {"read": 9, "kept": 6, "rejected": {"does not fit its format": 3}}
    report = {"parallel": {"segments": segments, "groups": {"src/de": odd}}}
    write_json(study.folder / "corpora/report.json", report)
    found = dict(body(warning_table(study)))
    assert found["no segment is left of fr"] == "nothing is learnt or tested in them"
    assert "rows that do not fit their format: src/de 3" in found
