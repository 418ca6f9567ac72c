"""Hidden states: which texts are read, what is pooled, and what retrieval and probes say."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch

from bayling_study.config.evaluation import GenerationSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.shared.capitals import is_held_out, names
from bayling_study.shared.models import Loaded, load
from bayling_study.stages.probing import __main__ as program
from bayling_study.stages.probing.measure import (
    aligned,
    fits,
    probes,
    retrieval,
    statements,
    vectors,
)
from helpers.tiny_model import save_checkpoint

SEED = 11
SINK = 1e4
CHANCE = np.random.default_rng(5)


def tokenizer(text: str) -> dict[str, list[int]]:
    """A token a letter; capitals are the second language's."""
    return {"input_ids": [ord(letter) for letter in text]}


class SinkModel:
    """Says the same of a letter in either language, but a first token is a sink of its language."""

    device = torch.device("cpu")

    def base_model(self, ids: Any, **options: Any) -> Any:
        assert options["output_hidden_states"]
        letters = torch.nn.functional.one_hot(ids % 32, 40).float()
        letters[:, 0] = SINK * torch.randn(len(ids), 40, generator=torch.Generator().manual_seed(1))
        return SimpleNamespace(hidden_states=(letters, 2 * letters))


@pytest.fixture
def sink() -> Loaded:
    tokenizer.all_special_ids = [0]  # type: ignore[attr-defined]
    return Loaded(SinkModel(), tokenizer, "safetensors", 8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("probing") / "model")


def test_the_first_token_is_a_sink_and_in_no_pool(sink: Loaded) -> None:
    small = ["qab", "qcd", "qef", "qgh"]
    sides = [vectors(sink, 100, texts) for texts in (small, [text.upper() for text in small])]
    assert retrieval(*sides) == [1.0, 1.0]
    with_it = [side + SINK * CHANCE.standard_normal(side.shape) for side in sides]
    assert max(retrieval(*with_it)) < 1.0  # what a mean with it would have said
    assert sides[0].shape == (2, 4, 40) and sides[0].max() == 1.0  # a half of each, twice
    assert fits(sink, "ab") and not fits(sink, "a") and not fits(sink, "too long a text")


def test_padding_and_batches_change_no_vector(model: Path) -> None:
    loaded = load(model, GenerationSection(precision="fp32"))
    texts = ["ba ke lo", "mi nu", "nu ra se ti vo wy ba ke lo mi", "ti vo"]
    together = vectors(loaded, 4096, texts)
    apart = np.concatenate([vectors(loaded, 1, [text]) for text in texts], axis=1)
    assert together.shape[0] == loaded.model.config.num_hidden_layers + 1
    np.testing.assert_allclose(together, apart, atol=1e-4)
    states = loaded.model(
        **loaded.tokenizer(texts[0], return_tensors="pt"), output_hidden_states=True
    ).hidden_states
    expected = [layer[0, 1:].mean(dim=0).detach().numpy() for layer in states]
    np.testing.assert_allclose(together[:, 0], expected, atol=1e-4)


def test_states_that_are_no_numbers_are_refused(sink: Loaded, monkeypatch: Any) -> None:
    monkeypatch.setattr(SinkModel, "base_model", lambda self, ids, **options: SimpleNamespace(
        hidden_states=[torch.full((*ids.shape, 4), torch.nan)]))  # fmt: skip
    with pytest.raises(StudyError, match="not numbers"):
        vectors(sink, 100, ["abc"])


