"""Contrastive losses, the pairs of a step, and the presets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch
from pydantic import ValidationError

from bayling_study.config.alignment import PRESETS, Alignment
from bayling_study.config.tuning import TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.shared.models import pooled_tokens
from bayling_study.stages.tuning import pairs
from bayling_study.stages.tuning.alignment import Aligner, contrastive_loss, pool
from helpers.training import chatml_tokenizer, llama3_tokenizer, tiny_model, write_foundation


def row(number: int, language: str = "de", split: str = "train", **values: str) -> dict[str, str]:
    texts = {"text_a": f"the sentence {number}", "text_b": f"der {language} Satz {number}"}
    return {"lang_a": "en", "lang_b": language, "split": split, **texts, **values}


def prepared(folder: Path, rows: list[dict[str, str]], **keys: Any) -> dict[str, int]:
    (folder / "corpora").mkdir(exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(rows), folder / "corpora" / "parallel.parquet")
    foundation = folder / "foundation"
    if not foundation.exists():
        write_foundation(foundation)
    settings = Alignment(**{"pairs_per_step": 4} | keys)
    return pairs.prepare(folder, folder / "corpora", foundation, ["de", "en", "zh"], settings, 3)


def test_one_direction_is_the_published_code_s_and_the_direction_matters() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(4, 6), torch.randn(4, 6)
    one, both = Alignment(), Alignment(direction="both")
    assert float(contrastive_loss(a, b, one)) == pytest.approx(6.25801, abs=1e-5)
    assert float(contrastive_loss(b, a, one)) == pytest.approx(5.49998, abs=1e-5)
    assert float(contrastive_loss(a, b, both)) == pytest.approx((6.25801 + 5.49998) / 2, abs=1e-5)


def test_all_against_all_is_twice_the_published_half() -> None:
    eye = torch.eye(4)
    loss = contrastive_loss(eye, eye, Alignment(preset="translico"))
    assert float(loss) / 2 == pytest.approx(0.58271, abs=1e-5)


def test_cosine_does_not_see_lengths_and_the_dot_product_does() -> None:
    torch.manual_seed(1)
    a, b = torch.randn(3, 5), torch.randn(3, 5)
    for similarity, same in (("cosine", True), ("dot", False)):
        settings = Alignment.model_validate({"similarity": similarity})
        losses = [float(contrastive_loss(a, b * factor, settings)) for factor in (1.0, 9.0)]
        assert (losses[0] == pytest.approx(losses[1], rel=1e-5)) is same


def test_a_pool_takes_its_own_text_without_the_first_token() -> None:
    hidden = torch.tensor([[1e6], [1.0], [3.0], [1e6], [7.0]])
    texts, pooled = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 1, 1, 0, 1]).bool()
    assert pool(hidden, texts, pooled, Alignment()).tolist() == [[2.0], [7.0]]
    assert pool(hidden, texts, pooled, Alignment(pooling="last")).tolist() == [[3.0], [7.0]]


def test_first_and_special_tokens_are_in_no_pool() -> None:
    ids, pooled = pooled_tokens(chatml_tokenizer(), "ab<|im_end|>c")
    assert pooled.tolist() == [False, True, False, True] and len(ids) == 4
    ids, pooled = pooled_tokens(llama3_tokenizer(), "ab")  # a BOS stands in front
    assert pooled.tolist() == [False, True, True]


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_fills_only_what_is_not_given(name: str) -> None:
    found = Alignment.model_validate({"preset": name, "temperature": 0.7}).model_dump()
    assert found["temperature"] == 0.7 and found["weight"] == PRESETS[name]["weight"]
    assert found["layer"] == PRESETS[name]["layer"]


@pytest.mark.parametrize(("layer", "block"), [(0.5, 16), (1, 1), (1.0, 32), (0.03, 1), (2 / 3, 21)])
def test_a_layer_is_a_number_or_a_share(layer: float, block: int) -> None:
    assert Alignment(layer=layer).block(32) == block


def test_training_without_it_has_no_such_key() -> None:
    assert "alignment" not in TuningSection().model_dump(mode="json")
    with pytest.raises(ValidationError):
        Alignment(temperature=0)


def test_test_text_and_other_languages_are_left_out(tmp_path: Path) -> None:
    rows = [row(n) for n in range(6)]
    rows += [row(6, split="test"), row(7, language="ru"), row(8, text_b="x" * 100)]
    rows += [row(9, text_b=rows[0]["text_b"]), row(10, text_b="q")]
    counts = prepared(tmp_path, rows)
    assert counts == {"taken": 6, "too_long": 1, "repeated": 1, "nothing_to_pool": 1}
    texts = pairs.Pairs(tmp_path, Alignment(pairs_per_step=6), 3).texts(0)
    decoded = {chatml_tokenizer().decode(ids) for ids, _ in texts}
    assert decoded == {text for n in range(6) for text in (row(n)["text_a"], row(n)["text_b"])}


def test_a_transliteration_is_the_pair_of_a_text_in_another_script(tmp_path: Path) -> None:
    rows = [row(n, language) for n in range(3) for language in ("de", "zh")]
    rows = [
        one | {"text_b": f"你好 {one['text_b'][-1]}"} if "zh" in one.values() else one
        for one in rows
    ]
    settings = Alignment(pairs="transliteration", pairs_per_step=2)
    prepared(tmp_path, rows, pairs="transliteration", pairs_per_step=2)
    texts = pairs.Pairs(tmp_path, settings, 3).texts(0)
    first, second = (
        [chatml_tokenizer().decode(ids) for ids, _ in texts[n : n + 2]] for n in (0, 2)
    )
    assert all(text.startswith("你好 ") for text in first)
    assert second == [text.replace("你好", "nihao") for text in first]
    assert Alignment.model_validate({"preset": "translico"}).pairs == "transliteration"


def test_a_step_s_pairs_belong_together_and_depend_on_the_step_alone(tmp_path: Path) -> None:
    prepared(tmp_path, [row(n, language) for n in range(8) for language in ("de", "zh")])
    found = pairs.Pairs(tmp_path, Alignment(pairs_per_step=4), 3)
    for step in range(20):
        texts = [chatml_tokenizer().decode(ids) for ids, _ in found.texts(step)]
        numbers = [text.rpartition(" ")[2] for text in texts]
        assert numbers[:4] == numbers[4:] and len(set(numbers)) == 4  # no sentence twice
        again = pairs.Pairs(tmp_path, Alignment(pairs_per_step=4), 3).texts(step)
        assert all(
            np.array_equal(a[0], b[0]) for a, b in zip(found.texts(step), again, strict=True)
        )
    assert len({tuple(ids.tolist()) for step in range(20) for ids, _ in found.texts(step)}) == 24


def test_too_few_pairs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="3 sentences with a translation for 4 pairs"):
        prepared(tmp_path, [row(n) for n in range(3)])


def test_packed_texts_have_the_vectors_of_texts_alone_and_the_loss_falls(tmp_path: Path) -> None:
    prepared(tmp_path, [row(n) for n in range(8)])
    settings = Alignment(pairs_per_step=4, layer=1)
    model = tiny_model(len(chatml_tokenizer())).eval()
    aligner = Aligner(settings, tmp_path, 2, torch.device("cpu"), 3)
    vectors = []
    for ids, pooled in aligner.pairs.texts(0):
        tokens = torch.from_numpy(ids.astype(np.int64))[None]
        hidden = model(input_ids=tokens, output_hidden_states=True).hidden_states[1][0]
        vectors.append(hidden[torch.from_numpy(pooled)].mean(0))
    expected = contrastive_loss(torch.stack(vectors[:4]), torch.stack(vectors[4:]), settings)
    loss = aligner.loss(model, 0, "grouped_sdpa")
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(10):
        optimizer.zero_grad()
        aligner.loss(model, 0, "grouped_sdpa").backward()
        optimizer.step()
    assert float(aligner.loss(model, 0, "grouped_sdpa")) < 0.8 * loss.item()


def test_a_block_that_is_not_there_is_refused(tmp_path: Path) -> None:
    prepared(tmp_path, [row(n) for n in range(8)])
    with pytest.raises(StudyError, match="the foundation has 2 blocks"):
        Aligner(Alignment(layer=3), tmp_path, 2, torch.device("cpu"), 3)
