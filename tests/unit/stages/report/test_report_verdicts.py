"""The table of published values, and the verdicts on scores."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bayling_study.config import load_config
from bayling_study.core.errors import StudyError
from bayling_study.core.records import Score
from bayling_study.stages.report.published_table import (
    COLUMNS,
    Published,
    read_published,
    whole_sizes,
)
from bayling_study.stages.report.verdicts import Verdict, VerdictContext, ratio_scores, verdicts
from helpers import ROOT

TABLE = ROOT / "config" / "published.tsv"
STUDY = VerdictContext({"tuned-one": "tuned", "released": "published"}, ["wmt22"], {})


def score(
    value: float, system: str = "released", metric: str = "bleu", item: str = "zh-en"
) -> Score:
    return Score("wmt22", item, system, metric, value, value - 1, value + 1, 100, "sig")


def known(
    text: str, kind: str = "published", system: str = "released", metric: str = "bleu"
) -> Published:
    decimals = len(text.partition(".")[2])
    return Published(
        "wmt22", "zh-en", system, metric, float(text), text, decimals, kind, "source", "a note"
    )


def judge(value: float, published: Published, context: VerdictContext = STUDY) -> Verdict:
    ours = score(value, published.system, published.metric)
    return verdicts([ours], [published], context)[0]


@pytest.mark.parametrize(
    ("ours", "text", "verdict"),
    [
        (20.3073, "20.31", "reproduced"),
        (20.305, "20.31", "reproduced"),
        (20.34, "20.31", "close"),
        (20.40, "20.31", "differs"),
        (89.23, "89", "reproduced"),
    ],
)
def test_verdict_at_the_published_decimals(ours: float, text: str, verdict: str) -> None:
    assert judge(ours, known(text)).verdict == verdict


def test_a_run_of_our_own_is_close_within_its_interval() -> None:
    assert judge(20.9, known("20.31", system="tuned-one")).verdict == "close"
    assert judge(20.9, known("20.31")).verdict == "differs"
    assert judge(22.0, known("20.31", system="tuned-one")).verdict == "differs"


def test_kinds_of_published_values() -> None:
    assert judge(80.0, known("80.0", "approximate")).verdict == "not comparable"
    assert judge(50.0, known("50", "not-recomputable")).verdict == "not comparable"
    recomputed = judge(20.31, known("20.31", "recomputed"))
    assert recomputed.verdict == "reproduced" and "not the paper's" in recomputed.reason
    assert "from memory" in judge(20.31, known("20.30", "recalled")).reason


def test_a_difference_is_explained_by_the_note() -> None:
    row = judge(14.96, known("21.26", metric="accuracy"))
    assert row.verdict == "differs" and row.reason == "ours is 6.3 lower; a note"


@pytest.mark.parametrize(
    ("segments", "verdict"), [(3, "not comparable"), (1875, "differs"), (2000, "not comparable")]
)
def test_a_partial_copy_is_not_comparable(segments: int, verdict: str) -> None:
    """Also where its value happens to be near the published one, and for a run of our own."""
    whole = STUDY._replace(sizes={("wmt22", "zh-en"): 1875})
    for system in ("released", "tuned-one"):
        row = verdicts(
            [replace(score(35.0, system), n=segments)], [known("20.31", system=system)], whole
        )[0]
        assert row.verdict == verdict
        if verdict == "not comparable":
            assert f"{segments:,} of 1,875 segments" in row.reason
    lucky = verdicts([replace(score(20.31), n=segments)], [known("20.31")], whole)[0]
    assert (lucky.verdict == "reproduced") == (segments == 1875)


def test_sizes_of_all_published_items_are_known() -> None:
    """The replay study's; numbers of the release's files are held by tests of the oracle."""
    suites = load_config(ROOT / "config" / "studies" / "replay.yaml").suites
    named = {(row.suite, row.item) for row in read_published(TABLE) if row.suite in suites}
    sizes = whole_sizes(suites)
    assert len(named) > 50 and named <= set(sizes)
    assert sizes["bayling-80", "alpaca"] == 320
    assert sizes["exams", "gaokao-average"] == 2072
    assert sizes["wmt22", "four-directions"] == 7933


def test_missing_scores_say_why() -> None:
    absent = VerdictContext(
        STUDY.systems, ["wmt22"], {("wmt22", "zh-en", "released"): "no folder x"}
    )
    assert verdicts([], [known("1.0")], absent)[0].reason == "no outputs: no folder x"
    assert "COMET" in verdicts([], [known("1.0", metric="comet")], STUDY)[0].reason
    other = VerdictContext(STUDY.systems, [], {})
    assert "no suite 'wmt22'" in verdicts([], [known("1.0")], other)[0].reason


def test_unpublished_scores_and_unknown_systems() -> None:
    rows = verdicts([score(1.0)], [known("2.0", system="somebody")], STUDY)
    assert [row.verdict for row in rows] == ["no published value"]
    assert len(rows[0].cells()) == 13


def test_comet_relative_to_gpt4_is_the_headline() -> None:
    labels = {
        (row.item, row.system): row.value
        for row in read_published(TABLE)
        if row.metric == "comet" and row.kind == "published"
    }
    scores = [score(value, name, "comet", item) for (item, name), value in labels.items()]
    found = {(s.item, s.system): s.value for s in ratio_scores(scores)}
    assert round(found["four-directions", "bayling-13b"], 2) == 95.53
    assert round(found["four-directions", "bayling-7b"], 2) == 95.31
    assert round(found["zh-en", "bayling-13b"], 2) == 93.88
    assert ("zh-en", "gpt-4") not in found


def test_the_table_is_whole() -> None:
    rows = read_published(TABLE)
    exams = [row for row in rows if row.suite == "exams" and row.kind == "published"]
    assert sum(not row.item.endswith(("average", "average-8")) for row in exams) == 108
    metrics = Counter((row.suite, row.metric, row.kind) for row in rows)
    assert metrics["wmt22", "comet", "published"] == 44
    assert metrics["wmt22", "comet", "approximate"] == 90
    assert metrics["wmt22", "bleu", "recomputed"] == 134 + 6 * 8  # six systems that ALMA released
    alma = {row.key[1:]: row.text for row in rows if row.system == "alma-13b-r"}
    assert alma["zh-en", "alma-13b-r", "bleu"] == "23.21"
    assert alma["en-zh", "alma-13b-r", "chrf2"] == "33.04"
    assert metrics["wmt22-zh-prompt", "bleu", "recomputed"] == 18
    assert metrics["human-evaluation", "first-places", "not-recomputable"] == 15
    triples = [row for row in rows if row.metric in ("win", "tie", "loss")]
    sums = Counter[str]()
    for row in triples:
        sums[row.item] += int(row.value)
    assert len(sums) == 16 and set(sums.values()) == {80}


def test_exam_averages_follow_from_the_cells() -> None:
    cells: dict[str, dict[str, float]] = {}
    averages = []
    for row in read_published(TABLE):
        if row.suite == "exams" and row.kind == "published":
            if "average" in row.item:
                averages.append(row)
            else:
                cells.setdefault(row.system, {})[row.item] = row.value
    assert averages
    for row in averages:
        own = cells[row.system]
        gaokao = [value for task, value in own.items() if task.startswith("gaokao")]
        english = [value for task, value in own.items() if not task.startswith("gaokao")]
        without = sum(english) - own["logiqa-zh"]
        means = {
            "gaokao-average": sum(gaokao) / 9,
            "english-average": sum(english) / 9,
            "english-average-8": without / 8,
        }
        assert abs(means[row.item] - row.value) < 0.0051, row


HEADER = "\t".join(COLUMNS)
GOOD = "s\ti\ty\tbleu\t1.50\t2\tpublished\twhere\t"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("suite\titem", ":1: the first line must name the columns"),
        (f"{HEADER}\n{GOOD}\n{GOOD}", ":3: .* is duplicated"),
        (f"{HEADER}\n{GOOD.replace('1.50', 'nan')}", ":2: 'nan'"),
        (f"{HEADER}\n{GOOD.replace('1.50', '1.5')}", ":2: '1.5' does not have '2' decimals"),
        (f"{HEADER}\n{GOOD.replace('published', 'guessed')}", "unknown kind 'guessed'"),
        (f"{HEADER}\n{GOOD.replace('where', '')}", "names no source"),
        (f"{HEADER}\na\tb", "2 cells where 9"),
    ],
)
def test_a_malformed_table_names_the_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "published.tsv"
    path.write_text(text)
    with pytest.raises(StudyError, match=told):
        read_published(path)