def test_retrieval_is_the_mean_of_both_directions_by_cosine() -> None:
    a = np.array([[[1.0, 0.0], [0.0, 1.0]]] * 3)
    b = np.array([[[9.0, 0.1], [0.0, 0.2]], [[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [1.0, 0.1]]])
    # last layer: both texts of a find theirs, of b only the first does
    assert retrieval(a, b) == [1.0, 0.0, 0.75]


def test_a_probe_finds_a_direction_and_carries_it_to_a_shifted_language() -> None:
    truth = np.repeat([1.0, -1.0], 60)[:, None]
    direction, other = CHANCE.standard_normal((2, 32))

    def side(shift: float, way: Any) -> np.ndarray[Any, Any]:
        noise = CHANCE.standard_normal((1, 120, 32))
        return np.concatenate([noise, noise + shift + truth * way])

    states = {
        "de": {name: side(0.0, direction) for name in ("train", "test")},
        "zh": {name: side(50.0, direction) for name in ("train", "test")},
        "xx": {name: side(0.0, other) for name in ("train", "test")},
    }
    accuracy, cosine = probes(states)
    assert len(accuracy) == 9 and set(cosine) == {"de, zh", "de, xx", "xx, zh"}
    for name in ("de > de", "de > zh", "zh > de"):
        assert accuracy[name][1] > 0.9, name
        assert 0.3 < accuracy[name][0] < 0.7, name  # noise alone: chance is a half
    assert cosine["de, zh"][1] > 0.8 > abs(cosine["de, xx"][1])
    assert abs(cosine["de, zh"][0]) < 0.6


def test_names_alone_tell_no_statement_from_another() -> None:
    found = statements(["en", "zh", "de"], SEED)
    assert [len(found["en"][side]) for side in ("train", "test")] == [110, 120]
    for language, sides in found.items():
        known, by_name = names(language), {}
        for code, (country, city) in known.items():
            by_name[country] = code, city
        seen = {}
        for side, texts in sides.items():
            half = len(texts) // 2
            split = [text.split(": ") for text in texts]
            for column in (0, 1):
                true, false = (
                    [row[column] for row in part] for part in (split[:half], split[half:])
                )
                assert sorted(true) == sorted(false)
            assert all(by_name[country][1] == city for country, city in split[:half])
            assert not any(by_name[country][1] == city for country, city in split[half:])
            seen[side] = {by_name[country][0] for country, _ in split}
        assert all(map(is_held_out, seen["test"])) and not any(map(is_held_out, seen["train"]))
    assert found != statements(["en", "zh", "de"], SEED + 1)
    assert found == statements(["en", "zh", "de"], SEED)


def write_parallel(path: Path, count: int = 12) -> Path:
    rows = [
        {"lang_a": "en", "lang_b": code, "text_a": f"ba ke {n}", "text_b": f"{code} lo {n} mi",
         "split": "train" if n >= 10 else "test"}
        for code in ("de", "zh")
        for n in range(count)
    ]  # fmt: skip
    rows += [{**rows[0], "text_a": "another"}, {**rows[0], "text_b": "another"}]
    parquet.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_test_segments_are_drawn_once_each(tmp_path: Path) -> None:
    path = write_parallel(tmp_path / "parallel.parquet")
    every = aligned(path, ["zh", "de"], 100, SEED)
    assert {name: len(pairs) for name, pairs in every.items()} == {"en-de": 10, "en-zh": 10}
    for pairs in every.values():
        assert all(len({pair[side] for pair in pairs}) == 10 for side in (0, 1))
    some = aligned(path, ["zh"], 4, SEED)
    assert len(some["en-zh"]) == 4 and some == aligned(path, ["zh"], 4, SEED)
    assert some != aligned(path, ["zh"], 4, SEED + 1)
    with pytest.raises(StudyError, match="fewer than two test segments in fr"):
        aligned(path, ["de", "fr"], 4, SEED)


def test_the_program_writes_curves_and_counts(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sections = {
        "study": {"name": "s", "seed": SEED},
        "probing": {"languages": ["de", "zh"], "segments": 6},
        "generation": {"precision": "fp32"},
    }
    write_json(tmp_path / "settings.json", sections)
    options = {
        "--settings": tmp_path / "settings.json",
        "--record": tmp_path / "record.json",
        "--system": "small",
        "--checkpoint": model,
        "--parallel": write_parallel(tmp_path / "parallel.parquet"),
        "--out": tmp_path / "probing" / "small.json",
    }
    words = [str(word) for pair in options.items() for word in pair]
    monkeypatch.setattr(sys, "argv", ["probing", *words])
    program.main()
    result = read_json(tmp_path / "probing" / "small.json")
    named = {(curve["kind"], curve["name"]): curve for curve in result["curves"]}
    kinds = [kind for kind, _ in named]
    assert [kinds.count(kind) for kind in ("retrieval", "probe", "cosine")] == [2, 9, 3]
    first = named["retrieval", "en-de"]
    assert (first["n"], first["left_out"], first["chance"]) == (6, 0, pytest.approx(1 / 6))
    probe = named["probe", "en > zh"]
    assert (probe["n"], probe["trained"], probe["chance"]) == (120, 110, 0.5)
    assert {len(curve["values"]) for curve in named.values()} == {len(first["values"])}
    assert result["unprobed"] == []
    record = read_json(tmp_path / "record.json")
    assert record["metrics"]["retrieval.en-de"] == max(first["values"])
    assert record["metrics"]["probe.en.zh"] == max(probe["values"])
    assert set(record["inputs"]) == {"checkpoint", "parallel"}
