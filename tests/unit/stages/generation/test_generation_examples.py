"""Examples from the training side: other languages than the item's, and drawn with the seed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayling_study.config import StudyConfig
from bayling_study.config.answering import Answering, Examples
from bayling_study.core.errors import StudyError
from bayling_study.core.records import Prompt
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


def pools(table: Path, count: int = 4, seed: int = 1, **values: object) -> ExamplePools:
    study = {"study": {"name": "test", "seed": seed}}
    suites = {"text": {"kind": "translation", "directions": [*DIRECTIONS], **values}}
    config = StudyConfig.model_validate({**study, "suites": suites})
    settings = Examples(languages=["fr", "de", "es"], count=count)
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
