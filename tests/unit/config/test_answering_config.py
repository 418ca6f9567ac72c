"""``answering``: steps with known names, and examples that an item's languages leave."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from bayling_study.config.answering import ASKS, Answering, example_directions
from bayling_study.config.loading import load_values
from bayling_study.core.errors import StudyError

FOUNDATION = {"kind": "foundation", "source": "smollm2"}
SUITES = {"text": {"kind": "translation", "directions": ["zh-en", "de-zh"]}}


def study(languages: list[str], suites: dict[str, Any] = SUITES, **systems: Any) -> Any:
    """Reads a study of one system that is shown examples in these languages."""
    own = {**FOUNDATION, "answering": {"examples": {"languages": languages}}}
    corpus = {"source": "homeassistant", "reader": "homeassistant"}
    corpus |= {"languages": {code: code for code in ("zh", "de", "fr", "es")}}
    return load_values(
        {
            "study": {"name": "test"},
            "corpora": {"parallel": [corpus]},
            "systems": {"few": own, **systems},
            "suites": suites,
        }
    )


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (["translate", "anotate"], "'anotate' is none of translate, annotate, proofread"),
        (["annotate"], "{first} is unknown; write one of {request}, {language}"),
        (["{request} {draft}"], "{draft} is unknown"),
        (["translate", "{request} {answer!r}"], "stands alone in its braces"),
        (["translate", "{{request}} {answer}"], "has no {request}"),
        (["{request} {"], "write {{ and }} for braces"),
    ],
)
def test_a_step_that_cannot_be_asked_is_refused(steps: list[str], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Answering(steps=steps)
    assert said in str(caught.value)


def test_the_texts_of_all_roles_may_follow_each_other() -> None:
    assert Answering(steps=[*ASKS]).steps == ["translate", "annotate", "proofread"]


def test_no_example_is_the_same_as_none() -> None:
    plain = Answering.model_validate({"examples": {"languages": ["fr"], "count": 0}})
    assert plain == Answering()


@pytest.mark.parametrize(
    ("direction", "found"),
    [
        ("zh-en", ["fr-en", "de-en"]),
        ("en-zh", ["en-fr", "en-de"]),
        ("fr-en", ["de-en"]),
        ("zh-ru", ["fr-de", "de-fr"]),
        ("zh-fr", []),
    ],
)
def test_no_example_has_a_language_of_the_item_but_english(
    direction: str, found: list[str]
) -> None:
    assert example_directions(["fr", "de"], direction) == found


def test_languages_that_fit_every_suite_are_taken_and_an_export_is_asked_as_its_base() -> None:
    config = study(["fr", "es"], export={"kind": "int8", "base": "few"})
    assert config.answering_of("export").examples.languages == ["fr", "es"]
    assert config.answering_of("export") == config.answering_of("few")


@pytest.mark.parametrize(
    ("languages", "said"),
    [
        (["fr", "ja"], "'ja'"),
        (["fr", "en"], "'en'"),
        (["fr", "fr"], "'fr' occurs twice"),
        (["fr", "zh"], "no language is left for examples of de-zh (suite text)"),
    ],
)
def test_languages_without_text_or_of_the_tested_item_are_refused(
    languages: list[str], said: str
) -> None:
    with pytest.raises(StudyError) as caught:
        study(languages)
    text = caught.value.render()
    assert said in text and "systems.few.answering.examples.languages" in text
    if "left" in said:
        assert "languages: [es, fr]" in text


def test_directions_that_flores_makes_of_its_languages_need_examples_too() -> None:
    flores = {"kind": "flores", "pivots": ["fr"], "languages": ["es"]}
    with pytest.raises(StudyError, match=r"examples of fr-es \(suite all\)") as caught:
        study(["fr", "es"], {"all": flores})
    assert caught.value.fix == "languages: [de, zh]"
    assert study(["zh", "de"], {"all": flores}).suites["all"].pivots == ["fr"]
