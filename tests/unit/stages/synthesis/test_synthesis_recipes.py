from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bayling_study.config import names
from bayling_study.config.model import StudyConfig
from bayling_study.core import seeds
from bayling_study.core.errors import StudyError
from bayling_study.core.text.forms import occurrences
from bayling_study.core.text.words import sentences, words
from bayling_study.shared import capitals
from bayling_study.shared.answer_labels import behind_label
from bayling_study.shared.endpoint import Endpoint
from bayling_study.shared.interactive.dialogue import Director
from bayling_study.shared.interactive.library import Library
from bayling_study.shared.romanisation import romanised
from bayling_study.stages.prompts.capitals import questions
from bayling_study.stages.synthesis import recipes
from bayling_study.stages.synthesis.recipes import plug
from bayling_study.stages.synthesis.registry import RECIPES, Workshop, load_recipes, recipe_named
from bayling_study.stages.synthesis.teacher import EndpointTeacher, Messages
from bayling_study.stages.synthesis.types import Instruction
from helpers.endpoint_server import Server, hangs_up, serving, status
from helpers.interactive_corpus import rows
from helpers.synthesis_corpora import made, mixture, talks, write_corpora

DIRECTIONS = ["zh-en", "en-de", "zh-de"]


@functools.cache
def workshop() -> Workshop:
    library = Library(rows(), DIRECTIONS, seed=5)
    director = Director(library, {}, {2: 1.0}, {"en": 1.0})
    return Workshop(mixture(instruction_languages={"en": 1.0}), library, director, iter(()))


def draws(name: str, direction: str, count: int = 25) -> list[Instruction]:
    found = [
        recipe_named(name).make(workshop(), direction, seeds.generator(1, name, str(number)))
        for number in range(count)
    ]
    return [item for item in found if isinstance(item, Instruction)]


def turn(item: Instruction) -> tuple[str, str]:
    user, answer = item.messages
    return user["content"], answer["content"]


def test_code_switching_is_restored_to_the_sentence() -> None:
    german = {row["text_a"]: row["text_b"] for row in rows() if row["lang_b"] == "de"}
    made_here = draws("code-switch", "en-de")
    assert len(made_here) > 10
    for item in made_here:
        user, answer = turn(item)
        assert answer not in user
        known = words(german[answer])
        assert any(occurrences(user, word) and not occurrences(answer, word) for word in known)


def test_the_pivot_answer_is_the_aligned_draft_and_then_the_translation() -> None:
    english = {(row["lang_b"], row["text_b"]): row["text_a"] for row in rows()}
    made_here = draws("pivot-draft", "zh-de")
    assert made_here and all(set(item.languages) == {"de", "en", "zh"} for item in made_here)
    for item in made_here:
        draft, translation = turn(item)[1].split("\n")
        assert draft.startswith("English: ") and translation.startswith("German: ")
        assert english["de", translation.removeprefix("German: ")] == draft[9:]
    fits = recipe_named("pivot-draft").fits
    assert fits("zh-de") and not fits("zh-en") and not fits("en-de")


def test_transliteration_goes_into_latin_letters_and_back() -> None:
    chinese = [text for code, text in sides() if code == "zh"]
    made_here = [turn(item) for item in draws("transliteration", "zh-en")]
    back = [(user, answer) for user, answer in made_here if answer in chinese]
    assert len(made_here) == 25 and 5 < len(back) < 20
    assert all(romanised(answer, "zh") in user for user, answer in back)
    for user, answer in made_here:
        if answer not in chinese:
            assert answer in {romanised(text, "zh") for text in chinese if text in user}
    assert not recipe_named("transliteration").fits("de-zh")


def test_facts_are_named_in_both_languages_and_never_of_a_country_held_out() -> None:
    english, german = capitals.names("en"), capitals.names("de")
    kinds = set()
    for item in draws("facts", "en-de", 200):
        user, answer = turn(item)
        assert "German" in user and item.languages == ["de", "en"] and item.source == "cldr"
        (country, asked) = next(
            (code, place)
            for place in (0, 1)
            for code, pair in german.items()
            if pair[place] == answer and any(occurrences(user, text) for text in english[code])
        )
        kinds.add((asked, occurrences(user, english[country][0]) > 0))
        assert not capitals.is_held_out(country)
    assert kinds == {(1, True), (0, False), (0, True)}


