"""The verdict: its sentences say what tests found, name them, and say nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bayling_study.config.model import StudyConfig
from bayling_study.core.files import read_json, write_json
from bayling_study.core.records import Prompt, write_prompts, write_scores
from bayling_study.shared.verdict import read_verdict
from bayling_study.stages.report import __main__ as program
from bayling_study.stages.report.__main__ import write_report
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.conclusion import conclusion
from helpers import report_study

TESTS = "(paired bootstrap, p < 0.05 after correction)"
LIMITS = "Limits: translation: items of 100 segments; one training of each system: the tests draw "
LIMITS += "other segments, not other trainings."
DIRECTIONS = ("zh-en", "de-en")
RELEASED = {"kind": "published", "source": "release", "folders": {"wmt22": "exp"}}
PUBLISHED = "translation\t{}\ttuned\tchrf2\t{}\t1\tpublished\tTable 1\t\n"


def row_of(
    item: str, before: float, after: float, significant: bool = True, **changes: Any
) -> dict[str, Any]:
    """Returns a test of tuned with foundation, in the order in which the stage writes them."""
    return {
        "suite": "translation", "item": item, "metric": "chrf2", "signature": "chrF2|v:1",
        "system_a": "foundation", "system_b": "tuned", "value_a": before, "value_b": after,
        "difference": before - after, "low": before - after - 1, "high": before - after + 1,
        "significant": significant, "n": 100, "samples": 100,
    } | changes  # fmt: skip


def averaged(name: str, before: float, after: float, significant: bool = True) -> dict[str, Any]:
    return row_of(name, before, after, significant, signature="mean of 2 items|chrF2|v:1")


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return report_study.make(tmp_path / "study")


def told(study: Study, *rows: dict[str, Any]) -> list[str]:
    """Returns the verdict of the study with these tests and an export that changes nothing."""
    path = study.folder / "significance/comparisons.json"
    write_json(path, read_json(path) | {"comparisons": rows})
    (study.folder / "perplexity" / "tuned-int8.json").unlink(missing_ok=True)
    return conclusion(Study(study.folder, study.config), [])


def grouped(study: Study, **averages: list[str]) -> None:
    """Writes prompts whose items enter averages."""
    prompts = [
        Prompt(f"{item}/0", "translation", item, {}, ["a"], ["b"], {"averages": averages[name]})
        for name, item in zip(("first", "second"), DIRECTIONS, strict=True)
    ]
    write_prompts(study.folder / "prompts/translation.jsonl", prompts)


def test_the_whole_verdict_of_a_small_study(study: Study) -> None:
    assert conclusion(study, []) == [
        "tuned is better than foundation on translation: chrF2 20.0 → 45.5 (zh-en), better on 1 of "
        f"1 trained directions {TESTS}.",
        f"tuned-int8 and tuned: 0 of 1 tests find a difference {TESTS}.",
        "The perplexity of tuned-int8 is not that of tuned: 12.500 → 12.625 (paired bootstrap over "
        "conversations, +0.100 to +0.150).",
        LIMITS,
    ]


def test_trained_and_untrained_directions_are_told_apart(study: Study) -> None:
    grouped(study, first=["trained-average"], second=["zero-shot-average"])
    rows = [row_of("zh-en", 13.3, 33.9), row_of("de-en", 4.0, 5.0, significant=False)]
    averages = [averaged("trained-average", 13.3, 33.9), averaged("zero-shot-average", 4, 5, False)]
    assert told(study, *rows, *averages)[0] == (
        "tuned is better than foundation on translation: chrF2 13.3 → 33.9 (trained-average), "
        f"better on 1 of 1 trained directions {TESTS}."
    )


def test_an_average_alone_may_be_significant(study: Study) -> None:
    grouped(study, first=["xx-en", "xx-en.low"], second=["xx-en"])
    rows = [row_of(item, 1.0, 2.0, significant=False) for item in DIRECTIONS]
    assert told(study, *rows, averaged("xx-en", 1.0, 2.0), averaged("xx-en.low", 1.0, 9.0))[0] == (
        f"tuned is better than foundation on translation: chrF2 1.0 → 2.0 (xx-en) {TESTS}."
    )


def test_gains_and_losses_are_both_said(study: Study) -> None:
    rows = [row_of("zh-en", 10.0, 20.0), row_of("de-en", 20.0, 10.0)]
    assert told(study, *rows)[0] == (
        "tuned is better and worse than foundation on translation: chrF2 10.0 → 20.0 (zh-en), "
        "20.0 → 10.0 (de-en), better on 1 of 1 trained directions, worse on 1 of 1 untrained "
        f"directions {TESTS}."
    )


def test_a_loss_by_another_metric_is_not_hidden(study: Study) -> None:
    worse, better = row_of("de-en", 20.0, 10.0, metric="bleu"), row_of("zh-en", 10.0, 20.0)
    assert told(study, better, worse)[0] == (
        "tuned is better and worse than foundation on translation: chrF2 10.0 → 20.0 (zh-en), "
        f"better on 1 of 1 trained directions; BLEU worse on 1 of 1 untrained directions {TESTS}."
    )


def test_another_metric_alone_may_have_found_something(study: Study) -> None:
    rows = [row_of("zh-en", 1.0, 2.0, significant=False), row_of("zh-en", 1.0, 2.0, metric="bleu")]
    assert told(study, *rows)[0] == (
        "tuned is better than foundation on translation: BLEU 1.0 → 2.0 (zh-en), better on 1 of 1 "
        f"trained directions {TESTS}."
    )


def test_less_is_better_where_the_metric_says_so(study: Study) -> None:
    rows = [row_of("zh-en", 20.0, 10.0, metric="loss")]
    assert told(study, *rows)[0].startswith(
        "tuned is better than foundation on translation: lost 20.0"
    )


def test_what_is_not_significant_is_only_counted(study: Study) -> None:
    rows = [row_of(item, 10.0, 30.0, significant=False) for item in DIRECTIONS]
    assert told(study, *rows)[0] == f"tuned and foundation: 0 of 2 tests find a difference {TESTS}."


def test_demands_of_all_directions_are_put_together(study: Study) -> None:
    metric = "satisfaction.follow-up"
    for system, values in (("foundation", (0.0, 4.0)), ("tuned", (40.0, 60.0))):
        scores = [
            report_study.score(system, metric, item, value, n=n)
            for item, value, n in zip(DIRECTIONS, values, (30, 10), strict=True)
        ]
        write_scores(study.folder / f"scoring/{system}/translation.json", scores)
    rows = [row_of(item, 0.0, 50.0, metric=metric) for item in DIRECTIONS]
    assert told(study, *rows)[0] == (
        "tuned is better than foundation on translation: follow-up demands met (%) 1.0 → 45.0, "
        f"better on 1 of 1 trained and 1 of 1 untrained directions {TESTS}."
    )


def test_what_8_bits_cost_is_named_and_otherwise_bounded(study: Study) -> None:
    pair = {"system_a": "tuned", "system_b": "tuned-int8"}
    grouped(study, first=["trained-average"], second=["trained-average"])
    same = [row_of(item, 30.0, 30.5, significant=False, **pair) for item in DIRECTIONS]
    mean = averaged("trained-average", 30.0, 30.5, False) | pair
    assert told(study, *same, mean)[0] == (
        "tuned-int8 and tuned: 0 of 2 tests find a difference; chrF2, trained-average: -0.5 to "
        f"+1.5 {TESTS}."
    )
    lost = row_of("zh-en", 30.0, 20.0, **pair)
    assert told(study, lost, same[1])[0] == (
        "tuned-int8 is worse than tuned on translation: chrF2 30.0 → 20.0 (zh-en), worse on 1 of 1 "
        f"trained directions {TESTS}."
    )


def test_the_perplexity_is_said_only_where_it_changed(study: Study) -> None:
    path = study.folder / "perplexity" / "tuned-int8.json"
    report = read_json(path)
    write_json(path, report | {"difference": {"value": 0.1, "low": -0.1, "high": 0.3}})
    found = conclusion(Study(study.folder, study.config), [])
    assert [text for text in found if "erplexity" in text] == []
    write_json(path, report | {"difference": {"value": -0.2, "low": -0.3, "high": -0.1}})
    found = conclusion(Study(study.folder, study.config), [])
    assert found[2].endswith(
        "12.500 → 12.625 (paired bootstrap over conversations, -0.300 to -0.100)."
    )


def test_a_study_without_tests_and_published_values_says_so(study: Study) -> None:
    sentence = "No two systems of this study were compared, and no published value concerns it."
    assert told(study) == [sentence, LIMITS]


def released(folder: Path, published: str) -> Study:
    """Returns a study of released outputs alone."""
    study = report_study.make(folder, published)
    values = study.config.model_dump() | {"systems": dict.fromkeys(report_study.SYSTEMS, RELEASED)}
    return replace(study, config=StudyConfig.model_validate(values))


def test_a_replay_is_judged_by_what_is_published(tmp_path: Path) -> None:
    published = PUBLISHED.format("zh-en", "45.5") + PUBLISHED.format("de-en", "90.0")
    published += PUBLISHED.format("fr-en", "1.0")
    study = released(tmp_path / "study", published)
    write_report(study, study.folder / "report")
    assert read_verdict(study.folder) == [
        "Of 2 comparable published values 1 are reproduced (equal at the printed decimals), 0 "
        "close (within the metric's tolerance), 1 different (by more); 1 cannot "
        "be compared.",
        "Different by more than the tolerance: translation de-en tuned chrf2 10.0, not 90.0.",
        "Limits: translation: items of 100 segments.",
    ]


def test_values_of_which_none_can_be_compared_are_counted(tmp_path: Path) -> None:
    published = PUBLISHED.format("fr-en", "1.0").replace("chrf2", "gigabytes")
    study = released(tmp_path / "study", published)
    sections = write_report(study, study.folder / "report")
    assert study.missing == {}
    assert read_verdict(study.folder)[0].startswith("Of 0 comparable published values 0 are")
    assert read_verdict(study.folder)[0].endswith("0 different (by more); 1 cannot be compared.")
    (chapter,) = (section for section in sections if section.name == "verdicts")
    assert list(chapter.more) == ["translation: 1 published values"]


def test_of_many_values_that_differ_a_few_are_named(tmp_path: Path) -> None:
    rows = [PUBLISHED.format("de-en", "90.0").replace("tuned", s) for s in report_study.SYSTEMS]
    rows += [PUBLISHED.format("zh-en", "90.0").replace("tuned", s) for s in report_study.SYSTEMS]
    study = released(tmp_path / "study", "".join(rows))
    write_report(study, study.folder / "report")
    assert read_verdict(study.folder)[1].endswith("; and 2 more.")


def test_released_outputs_that_nothing_is_published_on_are_compared(tmp_path: Path) -> None:
    found = conclusion(released(tmp_path / "study", ""), [])
    assert found[0].startswith("tuned is better than foundation on translation: chrF2")


def test_limits_name_the_kind_of_text_and_the_embedded_metric(study: Study) -> None:
    names = ("homeassistant/zh", "homeassistant/de", "news/de")
    groups = {name: {"rejected": {}} for name in names}
    write_json(study.folder / "corpora/report.json", {"parallel": {"groups": groups}})
    scores = [report_study.score("tuned", "comet-embedded", "zh-en", 1.0, n=500)]
    write_scores(study.folder / "scoring/tuned/translation.json", scores)
    limits = conclusion(Study(study.folder, study.config), [])[-1]
    texts = "interface text of homeassistant, text of news"
    assert f"; all parallel text of this study is {texts}; " in limits
    assert "; comet-embedded is a small model of this study's own, not COMET; " in limits


def test_the_verdict_is_a_file_and_the_first_thing_on_the_page(study: Study) -> None:
    write_report(study, study.folder / "report")
    sentences = read_verdict(study.folder)
    assert len(sentences) == 4
    page = (study.folder / "report/index.html").read_text(encoding="utf-8")
    first = page.index("tuned is better than foundation on translation: chrF2 20.0 → 45.5 (zh-en)")
    assert page.index("<h1>") < first < page.index("<nav")


def test_a_verdict_that_fails_leaves_the_page_and_no_old_sentences(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(study, study.folder / "report")

    def broken(*_: object) -> list[str]:
        raise ValueError("a hole")

    monkeypatch.setattr(program, "conclusion", broken)
    write_report(study, study.folder / "report")
    assert study.missing == {"the verdict in sentences": "ValueError: a hole"}
    assert read_verdict(study.folder) == []
