"""Tokenizers with the ids and sizes of LLaMA's and Llama 3's, most of whose pieces are made up."""

from __future__ import annotations

from functools import cache

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    processors,
)
from transformers import PreTrainedTokenizerFast

from helpers.training import LLAMA3_SPLIT

BLANK, SPACED = "\u2581", "\u0120"
LLAMA_WORDS, LLAMA_3_WORDS = 32000, 128000
LLAMA_3_MARKS = [
    *("<|begin_of_text|>", "<|end_of_text|>"),
    *(f"<|reserved_special_token_{number}|>" for number in range(4)),
    *("<|start_header_id|>", "<|end_header_id|>", "<|reserved_special_token_4|>", "<|eot_id|>"),
    *(f"<|reserved_special_token_{number}|>" for number in range(5, 251)),
]
"""From 128000 on; the mark that ends a turn is 128009."""


def filled(pieces: list[str], blank: str, size: int) -> dict[str, int]:
    """Returns a vocabulary of a size: the pieces, then numbers with a blank before them."""
    made = [f"{blank}{number:x}" for number in range(0x1000, 0x1000 + size - len(pieces))]
    return {piece: number for number, piece in enumerate([*pieces, *made])}


@cache
def llama() -> PreTrainedTokenizerFast:
    """Like LLaMA's and Llama 2's: SentencePiece's form, ``<s>`` put in front."""
    special = ["<unk>", "<s>", "</s>"]
    merges = [(BLANK, "a"), (BLANK, "t"), ("#", "#"), ("##", "#"), ("t", "h")]
    pieces = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), BLANK]
    pieces += [*"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,:#/?!0123456789"]
    pieces += ["".join(pair) for pair in merges]
    vocabulary = filled(pieces, BLANK, LLAMA_WORDS)
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in special])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace(BLANK, " "), decoders.ByteFallback(), decoders.Fuse(),
        decoders.Strip(" ", 1, 0),
    ])  # fmt: skip
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    marks = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **marks)


@cache
def llama_3() -> PreTrainedTokenizerFast:
    """Like Llama 3's: bytes, marks behind the words, ``<|begin_of_text|>`` put in front."""
    newline = "\u010a"
    merges = [(newline, newline), (".", newline), (":", newline), ("t", "h"), ("th", "e")]
    pieces = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *("".join(pair) for pair in merges)]
    tokenizer = Tokenizer(models.BPE(filled(pieces, SPACED, LLAMA_3_WORDS), merges))
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in LLAMA_3_MARKS])
    cut = pre_tokenizers.Split(Regex(LLAMA3_SPLIT), "isolated")
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([cut, whole])
    tokenizer.decoder = decoders.ByteLevel()
    begin = LLAMA_3_MARKS[0]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A", special_tokens=[(begin, LLAMA_3_WORDS)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=begin, eos_token="<|eot_id|>"
    )
