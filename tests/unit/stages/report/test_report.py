"""The report: what its tables say, and that hostile text does no harm."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from bayling_study.config.suites import Wmt22Suite
from bayling_study.config.systems import PublishedSystem
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.core.records import Score, write_scores
from bayling_study.stages.report.blocks import Cell, Table
from bayling_study.stages.report.cautions import warning_table
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.exports import change_table, export_section
from bayling_study.stages.report.facts import jobs_section
from bayling_study.stages.report.metrics import score_row
from bayling_study.stages.report.overview import main_tables, overview_section
from bayling_study.stages.report.results import result_sections
from bayling_study.stages.report.samples import LONGEST_SHOWN, marked, shown
from helpers import report_study
from helpers.report_study import CHRF2, HOSTILE, LONG_LINE


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return report_study.make(tmp_path / "study")


def texts(row: list[Cell]) -> list[str]:
    return [cell.text for cell in row]


def test_the_main_table_has_items_as_rows_and_marks_the_significantly_better(study: Study) -> None:
    (table,) = main_tables(study, "translation")
    assert table.headings == ["item", "chrf2 foundation", "chrf2 tuned", "chrf2 tuned-int8"]
    assert texts(table.rows[0]) == ["zh-en", "20.0", "45.5 ▲", "45.2"]
    assert table.rows[0][2].detail == "44.5 to 46.5"
    assert table.rows[0][2].link == "../scoring/tuned/translation.json"


def tell(
    study: Study, *pairs: tuple[str, str], metric: str = "chrf2", difference: float = -25.5
) -> Study:
    """Returns the study with a significant test of zh-en for each pair of systems, and no other."""
    path = study.folder / "significance/comparisons.json"
    found = read_json(path)
    first = found["comparisons"][0] | {"metric": metric, "difference": difference}
    names = ({"system_a": a, "system_b": b} for a, b in pairs)
    write_json(path, found | {"comparisons": [first | pair for pair in names]})
    return Study(study.folder, study.config)


@pytest.mark.parametrize(
    ("pairs", "bold"),
    [
        ([("foundation", "tuned")], False),
        ([("foundation", "tuned"), ("foundation", "tuned-int8")], False),
        ([("foundation", "tuned"), ("tuned", "tuned-int8")], True),
        ([("tuned-int8", "tuned"), ("tuned", "foundation")], True),
    ],
)
def test_the_best_is_bold_where_tests_tell_it_from_every_other(
    study: Study, pairs: list[tuple[str, str]], bold: bool
) -> None:
    (table,) = main_tables(tell(study, *pairs), "translation")
    assert [cell.strong for cell in table.rows[0]] == [False, False, bold, False]


def test_nothing_is_bold_where_all_are_equal_and_a_missing_interval_is_left_out(
    study: Study,
) -> None:
    (table,) = main_tables(study, "translation")
    row = next(row for row in table.rows if row[0].text == "de-en")
    assert not any(cell.strong for cell in row)
    assert [cell.detail for cell in row] == ["", "", "", ""]


def test_too_many_columns_become_one_table_a_metric(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    for system in CHRF2:
        path = study.folder / f"scoring/{system}/translation.json"
        more = report_study.score(system, "bleu", "zh-en", 5.0)
        write_scores(path, [*report_study.scores(system), more])
    assert [table.name for table in main_tables(study, "translation")] == ["main-translation"]
    monkeypatch.setattr("bayling_study.stages.report.overview.WIDEST", 5)
    names = [table.name for table in main_tables(study, "translation")]
    assert names == ["main-translation-chrf2", "main-translation-bleu"]


def test_the_smallest_is_best_where_less_is_better(study: Study) -> None:
    rows: dict[str, Score] = {
        name: report_study.score(name, "unparseable", "zh-en", value)
        for name, value in (("foundation", 9.0), ("tuned", 2.0))
    }
    told = tell(study, ("foundation", "tuned"), metric="unparseable", difference=7.0)
    cells = score_row(told, rows, ["foundation", "tuned", "tuned-int8"])
    assert [(cell.text, cell.strong) for cell in cells] == [
        ("9.00", False),
        ("2.00 ▲", True),
        ("–", False),
    ]


def test_only_headline_metrics_are_open_and_have_figures(study: Study) -> None:
    (section,) = result_sections(study)
    assert [table.title for table in section.tables] == ["chrf2"]
    assert [figure.name for figure in section.all_figures] == ["translation-chrf2"]
    folded = section.more["More metrics: satisfaction"]
    assert [table.title for table in folded] == ["satisfaction.quotes"]
    assert "Never trained on: de-en." in section.text


def test_a_study_without_scores_says_so(tmp_path: Path) -> None:
    study = Study(tmp_path, report_study.config(tmp_path / "published.tsv"))
    with pytest.raises(StudyError, match="no scores"):
        _ = study.scores


def test_the_running_report_is_no_job_of_the_study(study: Study) -> None:
    rows = jobs_section(study).more["Every job"][0].rows
    assert len(rows) == 4
    assert not any("report" in warning[0].text for warning in warning_table(study).rows)


def test_a_killed_job_is_a_warning(study: Study) -> None:
    path = study.folder / "runs/tuning/job.json"
    write_json(path, read_json(path) | {"state": "killed"})
    assert ["job tuning/job", "ended as killed"] in [texts(r) for r in warning_table(study).rows]


def test_small_items_and_settings_of_our_own_are_warnings(study: Study) -> None:
    found = [row[0].text for row in warning_table(study).rows]
    assert "translation: items of 100 segments" in found
    assert "job: schedule cosine" in found


def test_the_change_of_the_export_is_export_minus_base(study: Study) -> None:
    (row,) = change_table(study, "tuned-int8", "tuned").rows
    assert texts(row)[3:] == ["45.50", "45.25", "-0.25", "no"]
    assert row[5].detail == "-0.50 to +0.25"


def test_the_export_chapter_shows_perplexity_and_errors_of_8_bit_tensors(study: Study) -> None:
    section = export_section(study)
    perplexity = next(t for t in section.tables if t.name == "perplexity-tuned-int8")
    assert [texts(row) for row in perplexity.rows] == [
        ["tuned", "12.500", "12.000 to 13.000"],
        ["tuned-int8", "12.625", "12.100 to 13.100"],
        ["change", "0.125", "0.100 to 0.150"],
    ]
    assert "900 tokens" in perplexity.note and "97.5 %" in perplexity.note
    assert "q_proj" in section.figures[0].svg
    assert "norm" not in section.figures[0].svg


def test_answers_differ_from_the_reference_in_marked_words() -> None:
    spans = marked("the green house", "the red house")
    assert [(span.text, span.new) for span in spans] == [
        ("the ", False),
        ("green ", True),
        ("house", False),
    ]
    assert [span.text for span in marked("我爱猫", "我爱狗") if span.new] == ["猫"]
    assert [span.text for span in marked("", "the red house")] == ["(empty)"]


def test_shown_text_is_short_and_has_nothing_invisible() -> None:
    assert len(shown(LONG_LINE)) < LONGEST_SHOWN + 100
    assert "1,000,000 characters" in shown(LONG_LINE)
    assert "⟨U+202E⟩" in shown(HOSTILE)
    assert "⟨U+0007⟩" in shown(HOSTILE)
    assert shown("a\u200db\nc") == "a\u200db\nc"


def test_a_table_is_also_tsv_and_latex() -> None:
    row = [Cell("a\tb_1"), Cell("2.0 ▲", detail="1 to 3", strong=True, number=True)]
    table = Table("t", "T", ["item", "sys"], [row], groups=[("", 1), ("bleu", 1)])
    parsed = list(csv.reader(table.tsv().splitlines(), dialect="excel-tab"))
    assert parsed == [["item", "bleu sys"], ["a\tb_1", "2.0 ▲ [1 to 3]"]]
    assert "b\\_1 & \\textbf{2.0 $\\blacktriangle$} \\\\" in table.latex()
    assert "\\begin{tabular}{lr}" in table.latex()


def test_latex_takes_no_cell_for_a_command() -> None:
    rows = [[Cell("[bos] 50 % & more\n\nline"), Cell("2", number=True)], [Cell("b"), Cell("3")]]
    lines = Table("t", "T", ["item", "sys"], rows).latex().splitlines()
    assert lines[:2] == ["% \\usepackage{booktabs,amssymb}", "\\begin{tabular}{lr}"]
    assert lines[5] == "{[}bos] 50 \\% \\& more  line & 2 \\\\"
    assert lines[6:] == ["b & 3 \\\\", "\\bottomrule", "\\end{tabular}"]


def test_the_first_page_counts_jobs_and_time(study: Study) -> None:
    facts = dict(overview_section(study).facts)
    assert facts["jobs"] == "4, 0.3 minutes of work"
    assert facts["wall time"].startswith("0.3 minutes during which a job was running")


def test_only_scored_directions_of_trained_systems_are_called_never_trained(study: Study) -> None:
    study.config.suites["translation"] = Wmt22Suite(kind="wmt22", directions=["zh-en", "de-fr"])
    assert "Never trained on: de-fr." in result_sections(study)[0].text
    study = Study(study.folder, study.config)
    for name in study.config.systems:
        study.config.systems[name] = PublishedSystem(kind="published", source="s", folders={})
    assert "Never trained" not in result_sections(study)[0].text
