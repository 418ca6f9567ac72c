"""Puts a tokenizer into a GGUF file, from ``tokenizer.json``.

llama.cpp does not run the pre-tokenizer that a ``tokenizer.json`` describes; it
has its own under a name. A pre-tokenizer without a name here is an error: the
file would load, and split text in another way than the model was trained with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gguf import TokenType
from transformers import AutoTokenizer

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json

BYTE_LEVEL = "gpt2"
SENTENCEPIECE = "llama"
UNUSED = "[PAD{}]"


def add_tokenizer(writer: Any, checkpoint: Path, vocabulary: int) -> None:
    """Adds vocabulary, merges or scores, special tokens and chat template.

    Args:
        writer: the ``gguf.GGUFWriter``.
        checkpoint: folder with ``tokenizer.json``.
        vocabulary: rows of the embedding; ids without a token are marked unused.

    Raises:
        StudyError: there is no ``tokenizer.json``, it is no BPE, its
            pre-tokenizer has no name in llama.cpp, or it has more ids than rows.
    """
    where = checkpoint / "tokenizer.json"
    values = read_json(where)
    model = values["model"]
    if model.get("type") != "BPE":
        raise StudyError(
            f"GGUF export knows BPE tokenizers, not {model.get('type')!r}", where=where
        )
    tokens, types = _tokens(values, vocabulary, where)
    if model.get("byte_fallback"):
        writer.add_tokenizer_model(SENTENCEPIECE)
        writer.add_tokenizer_pre("default")
        writer.add_token_scores(_scores(types))
    else:
        writer.add_tokenizer_model(BYTE_LEVEL)
        writer.add_tokenizer_pre(_pre_tokenizer(values, where))
        writer.add_token_merges([_merge(merge) for merge in model["merges"]])
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    _add_special(writer, checkpoint)


def _tokens(values: Any, vocabulary: int, where: Path) -> tuple[list[str], list[int]]:
    """Returns the text and the type of every id of the embedding."""
    tokens = [UNUSED.format(number) for number in range(vocabulary)]
    types = [int(TokenType.UNUSED)] * vocabulary
    known = dict(values["model"]["vocab"])
    added = {token["id"]: token for token in values.get("added_tokens", [])}
    for text, number in [*known.items(), *((t["content"], i) for i, t in added.items())]:
        if number >= vocabulary:
            raise StudyError(f"token id {number} has no row in the embedding", where=where)
        tokens[number] = text
        types[number] = _type(text, number, added, values["model"])
    return tokens, types


def _type(text: str, number: int, added: dict[int, Any], model: Any) -> int:
    if text == model.get("unk_token") and model.get("byte_fallback"):
        return int(TokenType.UNKNOWN)
    if number in added:
        special = added[number]["special"]
        return int(TokenType.CONTROL if special else TokenType.USER_DEFINED)
    if model.get("byte_fallback") and len(text) == 6 and text.startswith("<0x"):
        return int(TokenType.BYTE)
    return int(TokenType.NORMAL)


def _scores(types: list[int]) -> list[float]:
    """Returns SentencePiece BPE scores: minus the rank, as its trainer assigns them.

    A BPE vocabulary lists its pieces in the order of their merges, so the rank
    is the position among the ordinary pieces.
    """
    scores, rank = [], 0
    for kind in types:
        scores.append(-float(rank) if kind == TokenType.NORMAL else 0.0)
        rank += kind == TokenType.NORMAL
    return scores


def _merge(merge: Any) -> str:
    return merge if isinstance(merge, str) else " ".join(merge)


def _pre_tokenizer(values: Any, where: Path) -> str:
    """Returns llama.cpp's name of the pre-tokenizer."""
    node = values.get("pre_tokenizer") or {}
    steps = node.get("pretokenizers", [node])
    kinds = [step.get("type") for step in steps]
    own_split = steps[-1].get("use_regex", True)
    if kinds == ["ByteLevel"] and own_split:
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and own_split and steps[0].get("individual_digits"):
        return "smollm"
    raise StudyError(
        f"llama.cpp's name for the pre-tokenizer {kinds} is not known",
        where=where,
        fix="format: groupwise",
    )


def _add_special(writer: Any, checkpoint: Path) -> None:
    """Adds the ids of special tokens, whether BOS is prepended, and the chat template."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)
    for name in ("bos", "eos", "unk", "pad"):
        number = getattr(tokenizer, f"{name}_token_id")
        if number is not None:
            getattr(writer, f"add_{name}_token_id")(number)
    plain = tokenizer("a").input_ids
    writer.add_add_bos_token(bool(plain) and plain[0] == tokenizer.bos_token_id)
    writer.add_add_eos_token(bool(plain) and plain[-1] == tokenizer.eos_token_id)
    if isinstance(tokenizer.chat_template, str):
        writer.add_chat_template(tokenizer.chat_template)
