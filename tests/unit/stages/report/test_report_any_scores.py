"""The report stands whatever values scoring writes, and a block that fails leaves the others."""

from __future__ import annotations

import logging
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bayling_study.commands import summary
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json, write_jsonl
from bayling_study.core.records import Score, around, read_scores, write_scores
from bayling_study.stages.report import results
from bayling_study.stages.report.__main__ import write_report
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.figures import score_bars
from bayling_study.stages.report.heatmap import heat_map
from helpers import report_study
from helpers.report_study import SYSTEMS

LANGUAGES = ("cs", "da", "de", "es", "fi", "fr", "it")
DIRECTIONS = [f"{one}-en" for one in LANGUAGES] + [f"en-{one}" for one in LANGUAGES]
NAMES = ("chrf2", "bleu", "comet", "comet-embedded", "accuracy", "satisfaction.quotes", "win")
VALUES = st.one_of(
    st.sampled_from([0.0, 1e-9, 28.8, 100.0, -1.7, -250.0]),
    st.floats(-300.0, 300.0, allow_nan=False, allow_infinity=False),
)
SHIFTS = st.sampled_from([0.0, 0.0, 1e-14, -1e-14, 3.5, -3.5])
"""Of an interval's bounds: no width, rounding, and one that truly misses its value."""


def of(system: str, item: str, metric: str, value: float, **more: object) -> Score:
    return Score("translation", item, system, metric, value, None, None, 1, f"{metric}|v:1", **more)


@st.composite
def score_files(draw: st.DrawFn) -> dict[str, list[Score]]:
    """Draws the scores of some systems: any items and metrics, none at all too."""
    chosen = draw(st.lists(st.sampled_from([*SYSTEMS, "renamed"]), min_size=1, unique=True))
    items = draw(st.sampled_from([["zh-en"], ["all"], DIRECTIONS, [*DIRECTIONS, "average"]]))
    metrics = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    sign = draw(st.sampled_from([1, 1, -1]))
    files: dict[str, list[Score]] = {}
    for system in chosen:
        own = draw(st.lists(st.sampled_from(items), unique=True, max_size=len(items)))
        files[system] = []
        for item, metric in product(own, metrics):
            value = sign * abs(draw(VALUES)) if sign < 0 else draw(VALUES)
            score = of(system, item, metric, value)
            if draw(st.booleans()):
                ends = sorted((value + draw(SHIFTS), value + draw(SHIFTS)))
                score = Score(**{**vars(score), "low": ends[0], "high": ends[1]})
            files[system].append(score)
    return files


