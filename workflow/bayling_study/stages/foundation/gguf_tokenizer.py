"""Builds a hub-format tokenizer from the vocabulary inside a GGUF file.

General converters get three things wrong for the models used here: the end of a turn (the token
that GGUF names as EOS), a BOS in front of every text although the file says not to, and the
splitting of digits that ``pre`` asks for. So the file's own entries are used, and what is not
known is refused rather than guessed.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gguf import TokenType
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from bayling_study.core.errors import StudyError

LOG = logging.getLogger(__name__)

SPLIT_DIGITS = {"smollm": True, "gpt-2": False, "gpt2": False}
"""``tokenizer.ggml.pre`` to whether each digit is split off before byte-level splitting;
from llama.cpp's table of pre-tokenizers, where both use GPT-2's pattern and ``smollm`` puts
``\\p{N}`` in front of it."""


def build_tokenizer(metadata: Mapping[str, Any], where: Path) -> Any:
    """Returns a ``PreTrainedTokenizerFast`` with chat template, without BOS and token types
    (``StudyError`` if the file has no byte-level BPE vocabulary or lacks an entry)."""
    tokens = _entry(metadata, "tokenizer.ggml.tokens", where)
    eos = _token(metadata, tokens, "eos_token_id", where)
    pad = _pad_token(metadata, tokens, eos)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_byte_level_bpe(metadata, tokens, where),
        eos_token=eos,
        pad_token=pad,
        bos_token=_token(metadata, tokens, "bos_token_id", where, default=eos),
        unk_token=_token(metadata, tokens, "unknown_token_id", where, default=eos),
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
        model_max_length=int(metadata.get("llama.context_length", 2048)),
        padding_side="left",
    )
    tokenizer.chat_template = _entry(metadata, "tokenizer.chat_template", where)
    return tokenizer


def _pad_token(metadata: Mapping[str, Any], tokens: list[str], eos: str) -> str:
    """Returns a padding token other than EOS where one exists. Trainers that mask by the padding id
    would hide the end of every answer if both were the same; the unknown token of a byte-level
    vocabulary never occurs in encoded text and takes its place."""
    for key in ("padding_token_id", "unknown_token_id"):
        number = metadata.get(f"tokenizer.ggml.{key}")
        if number is not None and number < len(tokens) and tokens[number] != eos:
            return str(tokens[number])
    LOG.warning("the vocabulary has no padding token of its own; EOS pads")
    return eos


def _byte_level_bpe(metadata: Mapping[str, Any], tokens: list[str], where: Path) -> Any:
    model = _entry(metadata, "tokenizer.ggml.model", where)
    pre = metadata.get("tokenizer.ggml.pre", "gpt-2")
    if model != "gpt2" or pre not in SPLIT_DIGITS:
        what = f"the vocabulary is of kind {model!r}/{pre!r}; only byte-level BPE "
        what += f"(gpt2/{'|'.join(SPLIT_DIGITS)}) can be converted"
        fix = "use a source that ships tokenizer.json (kind hub or local)"
        raise StudyError(what, where=where, fix=fix)
    pairs = _entry(metadata, "tokenizer.ggml.merges", where)
    merges = [tuple(pair.split(" ", 1)) for pair in pairs]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    if len(vocabulary) != len(tokens):
        raise StudyError("the vocabulary holds a token twice", where=where)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, fuse_unk=False))
    steps: list[Any] = [pre_tokenizers.Digits(individual_digits=True)] if SPLIT_DIGITS[pre] else []
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    kinds = _entry(metadata, "tokenizer.ggml.token_type", where)
    for add, wanted in (
        (tokenizer.add_special_tokens, TokenType.CONTROL),
        (tokenizer.add_tokens, TokenType.USER_DEFINED),
    ):
        chosen = [token for token, kind in zip(tokens, kinds, strict=True) if kind == wanted]
        special = wanted == TokenType.CONTROL
        add([AddedToken(token, special=special, normalized=False) for token in chosen])
    return tokenizer


def _entry(metadata: Mapping[str, Any], key: str, where: Path) -> Any:
    if key not in metadata:
        raise StudyError(f"the GGUF file has no entry {key!r}", where=where)
    return metadata[key]


def _token(
    metadata: Mapping[str, Any], tokens: list[str], key: str, where: Path, default: str = ""
) -> str:
    """Returns the token that an id entry names, or the default, if there is one."""
    number = metadata.get(f"tokenizer.ggml.{key}")
    if number is None and default:
        return default
    if not isinstance(number, int) or not 0 <= number < len(tokens):
        raise StudyError(f"tokenizer.ggml.{key} is {number!r}, not a token id", where=where)
    return str(tokens[number])