def test_held_out_and_trained_countries_are_all_of_them() -> None:
    parts = [questions("en", 1, entities) for entities in ("held-out", "trained")]
    assert min(map(len, parts)) > 30
    assert sorted([*parts[0], *parts[1]]) == sorted(questions("en", 1))


def test_a_cross_lingual_answer_is_in_the_target_language() -> None:
    chinese = [row["text_b"] for row in rows() if row["lang_b"] == "de"]
    tasks = set()
    for item in draws("cross-lingual", "en-de", 60):
        user, answer = turn(item)
        tasks.add(user.split()[0])
        assert any(answer in text for text in chinese)
        assert "German" in user
    assert len(tasks) >= 3


class Echo:
    """A teacher that says the last line in a way of its own, or not at all."""

    def __init__(self, form: str | None) -> None:
        self.form, self.asked = form, 0

    def complete(self, requests: Iterable[Messages]) -> Iterator[str | None]:
        for messages in requests:
            self.asked += 1
            text = messages[-1]["content"].split("\n")[-1]
            yield None if self.form is None else self.form.format(text)


SHARES = {"translation": 0.5, "paraphrase": 0.3, "style": 0.2}


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("{}", "unchanged"),
        ("word " * 60 + "{}", "too short or too long"),
        ("完全不同的一句话，没有任何联系，只是为了测试而写", "another"),
        (None, "no answer"),
    ],
)
def test_what_a_teacher_answers_is_verified(
    form: str | None, reason: str, tmp_path: Path, corpora: Path
) -> None:
    wanted = mixture(shares=SHARES, conversations=20, directions={"zh-en": 1.0})
    result, table = made(tmp_path / "made", corpora, wanted, teachers={"teacher": Echo(form)})
    assert set(table["recipe"].to_pylist()) == {"translation"}
    reasons = [text for text in result.rejections["mixture"].counts if "paraphrase: " in text]
    assert any(reason in text for text in reasons), reasons


def test_a_good_answer_of_the_teacher_is_the_second_turn(tmp_path: Path, corpora: Path) -> None:
    wanted = mixture(shares=SHARES, conversations=20, directions={"zh-en": 1.0})
    teacher = Echo("{} So it is.")
    _, table = made(tmp_path / "made", corpora, wanted, teachers={"teacher": teacher})
    found = [row for row in table.to_pylist() if row["recipe"] in {"paraphrase", "style"}]
    assert len(found) == 10
    for row in found:
        first, second = row["messages"][1]["content"], row["messages"][3]["content"]
        assert second == f"{first} So it is."


class Chinese(Echo):
    """A translator whose words are Chinese; of every seventh text it makes none."""

    def complete(self, requests: Iterable[Messages]) -> Iterator[str | None]:
        for messages in requests:
            self.asked += 1
            text = messages[-1]["content"].split("\n")[-1]
            yield text if self.asked % 7 == 0 else f"数到{text[9:]}，这是译文"


def test_a_models_own_answers_are_taught_in_four_combinations(tmp_path: Path) -> None:
    corpora = write_corpora(tmp_path / "corpora", general=[*talks(90), *talks(90, "zh")])
    shares = {"self-distillation": 1.0}
    wanted = mixture(shares=shares, conversations=16, directions={"en-zh": 1.0})
    teachers = {"teacher": Echo("Own answer: {}"), "translator": Chinese(None)}
    result, table = made(tmp_path / "made", corpora, wanted, teachers=teachers)
    kinds = Counter()
    for row in table.to_pylist():
        user, answer = (message["content"] for message in row["messages"])
        kinds["译" in user, "译" in answer] += 1
        assert "译" in answer or answer.startswith("Own answer: "), "no answer of the data's"
        assert row["languages"] == ["en", "zh"] and row["direction"] == ""
    refused = result.rejections["mixture"].counts
    lost = refused["self-distillation: a translation in another language"]
    assert lost > 0 and set(kinds) == {(a, b) for a in (True, False) for b in (True, False)}
    assert len(table) == 16 and teachers["teacher"].asked == 16 + lost


