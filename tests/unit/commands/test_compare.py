"""Two studies side by side: what differs, what is shared, what the tests say."""

import re
import sys
from pathlib import Path

import pytest

from bayling_study.commands.compare.__main__ import main, mark
from bayling_study.commands.compare.scores import pairs
from bayling_study.commands.compare.sides import differences, side_of
from bayling_study.config.model import StudyConfig
from bayling_study.core.errors import StudyError
from bayling_study.core.records import (
    Hypothesis,
    Prompt,
    Score,
    write_hypotheses,
    write_prompts,
    write_scores,
)
from bayling_study.dag.settings import Settings
from bayling_study.shared.tracking.record import RunRecord
from bayling_study.stages.report.significance import difference

GOOD, BAD = "the green house stands near the river", "house the a of of"
SEGMENTS = 30


PART = "singleturn.en"
JUDGED = {"kind": "judged", "judge": "judge", "baseline": "foundation", "parts": [PART]}


def config(name: str, rate: float = 2e-5, **suites: dict) -> dict:
    tuned = {"kind": "tuned", "base": "foundation", "mixture": "default"}
    judge = {"judge": {"kind": "endpoint", "url": "http://localhost:1/v1", "model": "m"}}
    return {
        "study": {"name": name},
        "systems": {"foundation": {"kind": "foundation", "source": "m"}, "tuned": tuned} | judge,
        "suites": {"translation": {"kind": "translation", "directions": ["zh-en"]}} | suites,
        "tuning": {"learning_rate": rate},
        "scoring": {"bootstrap": {"samples": 200}},
    }


def make(results: Path, name: str, answers: dict[str, str], rate=2e-5, shift=0, **suites: dict):
    """Writes a scored study; ``shift`` of its first prompts have a reference of their own."""
    study = results / name
    prompts = [
        Prompt(
            f"zh-en/{n}", "translation", "zh-en", {"source": "zh", "target": "en"},
            [f"translate {n}"], [f"{GOOD} {n}" if n >= shift else f"another text {n}"],
        )
        for n in range(SEGMENTS)
    ]  # fmt: skip
    write_prompts(study / "prompts/translation.jsonl", prompts)
    parsed = StudyConfig.model_validate(config(name, rate, **suites))
    for system, answer in answers.items():
        rows = [Hypothesis(p.id, [f"{answer} {n}"], [3], ["stop"]) for n, p in enumerate(prompts)]
        write_hypotheses(study / f"generation/{system}/translation.jsonl", rows)
        signature = "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0"
        score = Score(
            "translation", "zh-en", system, "chrf2", 50.0, 49.0, 51.0, SEGMENTS, signature
        )
        write_scores(study / f"scoring/{system}/translation.json", [score])
        settings = Settings(parsed, study / "settings").stage("scoring")
        record = RunRecord(study / f"runs/scoring/{system}.json", "scoring", system, name, "c0de")
        record.data["settings"] = {"path": str(settings), "sha256": ""}
        record.input("outputs", study / f"generation/{system}")
        record.output("scores", study / f"scoring/{system}")
        record.close("finished")
    tuning = RunRecord(study / "runs/tuning/tuned.json", "tuning", "tuned", name, "c0de")
    path = Settings(parsed, study / "settings").stage("tuning", "tuned")
    tuning.data["settings"] = {"path": str(path), "sha256": ""}
    tuning.close("finished")


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    make(folder, "one", {"tuned": BAD, "other": GOOD})
    make(folder, "two", {"tuned": GOOD}, rate=1e-4)
    return folder


def test_what_differs_and_the_score_that_got_better_are_reported(results):
    a, b = side_of("one", results), side_of("two", results)
    found = {(row.kind, row.what): (row.a, row.b) for row in differences(a, b)}
    assert found["config", "tuning.learning_rate"] == ("2e-05", "0.0001")
    assert not [what for kind, what in found if kind in ("code", "environment") and "tuned" in what]
    (pair,) = pairs(a, b)
    assert (pair.system, pair.test["n"], mark(pair), pair.note) == ("tuned", SEGMENTS, "▲", "")
    assert pair.b == pytest.approx(100.0) and pair.a < 60
    assert difference(pair.test, "B")[1] > 0


