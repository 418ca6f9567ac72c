"""Known damage and the rows made from it."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayling_study.config import StudyConfig
from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_jsonl
from bayling_study.stages.comet import degrade
from bayling_study.stages.comet.dataset import read_rows, write_csv
from bayling_study.stages.comet.degrade import DAMAGES, Material
from bayling_study.stages.comet.segments import draw, read_translations, wanted_directions

ENGLISH = Material("ein zwei drei vier fünf", "one two three four five", "un deux", "a b c", True)
CHINESE = Material("one two three", "一二三四五六", "eins zwei", "甲乙丙", False)


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("material", [ENGLISH, CHINESE], ids=["words", "characters"])
def test_every_damage_has_text_and_a_score_from_0_to_1(kind: str, material: Material) -> None:
    for seed in range(50):
        text, score = DAMAGES[kind][1](material, random.Random(seed))
        assert text
        assert 0 <= score <= 1


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_single_word_can_be_damaged(kind: str) -> None:
    single = Material("ja", "yes", "", "no", True)
    text, score = DAMAGES[kind][1](single, random.Random(1))
    assert text
    assert 0 <= score <= 1


def test_dropped_share_is_the_lost_score() -> None:
    for seed in range(30):
        text, score = degrade.drop_units(ENGLISH, random.Random(seed))
        assert score == pytest.approx(len(text.split()) / 5)


def test_replaced_share_is_the_lost_score() -> None:
    for seed in range(30):
        text, score = degrade.replace_units(CHINESE, random.Random(seed))
        kept = sum(a == b for a, b in zip(text, "一二三四五六", strict=True))
        assert score == pytest.approx(kept / 6)


def test_swaps_keep_all_words_and_cost_half() -> None:
    for seed in range(30):
        text, score = degrade.swap_units(ENGLISH, random.Random(seed))
        assert sorted(text.split()) == sorted(ENGLISH.reference.split())
        moved = sum(a != b for a, b in zip(text.split(), ENGLISH.reference.split(), strict=True))
        assert score == pytest.approx(1 - 0.5 * moved / 5)


def test_the_useless_answers_score_next_to_nothing() -> None:
    kinds = ("copy_source", "wrong_language", "unrelated", "keep_exact")
    made = [DAMAGES[kind][1](ENGLISH, random.Random(0)) for kind in kinds]
    right = ENGLISH.reference, 1.0
    assert made == [(ENGLISH.source, 0.05), ("un deux", 0.05), ("a b c", 0.0), right]


def segment(number: int, group: int) -> dict[str, object]:
    return {
        "direction": "de-en",
        "source": f"Quelle {number} hier",
        "reference": f"source number {number} here",
        "foreign": "",
        "spaced": True,
        "group": str(group),
    }


def test_held_out_groups_are_never_trained(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "s.jsonl", [segment(n, n // 3) for n in range(60)])
    train, held_out = read_rows(tmp_path / "s.jsonl", 80, 20, seed=5)
    assert (len(train), len(held_out)) == (80, 20)
    groups = [
        {int(row.triple.source.split()[1]) // 3 for row in side} for side in (train, held_out)
    ]
    assert groups[1]
    assert not groups[0] & groups[1]
    again = read_rows(tmp_path / "s.jsonl", 80, 20, seed=5)
    assert again == (train, held_out)
    assert read_rows(tmp_path / "s.jsonl", 80, 20, seed=6) != again


def test_training_file_keeps_odd_text(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "s.jsonl", [segment(n, n) for n in range(20)])
    train, _ = read_rows(tmp_path / "s.jsonl", 200, 20, seed=5)
    write_csv(tmp_path / "train.csv", train)
    with open(tmp_path / "train.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["mt"] for row in rows] == [row.triple.hypothesis for row in train]
    assert all(row["mt"] != "" for row in rows), "pandas would read an empty field as nan"


def write_corpus(folder: Path) -> None:
    rows = []
    for number in range(12):
        for language in ("de", "zh"):
            rows.append(
                {
                    "id": f"{number}{language}",
                    "source": "x",
                    "lang_a": "en",
                    "lang_b": language,
                    "text_a": f"sentence {number}",
                    "text_b": f"{language} {number}",
                    "document": "d",
                    "split": "test" if number < 2 else "train",
                }
            )
    pq.write_table(pa.Table.from_pylist(rows), folder / "parallel.parquet")


def test_segments_come_from_the_train_side_of_every_direction(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    translations = read_translations(tmp_path, {"en", "de", "zh"})
    assert len(translations) == 10
    rows = draw(translations, ["de-en", "en-zh", "zh-de"], 15, seed=1)
    assert [row["direction"] for row in rows[:3]] == ["de-en", "en-zh", "zh-de"]
    assert len(rows) == 15
    by_direction = {row["direction"]: row for row in rows}
    number = str(by_direction["zh-de"]["source"]).split()[1]
    assert by_direction["zh-de"] == {
        "direction": "zh-de",
        "source": f"zh {number}",
        "reference": f"de {number}",
        "foreign": f"sentence {number}",
        "spaced": True,
        "group": by_direction["zh-de"]["group"],
    }
    assert by_direction["en-zh"]["spaced"] is False
    assert not any(str(row["source"]).endswith((" 0", " 1")) for row in rows)
    assert json.dumps(rows) == json.dumps(
        draw(translations, ["de-en", "en-zh", "zh-de"], 15, seed=1)
    )


def test_a_direction_without_segments_is_an_error(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    with pytest.raises(StudyError, match="no training-side segments for fr-en"):
        draw(read_translations(tmp_path, {"en", "fr"}), ["fr-en"], 4, seed=1)


def test_directions_are_those_of_the_translation_suites() -> None:
    config = StudyConfig.model_validate(
        {
            "suites": {
                "a": {"kind": "translation", "directions": ["zh-en", "de-en"]},
                "b": {"kind": "interactive", "directions": ["fr-en"]},
                "c": {"kind": "wmt22", "directions": ["de-en", "en-ja"]},
            }
        }
    )
    assert wanted_directions(config) == ["zh-en", "de-en", "en-ja"]
