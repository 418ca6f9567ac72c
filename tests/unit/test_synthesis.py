from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayling_study.config.suites import InteractiveSuite
from bayling_study.config.synthesis import Mixture
from bayling_study.errors import StudyError
from bayling_study.suites import Context, interactive
from bayling_study.synthesis import __main__ as program
from bayling_study.synthesis.audit import audit, histogram
from bayling_study.synthesis.decontamination import Contamination
from bayling_study.synthesis.mixture import Made, apportion, make
from unit.interactive_corpus import rows

TEST_BRANDS = 100


class CharacterTokenizer:
    """Counts one token a character: lengths without a model's files."""

    bos_token_id = None
    eos_token_id = 0
    eos_token = "</s>"

    def __call__(self, text: str, **options: Any) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) for letter in text]}

    def convert_ids_to_tokens(self, ids: int | list[int]) -> Any:
        return chr(ids) if isinstance(ids, int) else [chr(number) for number in ids]


def corpora() -> list[dict[str, Any]]:
    test = [
        {
            **row,
            "text_a": f"{row['text_a']} Unseen {row['id'][-9:]}",
            "text_b": f"{row['text_b']} ({row['id'][-9:]})",
        }
        for row in rows("test", TEST_BRANDS)
    ]
    return [*rows(), *test]


TALKS = 10


def general() -> list[dict[str, Any]]:
    return [
        {
            "id": f"g/{number}",
            "recipe": "alpaca",
            "source": "chat",
            "languages": ["en"],
            "messages": [
                {"role": "user", "content": f"Count to {number}."},
                {"role": "assistant", "content": "One, two, and so on."},
            ],
        }
        for number in range(TALKS)
    ]


def mixture(**changes: Any) -> Mixture:
    values: dict[str, Any] = {
        "conversations": 60,
        "shares": {"translation": 0.5, "interactive": 0.3, "constrained": 0.1, "general": 0.1},
        "directions": {"zh-en": 0.3, "en-zh": 0.3, "de-en": 0.2, "en-de": 0.2},
    }
    return Mixture(**{**values, **changes})


def made(changes: dict[str, Any] | None = None, seed: int = 4) -> Made:
    return make("mix", mixture(**(changes or {})), seed, corpora(), general(), CharacterTokenizer())


def test_shares_hold_within_one_conversation() -> None:
    facts = audit(made())
    assert facts["by_recipe"] == {
        "translation": 30,
        "interactive": 18,
        "constrained": 6,
        "general": 6,
    }
    assert facts["conversations"] == 60
    for recipe, count in (("translation", 30), ("interactive", 18)):
        for direction, share in mixture().directions.items():
            found = facts["by_recipe_and_direction"][f"{recipe}/{direction}"]
            assert abs(found - count * share) < 1


def test_the_same_seed_gives_the_same_rows_and_another_one_others() -> None:
    once, again, other = made(), made(), made(seed=5)
    assert [r.instruction for r in once.conversations] == [
        r.instruction for r in again.conversations
    ]
    assert [r.instruction for r in once.conversations] != [
        r.instruction for r in other.conversations
    ]


def test_no_test_text_is_in_any_message() -> None:
    tests = {row["text_a"] for row in corpora() if row["split"] == "test"}
    tests |= {row["text_b"] for row in corpora() if row["split"] == "test"}
    whole = "\n".join(m["content"] for r in made().conversations for m in r.instruction.messages)
    assert not [text for text in tests if text in whole]


def test_a_training_row_that_equals_a_test_text_is_removed_and_counted() -> None:
    leak = {**rows()[0], "split": "test"}
    result = make("mix", mixture(), 4, [*corpora(), leak], general(), CharacterTokenizer())
    assert result.rejections["corpora"].counts["equals a test text"] >= 2
    assert not any(
        leak["text_a"] in message["content"]
        for row in result.conversations
        for message in row.instruction.messages
    )


def test_exhausted_material_is_reported_and_not_repeated() -> None:
    result = made({"conversations": 100, "shares": {"general": 1.0}, "directions": {}})
    assert result.wanted == {"general": 100}
    assert len(result.conversations) == 10


def test_too_long_conversations_are_rejected_by_the_recipes_own_limit() -> None:
    result = made({"recipe_max_tokens": {"general": 20}})
    assert result.rejections["mixture"].counts["general: too long"] == 10
    assert "general" not in audit(result)["by_recipe"]