def test_a_teacher_behind_a_real_server_is_asked_once_and_within_its_budget(
    tmp_path: Path, corpora: Path
) -> None:
    wanted = mixture(shares=SHARES, conversations=20, directions={"zh-en": 1.0})

    def answer(body: dict[str, Any], number: int) -> str:
        return body["messages"][-1]["content"].split("\n")[-1] + " So it is."

    def run(name: str, server: Server, cache: Path, **changed: Any) -> tuple[list[str], bytes]:
        with Endpoint(server.settings(**changed), cache, "systems.teacher") as endpoint:
            _, table = made(
                tmp_path / name, corpora, wanted, teachers={"teacher": EndpointTeacher(endpoint)}
            )
        return table["recipe"].to_pylist(), (tmp_path / name / "train.parquet").read_bytes()

    with serving(answer) as server:
        server.faults = [None, status(500), hangs_up, None, status(429, Retry_After="0")]
        recipes_made, first = run("one", server, tmp_path / "answers.jsonl")
        paid = len(server.bodies)
        assert sum(name in {"paraphrase", "style"} for name in recipes_made) == 10
        assert run("two", server, tmp_path / "answers.jsonl")[1] == first
        assert len(server.bodies) == paid
        with pytest.raises(StudyError, match="the budget is spent"):
            run("three", server, tmp_path / "other.jsonl", request_budget=4)
        assert len(server.bodies) == paid + 4


def test_without_a_teacher_its_recipes_are_left_out_and_counted(
    tmp_path: Path, corpora: Path
) -> None:
    wanted = mixture(shares=SHARES, conversations=20, directions={"zh-en": 1.0})
    result, table = made(tmp_path / "made", corpora, wanted)
    assert len(table) == 10
    counts = result.rejections["mixture"].counts
    assert counts["paraphrase: no teacher is configured"] == 6
    assert counts["style: no teacher is configured"] == 4


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpora(tmp_path_factory.mktemp("corpora"))


NEW = """
from bayling_study.stages.synthesis.parts import single_turn
from bayling_study.stages.synthesis.registry import recipe


@recipe("shouted")
def shouted(workshop, direction, rng):
    return single_turn(workshop, direction, rng, "shouted", "translate")
"""


def test_a_recipe_is_a_file_and_nothing_else(
    tmp_path: Path, corpora: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "shouted.py").write_text(NEW)
    assert "shouted" not in names.recipes()
    monkeypatch.setattr(recipes, "__path__", [*recipes.__path__, str(tmp_path / "new")])
    folders = [*names.RECIPE_FOLDERS, tmp_path / "new"]
    monkeypatch.setattr(names, "RECIPE_FOLDERS", folders)
    assert names.recipes()["shouted"] is True
    try:
        assert names.recipes() == {name: r.directed for name, r in load_recipes().items()}
        wanted = mixture(shares={"shouted": 1.0}, conversations=5, directions={"zh-en": 1.0})
        _, table = made(tmp_path / "made", corpora, wanted)
    finally:
        RECIPES.pop("shouted", None)
    assert table["recipe"].to_pylist() == ["shouted"] * 5


def derived(**entry: object) -> dict[str, object]:
    values = {"base": mixture().model_dump(mode="json"), "other": {"base": "base", **entry}}
    config = StudyConfig.model_validate({"study": {"name": "x"}, "synthesis": {"mixtures": values}})
    whole = config.synthesis.mixtures["other"]
    again = StudyConfig.model_validate(config.model_dump(mode="json"))
    assert again.synthesis.mixtures["other"] == whole
    return whole.model_dump()


