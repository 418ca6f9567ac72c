"""Examples from the training side: other languages than the item's, and drawn with the seed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayling_study.config import StudyConfig
from bayling_study.config.answering import Answering, Examples
from bayling_study.core.errors import StudyError
from bayling_study.core.records import Hypothesis, Prompt
from bayling_study.shared.corpus_tables import PARALLEL_SCHEMA
from bayling_study.stages.generation.answering import Answerer
from bayling_study.stages.generation.examples import ExamplePools
from bayling_study.stages.generation.journal import Entry

LANGUAGES = ("zh", "de", "fr", "es")
DIRECTIONS = ("zh-en", "en-zh", "fr-en", "de-zh")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight training and eight test segments in four languages; two training ones are tested."""
    rows = [
        {
            "id": f"src/{language}/{split}/{number}", "source": "src", "lang_a": "en",
            "lang_b": language, "text_a": f"{split} en {number}",
            "text_b": f"{split} {language} {number}", "document": f"{split}{number}",
            "split": split,
        }
        for language in LANGUAGES for split in ("train", "test") for number in range(8)
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("corpora") / "parallel.parquet"
    pq.write_table(pa.Table.from_pylist(rows, PARALLEL_SCHEMA), path)
    return path


def prompts() -> list[Prompt]:
    """Returns three items per direction, and a question that states no direction."""
    found = []
    for direction in DIRECTIONS:
        source, target = direction.split("-")
        for number in range(3):
            meta = {"source_text": f"test {source} {number}"}
            found.append(
                Prompt(f"{direction}/{number}", "text", direction,
                       {"source": source, "target": target}, [f"ask {number}"],
                       [f"Train  EN {number}" if number < 2 else "x"], meta)
            )  # fmt: skip
    return [*found, Prompt("q/0", "text", "q", {"target": "de"}, ["Why?"], [])]


def pools(
    table: Path, count: int = 4, seed: int = 1, synthetic: bool = False, **values: object
) -> ExamplePools:
    study = {"study": {"name": "test", "seed": seed}}
    suites = {"text": {"kind": "translation", "directions": [*DIRECTIONS], **values}}
    config = StudyConfig.model_validate({**study, "suites": suites})
    settings = Examples(languages=["fr", "de", "es"], count=count, synthetic=synthetic)
    return ExamplePools.load(config, settings, prompts(), table)


def test_no_example_shares_a_language_with_the_item_or_a_text_with_a_test(table: Path) -> None:
    shown = pools(table)
    answerer = Answerer(Answering(examples=shown.settings), shown)
    names = {"zh": "Chinese", "de": "German", "fr": "French", "es": "Spanish", "en": "English"}
    for prompt in prompts()[:-1]:
        *examples, own = answerer.conversation(prompt, {}, 0)
        assert own == {"role": "user", "content": prompt.turns[0]}
        assert [one["role"] for one in examples] == ["user", "assistant"] * 4
        assert len({one["content"] for one in examples[::2]}) == 4
        for side in set(prompt.languages.values()) - {"en"}:
            assert not any(f" {side} " in one["content"] for one in examples)
            assert not any(names[side] in one["content"] for one in examples)
        assert all("train " in one["content"] for one in examples)
        same = "en" in prompt.languages["target"]
        assert all((" en " in one["content"]) == same for one in examples[1::2])
        assert not any(one["content"].endswith((" en 0", " en 1")) for one in examples)
    assert answerer.conversation(prompts()[-1], {}, 0) == [{"role": "user", "content": "Why?"}]
    assert shown.left_out == 2 * 6  # in six directions with English
    assert answerer.details["examples"]["left_out"] == 12


def test_examples_depend_on_the_seed_and_the_item_alone(table: Path) -> None:
    first, again, other = pools(table), pools(table), pools(table, seed=2)
    item, next_item = prompts()[:2]
    assert first.messages(item) == again.messages(item) != other.messages(item)
    assert first.messages(item) != first.messages(next_item)
    assert first.details == again.details


def test_examples_are_worded_as_their_suite_asks(table: Path) -> None:
    asked = pools(table, prompt_language="zh").messages(prompts()[0])[0]["content"]
    assert asked.startswith("提供这句话的英文翻译：train ")


def test_too_little_text_is_one_clear_error(table: Path) -> None:
    with pytest.raises(StudyError) as caught:
        pools(table, count=7)
    text = caught.value.render()
    assert "6 training segments" in text and "smaller count than 7" in text
    assert "answering.examples" in text


def test_examples_stand_before_the_first_of_several_calls(table: Path) -> None:
    shown = pools(table)
    settings = Answering(examples=shown.settings, steps=["translate", "proofread"])
    answerer, item = Answerer(settings, shown), prompts()[0]
    said = {0: {item.id: Entry(item.id, "draft", 1, "stop")}}
    assert len(answerer.conversation(item, {}, 0)) == 9
    (asked,) = answerer.conversation(item, said, 1)
    assert asked["content"].startswith("ask 0\n\nDraft: draft\n\nRemarks: draft\n\n")


def test_synthetic_examples_are_training_texts_with_the_systems_own_english(table: Path) -> None:
    shown = pools(table, synthetic=True)
    own = shown.to_translate()
    assert {prompt.item for prompt in own} == {
        "zh-en"
    }  # of en-zh, the one direction out of English
    assert len(own) == 6  # all that no test has, of 4 × 4 that are wanted
    for prompt in own:
        assert prompt.meta["source_text"].startswith("train zh ")
        assert prompt.meta["source_text"] in prompt.turns[0] and not prompt.references
        examples = shown.messages(prompt)  # into English, from other languages
        assert len(examples) == 8
        assert all(" zh " not in one["content"] for one in examples)
        assert all(one["content"].startswith("train en ") for one in examples[1::2])
    said = [Hypothesis(p.id, [f"own {n}"], [1], ["stop"]) for n, p in enumerate(own)]
    said[0] = Hypothesis(own[0].id, [""], [1], ["stop"])
    said[1] = Hypothesis(own[1].id, ["own 1"], [128], ["length"])
    made = shown.turned_round(own, said)
    assert made.details["synthetic"] == {"en-zh": 4}  # neither the empty nor the cut one
    item = next(prompt for prompt in prompts() if prompt.item == "en-zh")
    asked, answers = made.messages(item)[::2], made.messages(item)[1::2]
    texts = {prompt.meta["source_text"]: f"own {n}" for n, prompt in enumerate(own)}
    assert len(answers) == 4
    for user, answer in zip(asked, answers, strict=True):
        assert "Chinese" in user["content"] and texts[answer["content"]] in user["content"]
    few = shown.turned_round(own[:1], said[2:3])
    assert len(few.messages(item)) == 2  # fewer than asked for; the record has their number


def test_only_examples_out_of_english_are_synthetic(table: Path) -> None:
    plain, shown = pools(table), pools(table, synthetic=True)
    assert plain.to_translate() == []
    for prompt in prompts():
        if prompt.item in ("zh-en", "fr-en", "de-zh"):
            assert shown.messages(prompt) == plain.messages(prompt)


def test_a_language_with_too_little_text_for_synthetic_examples_is_one_clear_error(
    table: Path,
) -> None:
    with pytest.raises(StudyError, match="6 training segments"):
        pools(table, count=7, synthetic=True)