def test_lengths_and_trained_tokens_follow_the_template() -> None:
    for row in made().conversations:
        answers = [m["content"] for m in row.instruction.messages if m["role"] == "assistant"]
        assert row.trained == sum(len(answer) + 1 for answer in answers)
        assert row.tokens > sum(len(m["content"]) for m in row.instruction.messages)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"shares": {"translate": 1.0}}, "translation"),
        ({"directions": {"fr-en": 1.0}}, "no training segment"),
        ({"directions": {}}, "needs directions"),
        ({"demands": {"polish": 1.0}}, "no demand is called 'polish'"),
    ],
)
def test_names_that_nothing_answers_to_are_errors(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(StudyError, match=reason):
        made(changes)


@given(
    st.integers(0, 10_000),
    st.lists(st.integers(1, 100), min_size=1, max_size=6),
)
def test_apportioning_adds_up_and_is_never_off_by_one(total: int, weights: list[int]) -> None:
    whole = math.fsum(weights)
    shares = {str(number): weight / whole for number, weight in enumerate(weights)}
    counts = apportion(total, shares)
    assert sum(counts.values()) == total
    assert all(abs(counts[name] - total * share) < 1 + 1e-6 for name, share in shares.items())


def test_contamination_finds_long_and_short_grams_and_whole_texts() -> None:
    long_text = " ".join(f"w{number}" for number in range(20))
    short_text = " ".join(f"v{number}" for number in range(9))
    tests = Contamination(
        [
            {"text_a": long_text, "text_b": "请在此输入您的设备的用户名和密码以便登录"},
            {"text_a": short_text, "text_b": "ja nein"},
        ]
    )
    assert "13-gram" in tests.reason("so " + " ".join(f"W{number}" for number in range(3, 16)))
    assert not tests.reason(" ".join(f"w{number}" for number in range(12)))
    assert "8-gram" in tests.reason("v1 v2 v3 v4 v5 v6 v7 v8 x")
    assert "13-gram" in tests.reason("好的，请在此输入您的设备的用户名和其他")
    assert "equals" in tests.reason("Ja  nein.")
    assert not tests.reason("nein ja nein")


def test_histogram_counts_each_length_once() -> None:
    assert histogram([1, 16, 17, 5000]) == [
        {"to": 16, "count": 2},
        {"to": 32, "count": 1},
        {"to": None, "count": 1},
    ]


@pytest.fixture
def corpora_folder(tmp_path: Path) -> Path:
    pq.write_table(pa.Table.from_pylist(corpora()), tmp_path / "parallel.parquet")
    pq.write_table(pa.Table.from_pylist(general()), tmp_path / "conversations.parquet")
    return tmp_path


def run(folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = folder / "settings.json"
    mixtures = {"mix": mixture().model_dump(mode="json")}
    settings.write_text(
        json.dumps(
            {
                "study": {"name": "toy", "title": "Toy", "seed": 4},
                "synthesis": {"mixtures": mixtures},
            }
        )
    )
    (folder / "tokenizer.json").write_text("{}")
    (folder / "manifest.json").write_text(json.dumps({"source": {"licence": "CC0-1.0"}}))
    monkeypatch.setattr(program, "load_tokenizer", lambda checkpoint: CharacterTokenizer())
    options = {
        "settings": settings,
        "record": folder / "run.json",
        "mixture": "mix",
        "corpora": folder,
    }
    options |= {"tokenizer": folder, "source-manifest": f"toy={folder}", "out": out}
    flags = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    monkeypatch.setattr("sys.argv", ["synthesis", *flags])
    program.main()


def test_the_program_writes_the_same_bytes_twice_and_datasets_reads_them(
    corpora_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        run(corpora_folder, corpora_folder / name, monkeypatch)
    for file in ("train.parquet", "audit.json", "README.md"):
        assert (corpora_folder / "one" / file).read_bytes() == (
            corpora_folder / "two" / file
        ).read_bytes()
    card = (corpora_folder / "one" / "README.md").read_text()
    assert card.startswith("---\npretty_name: 'Toy: mix'")
    assert "| toy | CC0-1.0 |" in card
    from datasets import load_dataset

    files = {"train": str(corpora_folder / "one" / "train.parquet")}
    data = load_dataset("parquet", data_files=files, cache_dir=str(corpora_folder / "cache"))[
        "train"
    ]
    assert len(data) == 60
    assert set(data[0]["messages"][0]) == {"role", "content"}


def test_the_suite_is_held_out_distinct_and_carries_checks(corpora_folder: Path) -> None:
    suite = InteractiveSuite(
        kind="interactive",
        directions=["zh-en", "en-de"],
        conversations=5,
        demands={"first-sentence": 1.0, "replace-words": 1.0, "next-sentence": 1.0},
    )
    prompts = interactive.build("talk", suite, Context("toy", 4, corpora_folder))
    tests = {
        text
        for row in corpora()
        if row["split"] == "test"
        for text in (row["text_a"], row["text_b"])
    }
    assert len(prompts) == 10
    assert len({tuple(prompt.turns) for prompt in prompts}) == 10
    for prompt in prompts:
        assert prompt.meta["source_text"] in tests
        assert len(prompt.turns) == len(prompt.references) == len(prompt.meta["demands"])
        assert all(demand["checks"] for demand in prompt.meta["demands"])
    assert prompts == interactive.build("talk", suite, Context("toy", 4, corpora_folder))


def test_a_suite_without_enough_material_says_so(corpora_folder: Path) -> None:
    suite = InteractiveSuite(kind="interactive", directions=["fr-en"], conversations=5)
    with pytest.raises(StudyError, match="fr-en"):
        interactive.build("talk", suite, Context("toy", 4, corpora_folder))