def test_a_mixture_derives_from_another() -> None:
    plain = mixture().model_dump()
    assert derived() == plain
    dropped = derived(drop=["interactive", "en-de"])
    assert dropped["shares"] == pytest.approx(
        {"translation": 0.5 / 0.7, "constrained": 0.1 / 0.7, "general": 0.1 / 0.7}
    )
    assert dropped["directions"] == pytest.approx({"zh-en": 0.375, "en-zh": 0.375, "de-en": 0.25})
    assert derived(fraction=0.5)["conversations"] == 30
    assert derived(max_turns=1) == {**plain, "max_turns": 1}


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"drop": ["interactiv"]}, "no recipe or direction 'interactiv'"),
        ({"base": "nothing"}, "no mixture is called 'nothing'"),
        ({"base": "other"}, "derives from"),
        ({"base": None, "drop": ["general"]}, "need a base"),
    ],
)
def test_a_mixture_that_cannot_be_derived_is_an_error(
    entry: dict[str, object], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        derived(**entry)


def sides() -> dict[tuple[str, str], str]:
    return {(row["lang_b"], row["text_b"]): row["text_a"] for row in rows()}


@pytest.mark.parametrize("direction", ["en-de", "zh-de"])
def test_plug_interprets_and_answers_in_english_before_it_answers(direction: str) -> None:
    german = [row["text_b"] for row in rows() if row["lang_b"] == "de"]
    english = [row["text_a"] for row in rows()]
    found = draws("plug", direction, 60)
    assert found and {item.recipe for item in found} == {"plug"}
    for item in found:
        answer = turn(item)[1]
        assert answer.startswith("English instruction: ")
        understood, rest = answer.split("\nEnglish response: ")
        draft, target = rest.split("\nGerman response: ")
        assert any(target in text for text in german)
        assert any(draft in text for text in english)
        assert "German" in understood and set(item.languages) >= {"en", "de"}
        assert behind_label(answer, "de") == target
        if direction == "en-de":
            assert understood == f"English instruction: {turn(item)[0]}"
        elif target in german and len(sentences(target)) > 1:
            assert sides()["de", target] == draft
    assert not recipe_named("plug").fits("zh-en")


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ("English response: Hi\n中文回复：你好\n中文回复：再见", "你好\n中文回复：再见"),
        ("English response: Hi", None),
        ("中文回复：你好\nEnglish response: Hi", "你好\nEnglish response: Hi"),
        ("English response: Hi 中文回复： 你好", "你好"),
        ("中文回复: 你好", None),
    ],
    ids=["label twice", "absent", "other label after", "no newline", "another colon"],
)
def test_an_answer_is_what_stands_behind_its_first_label(answer: str, kept: str | None) -> None:
    assert behind_label(answer, "zh") == kept


def test_the_wordings_of_plug_are_translations_of_each_other() -> None:
    tables = [plug.TRANSLATE, *(plug.WORDINGS[task] for task in ("first", "last", "continue"))]
    assert all(len(table["en"]) == len(table["zh"]) for table in tables)


def switched(**options: Any) -> tuple[Workshop, list[tuple[str, str]]]:
    """Returns a workshop with options of code-switching, and the turns that it made en-de."""
    library = Library(rows(), DIRECTIONS, seed=5)
    wanted = mixture(instruction_languages={"en": 1.0}, code_switch=options)
    shop = Workshop(wanted, library, Director(library, {}, {2: 1.0}, {"en": 1.0}), iter(()))
    make = recipe_named("code-switch").make
    drawn = [make(shop, "en-de", seeds.generator(1, str(number))) for number in range(40)]
    return shop, [turn(item) for item in drawn if isinstance(item, Instruction)]


def test_code_switching_at_a_rate_exchanges_no_more_words_and_counts_them() -> None:
    _, most = switched()
    whole, some, few = (switched(rate=rate)[0].counted for rate in (1.0, 0.1, 0.02))
    assert 0 < some["words exchanged"] <= 0.1 * some["words"]
    assert few["words exchanged"] < whole["words exchanged"]
    nothing, turns = switched(rate=0.0)
    assert turns and all(user.endswith(answer) for user, answer in turns)
    assert nothing.counted["words exchanged"] == 0
    assert nothing.counted["sentences left as they were"] == nothing.counted["sentences"] == 40
    assert most and not any(user.endswith(answer) for user, answer in most)


def test_code_switching_restores_either_side_and_whole_sentences() -> None:
    english, german = ({row[key] for row in rows() if row["lang_b"] == "de"}
                       for key in ("text_a", "text_b"))  # fmt: skip
    assert {answer for _, answer in switched(side="target")[1]} <= german
    both = {answer in english for _, answer in switched(side="both")[1]}
    assert both == {True, False}
    _, turns = switched(unit="sentence")
    assert turns
    for user, answer in turns:
        kept = [text for text in sentences(answer) if text in user]
        assert 0 < len(kept) < len(sentences(answer))