def test_two_systems_of_one_study(results):
    (pair,) = pairs(side_of("one:tuned", results), side_of("one:other", results))
    assert pair.system == "tuned / other"
    assert mark(pair) == "▲" and pair.b > pair.a


def test_a_judges_reviews_are_compared_and_not_the_answers(tmp_path):
    answers = {"tuned": BAD, "foundation": GOOD}
    asked = [Prompt(f"{PART}/{n}", "open", PART, {"target": "en"}, [f"{n}?"], []) for n in range(9)]
    for name, ours in (("one", 2), ("two", 9)):
        make(tmp_path, name, answers, open=JUDGED)
        study = tmp_path / name
        write_prompts(study / "prompts/open.jsonl", asked)
        for system in answers:
            rows = [Hypothesis(p.id, ["so"], [1], ["stop"]) for p in asked]
            write_hypotheses(study / f"generation/{system}/open.jsonl", rows)
        text = "Score of the Assistant {}: {}\nScore of the Assistant {}: {}"
        rows = [
            Hypothesis(f"{p.id}/{order}", [text.format(*shown)], [1], ["stop"])
            for p in asked
            for order, shown in ((1, (1, ours, 2, 5)), (2, (1, 5, 2, ours)))
        ]
        write_hypotheses(study / "judging/tuned/open.jsonl", rows)
        score = Score("open", PART, "tuned", "win", 0.0, None, None, 9, "")
        write_scores(study / "scoring/tuned/open.json", [score])
    found = pairs(side_of("one:tuned", tmp_path), side_of("two:tuned", tmp_path))
    (pair,) = (pair for pair in found if pair.suite == "open")
    assert (pair.a, pair.b, pair.test["n"], mark(pair)) == (0, 9, 9, "▲")


def test_equal_answers_are_not_told_apart(results):
    (pair,) = pairs(side_of("one:other", results), side_of("two:tuned", results))
    assert (pair.a, pair.test["significant"], pair.test["p_adjusted"]) == (pair.b, False, 1.0)
    assert mark(pair) == ""


def test_only_shared_segments_are_tested(tmp_path):
    make(tmp_path, "one", {"tuned": BAD})
    make(tmp_path, "two", {"tuned": GOOD}, shift=10)
    (pair,) = pairs(side_of("one", tmp_path), side_of("two", tmp_path))
    assert (pair.test["n"], pair.note) == (20, "on the 20 shared segments only")
    make(tmp_path, "three", {"tuned": GOOD}, shift=SEGMENTS)
    (pair,) = pairs(side_of("one", tmp_path), side_of("three", tmp_path))
    assert (pair.test, pair.note) == (None, "no shared segments")


def test_the_program_prints_and_writes_the_comparison(results, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["compare", "--results", str(results), "one", "two"])
    main()
    out = capsys.readouterr().out
    assert "tuning.learning_rate" in out and "▲" in out
    assert "1 headline scores in common, 1 tested: B is significantly better in 1" in out
    folder = results / "compare" / "one--two"
    page = (folder / "index.html").read_text()
    assert "tuning.learning_rate" in page
    for link in re.findall(r'href="(tables/[^"]+)"', page):
        assert (folder / link).is_file()


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ("ones", "two", "did you mean 'one'"),
        ("one:tunes", "two", "one of: other, tuned"),
        ("one", "one", "A and B are the same"),
        ("", "two", "name what to compare"),
    ],
)
def test_a_wrong_name_is_one_clear_message(results, monkeypatch, a, b, message):
    monkeypatch.setattr(sys, "argv", ["compare", "--results", str(results), "--", a, b])
    with pytest.raises(StudyError, match=message):
        main()
