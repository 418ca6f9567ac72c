"""Names of places in another language: whole words, one language a text, and the way back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bayling_study.config.loading import load_config
from bayling_study.core.errors import StudyError
from bayling_study.shared import entities
from bayling_study.stages.synthesis.mixture import FinishedMixture
from helpers.synthesis_corpora import made, mixture, write_corpora

ROOT = Path(__file__).parents[4]
LANGUAGES = ["zh", "de", "cs", "ru", "fr", "ar"]
TAGGED = re.compile(r"<(\w+)>(.*?)</\1>")

SENTENCES = [
    "How does one travel from France to Italy, and on to Egypt?",
    "Berlin and Accra are capitals; Germany's is the first.",
    "Paris Hilton (of the United States) flew to Paris.",
    "No Jordanian polished anything with Polish polish.",
]


def back(text: str) -> tuple[str, set[str]]:
    """Returns a text without tags and with English names, and the languages of its tags."""
    inverse = {code: {own: name for name, own in entities.names(code).items()}
               for code in LANGUAGES}  # fmt: skip
    found = {match[1] for match in TAGGED.finditer(text)}
    return TAGGED.sub(lambda match: inverse[match[1]][match[2]], text), found


@pytest.mark.parametrize(
    ("text", "german", "found"),
    [
        ("Describe Egypt's past.", "Describe Ägypten's past.", (1, 1)),
        ("In France I saw Berlin.", "In Frankreich I saw Berlin.", (2, 1)),
        ("The Guinea-Bissau of Guinea", "The Guinea-Bissau of Guinea", (2, 0)),
        ("the United States Constitution", "the United States Constitution", (0, 0)),
        ("West Germany fell, Germany stayed", "West Germany fell, Deutschland stayed", (1, 1)),
        ("we saw Paris Hilton and East Africa", "we saw Paris Hilton and East Africa", (0, 0)),
        ("Italy-based www.italy.it, Italy.example", "Italy-based www.italy.it, Italy.example",
         (0, 0)),
        ("Jordanian, Jordan, france", "Jordanian, Jordan, france", (0, 0)),
        ("Polish Turkey with Russians of Russia", "Polish Turkey with Russians of Russland",
         (1, 1)),
    ],
)  # fmt: skip
def test_only_whole_names_of_places_are_switched(
    text: str, german: str, found: tuple[int, int]
) -> None:
    assert entities.switched(text, "de", tags=False) == (german, *found)


def test_a_language_must_have_all_names_and_another_word_for_one() -> None:
    assert entities.fitting(["Berlin and Accra"], ["de", "zh"]) == ["zh"]
    assert entities.fitting(["Nothing here"], ["de", "zh"]) == []
    assert "United Nations" not in entities.names("lb")  # which CLDR does not name there
    assert entities.fitting(["Germany"], ["lb"]) == ["lb"]
    assert entities.fitting(["from Germany", "the United Nations"], ["lb"]) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_either_language_gives_the_other(language: str) -> None:
    table = entities.names(language)
    assert len(table) > 300
    assert len(set(table.values())) == len(table)
    for name in table:
        text = f"We saw {name}, and left."
        mixed, found, new = entities.switched(text, language, tags=True)
        assert found == 1
        assert back(mixed) == (text, {language} if new else set())


def conversation(number: int, user: str, language: str = "en") -> dict[str, Any]:
    messages = [("user", user), ("assistant", f"As for Italy and France: {number}.")]
    messages += [("user", "And Italy?"), ("assistant", "Italy likewise.")]
    return {
        "id": f"g/{number}", "recipe": "alpaca", "source": "chat", "languages": [language],
        "messages": [{"role": role, "content": content} for role, content in messages],
    }  # fmt: skip


def made_of(folder: Path, shares: dict[str, float], **options: Any) -> tuple[FinishedMixture, Any]:
    general = [conversation(n, text) for n, text in enumerate(SENTENCES)]
    general += [conversation(9, "Rome und Italy", "de")]
    aligned = [
        {
            "id": f"s/{code}/{number}", "source": "s", "lang_a": "en", "lang_b": code,
            "text_a": text, "text_b": f"{code} {number} {text.lower()}",
            "document": f"s/{number}", "split": "train",
        }
        for code in ("de", "zh")
        for number, text in enumerate(SENTENCES)
    ]  # fmt: skip
    corpora = write_corpora(folder / "corpora", aligned, general)
    directions = {"en-zh": 0.5, "de-en": 0.2, "en-de": 0.3}
    wanted = mixture(conversations=12, shares=shares, directions=directions, **options)
    return made(folder / "made", corpora, wanted)


def turns(rows: pa.Table) -> list[list[str]]:
    return [[m["content"] for m in row["messages"]] for row in rows.to_pylist()]


def test_instructions_are_switched_and_answers_are_not(tmp_path: Path) -> None:
    result, rows = made_of(tmp_path, {"entity-switch": 1.0}, entity_tags=True)
    assert len(rows) == 8  # four conversations in two languages: "And Italy?" is in all of them
    originals = {user: number for number, user in enumerate(SENTENCES)}
    seen = set()
    for user, answer, second, last in turns(rows):
        first, languages = back(user)
        again, others = back(second)
        assert len(languages | others) == 1
        assert answer == f"As for Italy and France: {originals[first]}."
        assert (again, last) == ("And Italy?", "Italy likewise.")
        assert second != again
        seen.add((first, *others))
    assert seen == {(text, code) for text in SENTENCES for code in ("de", "zh")}
    counts = result.switched
    found = sum(entities.switched(text, "de", False)[1] for text in SENTENCES) + len(SENTENCES)
    assert counts["names"] == 2 * found
    equal = 3  # Berlin, Accra and Paris are German names too
    assert counts["names exchanged"] == counts["names"] - equal
    rejected = result.rejections["mixture"].counts
    assert rejected["entity-switch: not English, or no name to switch"] == 1


def test_sentences_are_restored_to_english(tmp_path: Path) -> None:
    _, rows = made_of(
        tmp_path, {"entity-restore": 1.0}, entity_tags=True,
        instruction_languages={"en": 1.0},
    )  # fmt: skip
    assert len(rows) > 4
    for row, (user, answer) in zip(rows.to_pylist(), turns(rows), strict=True):
        restored, languages = back(user)
        assert restored.endswith(answer) and not user.endswith(answer)
        assert languages == set(row["direction"].split("-")) - {"en"}
        assert answer in SENTENCES[:3]


def test_what_general_conversations_are_left_is_sifted_last(tmp_path: Path) -> None:
    """The recipe ``general`` has its share whatever the order of the shares."""
    shares = {"entity-switch": 0.5, "general": 0.25, "translation": 0.25}
    result, rows = made_of(tmp_path, shares)
    recipes = rows["recipe"].to_pylist()
    assert recipes.count("general") == 3
    assert recipes.count("entity-switch") in (2, 4)  # of two that are left, one may be German
    assert result.wanted["entity-switch"] == 6


def test_instructions_need_a_language_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "synthesis: {mixtures: {names: {conversations: 9, shares: {entity-switch: 1.0},"
        ' directions: {"en-*": 0.5, zh-en: 0.5}}}}'
    )
    with pytest.raises(StudyError, match=r"entity-switch needs a language(.|\n)*en-zh: 1"):
        load_config(ROOT / "config" / "config.yaml", path)
