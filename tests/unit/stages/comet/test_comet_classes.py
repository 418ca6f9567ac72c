"""Checkpoints of every class of unbabel-comet score as its own code does, one beside the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_comet_program import (
    PROBE,
    PYTHON,
    call,
    comet,
    largest_difference,
    sentence,
    write_settings,
)

from bayling_study.core.files import read_json, read_jsonl, write_json
from bayling_study.core.records import (
    Hypothesis,
    Prompt,
    read_scores,
    write_hypotheses,
    write_prompts,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason=f"no COMET environment at {PYTHON}"),
]
CLASSES = ("regression", "referenceless", "kiwi", "unified", "xcomet")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classes")
    rows = [
        {"src": sentence(n).upper(), "mt": sentence(2 * n) * (1 + n % 3), "ref": sentence(n)}
        for n in range(16)
    ]
    rows[3]["mt"] = ""
    rows[4]["mt"] = "long " * 700
    write_json(folder / "rows.json", rows)
    result = call(PROBE, "classes", folder, folder / "rows.json")
    assert result.returncode == 0, result.stderr
    return folder


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_scores_as_unbabel_comet_does(models: Path, name: str) -> None:
    expected = read_json(models / name / "reference.json")
    single, together = read_json(models / name / "ours.json")
    assert len(set(expected)) > 10
    assert largest_difference(single, expected) <= 1e-5
    assert largest_difference(together, expected) <= 1e-5


@pytest.mark.parametrize("name", ["regression", "referenceless", "kiwi", "unified"])
def test_an_encoder_in_half_precision_changes_little(models: Path, name: str) -> None:
    """Not XCOMET: the argmax of a label near the border counts in whole points."""
    (found,) = read_json(models / name / "bf16.json")
    assert 0 < largest_difference(found, read_json(models / name / "reference.json")) < 0.05


def test_a_list_of_models_gives_each_its_own_metric(models: Path, tmp_path: Path) -> None:
    write_settings(tmp_path)
    language = {"source": "de", "target": "en"}
    prompts = [
        Prompt(
            f"de-en/{n}", "news", "de-en", language, ["?"], [sentence(n)],
            {"source_text": sentence(n).upper()},
        )
        for n in range(6)
    ]  # fmt: skip
    write_prompts(tmp_path / "prompts" / "news.jsonl", prompts)
    rows = [Hypothesis(p.id, [sentence(n + 5)], [1], ["stop"]) for n, p in enumerate(prompts)]
    write_hypotheses(tmp_path / "generation" / "one" / "news.jsonl", rows)
    result = comet(
        "score",
        tmp_path,
        operations=tmp_path / "operations.json",
        model=models / "regression",
        prompts=tmp_path / "prompts",
        generation=tmp_path / "generation",
        systems=["one"],
        suites=["news"],
        cache=tmp_path / "cache",
        out=tmp_path / "scores",
        more=f"wmt22.kiwi={models / 'kiwi'}",
    )
    assert result.returncode == 0, result.stderr
    scores = read_scores(tmp_path / "scores/one/news.json")
    assert [(score.metric, score.n) for score in scores] == [("comet", 6), ("comet-wmt22-kiwi", 6)]
    assert "class:regression_metric" in scores[0].signature
    assert "class:unified_metric" in scores[1].signature
    segments = list(read_jsonl(tmp_path / "scores/one/news.segments.jsonl"))
    assert [row["metric"] for row in segments] == ["comet"] * 6 + ["comet-wmt22-kiwi"] * 6
    values = [row["value"] for row in segments]
    assert values[:6] != values[6:]
    assert scores[1].value == pytest.approx(sum(values[6:]) / 6)


def test_two_models_whose_scores_would_have_one_name_are_refused(
    models: Path, tmp_path: Path
) -> None:
    write_settings(tmp_path)
    files = {name: tmp_path / name for name in ("prompts", "generation", "cache", "out")}
    result = comet(
        "score",
        tmp_path,
        operations=tmp_path / "operations.json",
        model=models / "xcomet",
        systems=["one"],
        suites=["news"],
        more=f"xcomet={models / 'kiwi'}",
        **files,
    )
    assert result.returncode == 2
    assert "comet.more: the scores of two models would be called comet-xcomet" in result.stderr