MISSED = Score(
    "translation", "zh-en", "tuned", "chrf2", 28.8, 28.800000000000004, 28.800000000000004, 1, ""
)
UNTRAINED = [of("foundation", item, "comet-embedded", -1.5) for item in DIRECTIONS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report_study.make(tmp_path_factory.mktemp("any") / "study").folder


def rewritten(folder: Path, files: dict[str, list[Score]]) -> Study:
    """Returns the study with these scores and no others; a system's answers are all empty."""
    for path in folder.glob("scoring/*/translation.json"):
        path.unlink()
    for system, scores in files.items():
        write_scores(folder / f"scoring/{system}/translation.json", scores)
    return Study(folder, report_study.config(folder / "published.tsv"))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(files=score_files())
@example(files={"tuned": [MISSED]})
@example(files={"foundation": UNTRAINED, "tuned": []})
def test_no_block_is_missing_whatever_scoring_writes(folder, files):
    known = [score for system in SYSTEMS for score in files.get(system, [])]
    study = rewritten(folder, files)
    if not known:
        with pytest.raises(StudyError, match="no scores"):
            write_report(study, folder / "report")
        return
    sections = write_report(study, folder / "report")
    assert study.missing == {}
    tables = {table.name for section in sections for table in section.all_tables}
    assert {f"translation-{score.metric}" for score in known} <= tables
    assert not (folder / "report" / "tables" / "missing.tsv").exists()


def test_intervals_are_stretched_over_rounding_and_no_further(tmp_path):
    assert around(28.8, 28.800000000000004, 28.800000000000004)["low"] == 28.8
    assert around(28.8, 28.7, 28.799999999999997) == {"low": 28.7, "high": 28.8}
    assert around(28.8, 29.5, 31.0) == {"low": 29.5, "high": 31.0}
    assert around(0.0, 1e-16, 0.5) == {"low": 0.0, "high": 0.5}
    write_scores(tmp_path / "scores.json", [MISSED])
    (score,) = read_scores(tmp_path / "scores.json")
    assert score.low == score.value == 28.8
    assert score.high == 28.800000000000004


@pytest.mark.parametrize("bound", [float("nan"), float("inf")])
def test_a_bound_that_is_no_number_is_never_written(tmp_path, bound):
    wrong = Score("s", "zh-en", "tuned", "bleu", 1.0, bound, 2.0, 9, "")
    with pytest.raises(StudyError, match=f"bleu of zh-en is {bound}"):
        write_scores(tmp_path / "scores.json", [wrong])
    assert not (tmp_path / "scores.json").exists()


def test_an_interval_that_misses_its_value_has_its_whisker_where_it_lies():
    outside, inside, low = (
        score_bars(["all"], ["tuned"], {("all", "tuned"): (10.0, *bounds)})
        for bounds in ((20.0, 30.0), (10.0, 30.0), (None, None))
    )
    assert len({outside, inside, low}) == 3


def test_a_map_below_zero_has_colours_and_numbers():
    svg = heat_map([of("foundation", i, "comet", -n) for n, i in enumerate(DIRECTIONS)], SYSTEMS)
    assert ">\N{MINUS SIGN}10<" in svg or ">-10<" in svg
    assert len(set(svg.split("fill: #")[1:])) > 3


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return report_study.make(tmp_path / "study")


def broken(*arguments: object) -> None:
    raise ZeroDivisionError("a fault\nof <our> code")


def test_a_block_that_fails_is_named_and_all_others_are_there(study, monkeypatch, caplog, capsys):
    whole = write_report(study, study.folder / "report")
    before = {path.name for path in (study.folder / "report").glob("*/*")}
    monkeypatch.setattr(results.figures, "score_bars", broken)
    again = Study(study.folder, study.config)
    with caplog.at_level(logging.ERROR):
        sections = write_report(again, study.folder / "report")
    assert [section.name for section in sections] == ["missing", *(s.name for s in whole)]
    after = {path.name for path in (study.folder / "report").glob("*/*")}
    assert before - after == {"translation-chrf2.svg"}
    assert after - before == {"missing.tsv", "missing.tex"}
    page = (study.folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "translation: bars of chrf2" in page
    assert "ZeroDivisionError: a fault\nof &lt;our&gt; code" in page
    assert "Traceback" in caplog.text
    assert "a fault" in caplog.text
    summary.show(study.folder)
    said = capsys.readouterr().out
    assert "Caution: the report lacks these blocks" in said
    assert "translation: bars of chrf2" in said
    assert "Main results" not in said and "chrf2" in said


@pytest.mark.parametrize(
    ("damaged", "block"),
    [
        ("scoring/tuned/translation.segments.jsonl", "answers of translation"),
        ("perplexity/tuned-int8.json", "chapter: export"),
        ("significance/comparisons.json", "main results: translation"),
        ("synthesis/default/audit.json", "chapter: data"),
        ("generation/tuned/translation.jsonl", "answers of translation"),
    ],
)
def test_a_file_of_one_block_that_cannot_be_read_leaves_the_others(study, damaged, block):
    (study.folder / damaged).write_text("{", encoding="utf-8")
    sections = write_report(study, study.folder / "report")
    assert block in study.missing
    assert damaged in study.missing[block]
    assert {"overview", "suite-translation", "environment"} <= {s.name for s in sections}


def test_a_full_disk_is_not_taken_for_a_missing_block(study, monkeypatch):
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results.figures, "score_bars", full)
    with pytest.raises(OSError, match="No space left"):
        write_report(study, study.folder / "report")


def test_one_system_without_answers_or_tests_has_its_report(study):
    write_json(study.folder / "significance/comparisons.json", {
        **read_json(study.folder / "significance/comparisons.json"), "comparisons": [],
    })  # fmt: skip
    rows = [{"id": f"zh-en/{n}", "turns": [""], "tokens": [0], "finish": ["stop"]} for n in (0, 1)]
    write_jsonl(study.folder / "generation/tuned/translation.jsonl", rows)
    alone = rewritten(study.folder, {"tuned": [MISSED], "foundation": []})
    sections = write_report(alone, study.folder / "report")
    assert alone.missing == {}
    (chapter,) = [section for section in sections if section.name == "suite-translation"]
    (table,) = chapter.tables
    assert [[cell.text for cell in row] for row in table.rows] == [["zh-en", "1", "28.80"]]
