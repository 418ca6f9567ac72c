"""Answers whose last character is cut, in vocabularies that spell characters in bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from bayling_study.commands.chat.writing import Writer
from bayling_study.shared.answer_text import answer_text
from helpers.tiny_model import save_checkpoint
from helpers.training import old_llama_tokenizer

TEXTS = {
    "tibetan": "བོད་སྐད་ཡིན།",
    "nko": "ߒߞߏ ߞߊ߲ ߦߋ߫",
    "emoji": "a 👩🏽‍🚀🇩🇪👍",
    "chinese": "天气很好。",
    "mixed": "the dog, Straße, ნახვამდის!",
    "with unreadable": "a \ufffd b\ufffd",
    "latin": "the weather",
}


def byte_level(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(save_checkpoint(folder))


def byte_level_joined(folder: Path) -> Any:
    """Byte-level with tokens that join the end of one character with the start of the next."""
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = []
    for text in TEXTS.values():
        [(spelled, _)] = level.pre_tokenize_str(text)
        merges += [(spelled[n], spelled[n + 1]) for n in range(1, len(spelled) - 1, 2)]
    merges = list(dict.fromkeys(merges))
    pieces = ["<s>", "</s>", *letters, *dict.fromkeys("".join(pair) for pair in merges)]
    core = Tokenizer(models.BPE({piece: n for n, piece in enumerate(pieces)}, merges))
    core.pre_tokenizer, core.decoder = level, decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>")


TOKENIZERS = {
    "byte-level": byte_level,
    "byte-level, joined": byte_level_joined,
    "fallback": lambda folder: old_llama_tokenizer(),
    "fallback, older": lambda folder: old_llama_tokenizer(legacy=True),
}


@pytest.fixture(scope="module", params=TOKENIZERS)
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return TOKENIZERS[request.param](tmp_path_factory.mktemp("tokenizer"))


def ids_of(tokenizer: Any, text: str) -> list[int]:
    found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return found


@pytest.mark.parametrize("name", TEXTS)
def test_a_cut_answer_lacks_its_last_incomplete_character_and_nothing_else(
    tokenizer: Any, name: str
) -> None:
    text = TEXTS[name]
    ids = ids_of(tokenizer, text)
    begins = {text[:length] for length in range(len(text) + 1)}
    grown = ""
    for length in range(len(ids) + 1):
        found = answer_text(tokenizer, ids[:length], cut=True).removeprefix(" ")
        assert found in begins
        assert len(found) - len(grown) <= 2  # no character comes late
        assert found.startswith(grown)  # and none changes
        grown = found
    assert grown == text
    assert answer_text(tokenizer, ids, cut=False).removeprefix(" ") == text


@pytest.mark.parametrize("name", TEXTS)
def test_whole_answers_are_what_the_tokenizer_says(tokenizer: Any, name: str) -> None:
    ids = [*ids_of(tokenizer, TEXTS[name]), tokenizer.eos_token_id]
    for cut in (True, False):
        assert answer_text(tokenizer, ids, cut) == tokenizer.decode(ids, skip_special_tokens=True)


def test_the_decoders_lose_the_run_that_is_kept_here() -> None:
    """What is mended: one byte too few and the fallback makes U+FFFD of the whole word."""
    tokenizer = old_llama_tokenizer()
    ids = ids_of(tokenizer, TEXTS["tibetan"])[:-1]
    assert set(tokenizer.decode(ids).strip()) == {"\ufffd"}
    assert answer_text(tokenizer, ids, cut=True).strip() == TEXTS["tibetan"][:-1]
    assert answer_text(tokenizer, ids, cut=False).strip() == TEXTS["tibetan"][:-1] + "\ufffd"


def test_bytes_that_are_no_character_stay_visible_in_their_place() -> None:
    tokenizer = old_llama_tokenizer()
    before, after = ids_of(tokenizer, "དང"), ids_of(tokenizer, "ཡིན")[1:]
    wrong = tokenizer.convert_tokens_to_ids(["<0xFF>", "<0xC0>"])
    assert answer_text(tokenizer, [*before, *wrong, *after], cut=True).strip() == "དང\ufffd\ufffdཡིན"
    lone = ids_of(tokenizer, "ཡ")[1:2]  # the first of three bytes, and the answer goes on
    found = answer_text(tokenizer, [*before, *lone, *ids_of(tokenizer, "the")], cut=True)
    assert found.strip() == "དང\ufffd the"


def test_an_unreadable_character_at_the_end_of_a_cut_answer_was_written(tokenizer: Any) -> None:
    ids = ids_of(tokenizer, "a \ufffd")
    assert answer_text(tokenizer, ids, cut=True).strip() == "a \ufffd"


def test_marks_of_reasoning_that_are_special_tokens_stay(tmp_path: Path) -> None:
    tokenizer = byte_level(tmp_path)
    marks = [AddedToken(mark, special=True) for mark in ("[THINK]", "[/THINK]")]
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    ids = tokenizer.convert_tokens_to_ids(["[THINK]", "a", "[/THINK]", "b", "<|im_end|>"])
    assert tokenizer.decode(ids, skip_special_tokens=True) == "ab"
    assert answer_text(tokenizer, ids, cut=False) == "[THINK]a[/THINK]b"


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("lost", [0, 1])
def test_a_streamed_answer_comes_in_whole_characters(tokenizer: Any, name: str, lost: int) -> None:
    ids = ids_of(tokenizer, TEXTS[name])
    ids = ids[: len(ids) - lost] if lost else [*ids, tokenizer.eos_token_id]
    pieces: list[str] = []
    streamer = Writer(tokenizer, pieces.append, [tokenizer.eos_token_id])
    streamer.put(torch.tensor([[5, 6, 7]]))  # the prompt
    for number in ids:
        streamer.put(torch.tensor([number]))
        assert TEXTS[name].startswith("".join(pieces).removeprefix(" "))
    streamer.end()
    whole = "".join(pieces)
    assert whole == streamer.text == answer_text(tokenizer, ids, cut=bool(lost))
    assert lost or whole.removeprefix(" ") == TEXTS[name]
