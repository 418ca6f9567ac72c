"""New tokens: what is encoded as before, what the new rows start as, what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from bayling_study.config.systems import Vocabulary
from bayling_study.core.errors import StudyError
from bayling_study.core.files import file_hashes, sha256_path
from bayling_study.stages.foundation import vocabulary
from bayling_study.stages.foundation.vocabulary import grow, started
from helpers.tiny import sentence
from helpers.training import llama3_tokenizer, old_llama_tokenizer, tiny_model, write_foundation

CHINESE = [sentence("zh", [n, n + 1, n + 40]) + f"第{n}号：打开设置页面" for n in range(120)]
ENGLISH = ["The red castle.", "  two  blanks\n\tand a tab", "<|im_start|>user\nthe<|im_end|>", "é"]
WANTED: dict[str, Any] = {"tokens": 40, "languages": ["zh"]}


def grown(source: Path, out: Path, texts: list[str] | None = None, **changed: Any) -> Path:
    out.mkdir(parents=True)
    grow(source, out, Vocabulary(**{**WANTED, **changed}), CHINESE if texts is None else texts, 7)
    return out


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_foundation(tmp_path_factory.mktemp("model") / "source")


def encode(folder: Path, texts: list[str]) -> list[list[int]]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found: list[list[int]] = [tokenizer(text)["input_ids"] for text in texts]
    return found


def test_no_new_token_leaves_every_byte(source: Path, tmp_path: Path) -> None:
    out = grown(source, tmp_path / "none", texts=[], tokens=0)
    assert file_hashes(out) == file_hashes(source)


@pytest.mark.parametrize("tied", [True, False])
def test_text_comes_back_and_what_has_no_new_token_is_encoded_as_before(
    tied: bool, tmp_path: Path
) -> None:
    source = write_foundation(tmp_path / "source", tied)
    before = sha256_path(source)
    out = grown(source, tmp_path / "grown")
    assert sha256_path(source) == before, "the source is read, not written"
    tokenizer = AutoTokenizer.from_pretrained(out)
    unseen = [f"{text}吗？{n} {ENGLISH[n % 4]}" for n, text in enumerate(CHINESE)]
    longer = 0
    for text, old, new in zip(unseen, encode(source, unseen), encode(out, unseen), strict=True):
        assert tokenizer.decode(new) == text
        longer += len(old) - len(new)
    assert longer > 100
    assert encode(source, ENGLISH) == encode(out, ENGLISH)
    model = AutoModelForCausalLM.from_pretrained(out)
    rows = len(AutoTokenizer.from_pretrained(source)) + 40
    assert model.get_input_embeddings().weight.shape[0] == rows == model.config.vocab_size
    assert (model.lm_head.weight is model.model.embed_tokens.weight) == tied
    olds = AutoModelForCausalLM.from_pretrained(source).state_dict()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor[: len(olds[name])], olds[name]), name
    used = {number for ids in encode(out, CHINESE) for number in ids}
    assert used & set(range(rows - 40, rows)), "new tokens are used"


def test_the_same_text_and_seed_give_the_same_bytes(source: Path, tmp_path: Path) -> None:
    one, two = (grown(source, tmp_path / name, start="random") for name in ("one", "two"))
    assert sha256_path(one) == sha256_path(two)


def test_rows_start_as_they_are_said_to() -> None:
    matrix = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [3.0, 0.0]])
    pieces = [[0, 1], [3, 3], [0, 0, 2]]
    mean = started(matrix, pieces, "mean", 1)
    assert torch.allclose(mean, torch.tensor([[0.5, 0.5], [3.0, 0.0], [1 / 3, 0.0]]))
    alike = started(matrix, pieces, "similarity", 1)
    assert torch.allclose(alike[:2], mean[:2]), "pieces that are equally like their mean"
    share = 2 * math.e / (2 * math.e + 1 / math.e)  # cosines 1, 1 and -1 with the mean
    assert alike[2, 0].item() == pytest.approx(share - (1 - share))
    wide = torch.randn(500, 64, generator=torch.Generator().manual_seed(1)) * 0.3
    noise = started(wide, [[1, 2]] * 400, "random", 1)
    assert noise.std().item() == pytest.approx(0.3, rel=0.02) and abs(noise.mean()) < 0.01
    assert not torch.equal(noise, started(wide, [[1, 2]] * 400, "random", 2))


def bits_per_byte(folder: Path, texts: list[str]) -> float:
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained
    nats = 0.0
    for ids in (torch.tensor([tokenizer(folder)(text)["input_ids"]]) for text in texts):
        with torch.no_grad():
            nats += model(input_ids=ids, labels=ids).loss.item() * (ids.shape[1] - 1)
    return nats / math.log(2) / sum(len(text.encode()) for text in texts)


def test_a_trained_model_finds_text_likelier_with_rows_made_of_its_own(tmp_path: Path) -> None:
    """Of a tiny model that was trained for seconds on the texts; not a claim about larger ones."""
    source = write_foundation(tmp_path / "source")
    tokenizer = AutoTokenizer.from_pretrained(source)
    model = AutoModelForCausalLM.from_pretrained(source)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    rows = [torch.tensor([tokenizer(text)["input_ids"][:48]]) for text in CHINESE]
    for ids in rows:
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(source)
    found = {
        start: bits_per_byte(grown(source, tmp_path / start, start=start), CHINESE[:6])
        for start in ("mean", "similarity", "random")
    }
    assert max(found["mean"], found["similarity"]) < found["random"], found


def test_rows_are_new_where_the_embedding_is_longer_than_the_vocabulary(tmp_path: Path) -> None:
    tokenizer = llama3_tokenizer()
    tiny_model(len(tokenizer) + 100).save_pretrained(tmp_path / "source")
    tokenizer.save_pretrained(tmp_path / "source")
    out = grown(tmp_path / "source", tmp_path / "grown")
    model = AutoModelForCausalLM.from_pretrained(out)
    assert model.config.vocab_size == len(tokenizer) + 100
    assert AutoTokenizer.from_pretrained(out)("天")["input_ids"][0] == 0, (
        "BOS is still put in front"
    )


def test_what_cannot_be_learnt_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="gives 0 new tokens, not 40"):
        grown(source, tmp_path / "few", texts=["天"])
    old = tmp_path / "old"
    tokenizer = old_llama_tokenizer()
    tiny_model(len(tokenizer)).save_pretrained(old)
    tokenizer.save_pretrained(old)
    with pytest.raises(StudyError, match="no byte-level BPE"):
        grown(old, tmp_path / "out")


def test_a_token_that_exists_already_is_not_made_twice(source: Path) -> None:
    path = source / vocabulary.TOKENIZER
    content, pieces = vocabulary.extended(path, CHINESE, 60)
    ids = content["model"]["vocab"]
    old = json.loads(path.read_text())["model"]["vocab"]
    assert len(ids) == len(old) + 60 == len(set(ids.values())) and len(pieces) == 60
    assert all(ids[name] == number for name, number in old.items())
    names = {number: name for name, number in old.items()}
    new = [name for name in ids if name not in old]
    assert ["".join(names[number] for number in piece) for piece in pieces] == new
