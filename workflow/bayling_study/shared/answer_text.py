"""From an answer's token ids to its text, where characters are spelled in bytes.

A character that the vocabulary lacks is several tokens, one a byte. An answer that
ends at its token limit may end inside one: only that character is missing.
Decoders say otherwise: where bytes are a fallback (SentencePiece), one byte too
few makes a U+FFFD of each byte of the run, which may be a whole answer in Tibetan.
"""

import re
from codecs import getincrementaldecoder
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

from transformers.convert_slow_tokenizer import bytes_to_unicode

from bayling_study.shared.reasoning import MARKS

UNREADABLE = "\ufffd"
BYTE = re.compile("<0x([0-9A-F]{2})>")
LONGEST = 4  # bytes of the longest character in UTF-8: as many tokens hold a last one in any case
BYTES = {letter: number for number, letter in bytes_to_unicode().items()}
"""Letter to the byte that it stands for in byte-level vocabularies."""


def answer_text(tokenizer: Any, ids: Sequence[int], cut: bool) -> str:
    """Returns an answer's text without special tokens, but with the marks of reasoning. Bytes that
    are no character become one U+FFFD for each sequence that nothing can complete (as the Unicode
    standard recommends); the text around them stays. Of an answer that was ``cut`` and would go on,
    a character that it has only begun is left out."""
    if not tokenizer.is_fast:
        return str(tokenizer.decode(ids, skip_special_tokens=True))
    special, decoder = _facts(tokenizer)
    kept = [number for number in ids if number not in special]
    tokens = [token or "" for token in tokenizer.convert_ids_to_tokens(kept)]
    if "ByteFallback" in decoder:
        kept = _mended(tokenizer, kept, tokens, cut)
    text = str(tokenizer.decode(kept, skip_special_tokens=False))
    if cut and "ByteLevel" in decoder:
        _, begun = _read(b"".join(_level_bytes(token) for token in tokens[-LONGEST:]))
        text = text.removesuffix(UNREADABLE) if begun else text
    return text


@lru_cache(maxsize=4)
def _facts(tokenizer: Any) -> tuple[frozenset[int], str]:
    """Returns the special tokens to leave out, and what the tokenizer's decoder consists of."""
    added = tokenizer.added_tokens_decoder.items()
    special = (number for number, token in added if token.special and token.content not in MARKS)
    return frozenset(special), repr(tokenizer.backend_tokenizer.decoder)


def _mended(tokenizer: Any, ids: list[int], tokens: list[str], cut: bool) -> list[int]:
    """Returns ids whose runs of byte tokens are valid UTF-8; valid ones stay."""
    mended: list[int] = []
    seen = 0
    pairs = zip(ids, map(BYTE.fullmatch, tokens), strict=True)
    for spelled, run in groupby(pairs, key=lambda pair: pair[1] is not None):
        numbers, found = zip(*run, strict=True)
        seen += len(numbers)
        if spelled:
            text, begun = _read(bytes(int(match[1], 16) for match in found))
            text += UNREADABLE if begun and not (cut and seen == len(ids)) else ""
            numbers = tokenizer.convert_tokens_to_ids([f"<0x{byte:02X}>" for byte in text.encode()])
        mended += numbers
    return mended


def _read(raw: bytes) -> tuple[str, bytes]:
    """Returns the text that bytes spell, and the bytes of a last character that is incomplete."""
    decoder = getincrementaldecoder("utf-8")("replace")
    return decoder.decode(raw), decoder.getstate()[0]


def _level_bytes(token: str) -> bytes:
    """Returns a byte-level token's bytes; one with other letters stands for itself."""
    found = [BYTES.get(letter) for letter in token]
    return token.encode() if None in found else bytes(found)  # type: ignore[arg-type]
