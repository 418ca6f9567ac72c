"""Lengths of many conversations at once, without keeping their token ids. ``encode`` calls the
tokenizer for each span; here all spans of a batch go to it in one call, which for millions of
conversations saves most of the time. A test compares the results."""

import operator
from collections.abc import Sequence
from itertools import compress
from typing import Any

from bayling_study.config.systems import TemplateName
from bayling_study.shared.templates import encoding
from bayling_study.shared.templates.spans import Message, Span, check_messages

SEAM = 64  # tokens by which those of a text and of its parts differ at most


def count_tokens(
    tokenizer: Any, template: TemplateName, conversations: Sequence[Sequence[Message]]
) -> list[tuple[int, int]]:
    """Returns each conversation's numbers of all and of supervised tokens; checks as ``encode``."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        encoded = [encoding.encode(tokenizer, template, messages) for messages in conversations]
        return [(len(ids), sum(mask)) for ids, mask in encoded]
    for messages in conversations:
        check_messages(messages, last="assistant")
    spans = [encoding.spans_of(template, messages, tokenizer) for messages in conversations]
    texts, less = _texts(tokenizer, spans)
    lead = template != "foundation" and encoding.adds_bos(tokenizer)
    left = map(operator.sub, _lengths(backend, texts), less)
    counts = [[1 if span.special else next(left) for span in row] for row in spans]
    taught = [map(operator.attrgetter("supervised"), row) for row in spans]
    return [(lead + sum(n), sum(compress(n, own))) for n, own in zip(counts, taught, strict=True)]


def fits(tokenizer: Any, texts: list[str], most: list[int], known: dict[str, int]) -> list[bool]:
    """Tells of which texts it is sure that they have at most so many tokens. Those of the first
    words are counted, as many as it takes; of the rest no token stands for less than a byte. Words
    are tokenised apart, give or take ``SEAM`` tokens, and ``known`` keeps their numbers."""
    spare = [n - len(t.encode("utf-8", "replace")) for t, n in zip(texts, most, strict=True)]
    result = [n >= 0 for n in spare]
    long = [number for number, n in enumerate(spare) if n < 0]
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend and long:
        heads = [texts[n][: 3 * (SEAM - spare[n]) // 2].split(" ")[:-1] for n in long]
        new = list({word for head in heads for word in head} - known.keys())
        least, *counts = _lengths(backend, ["a", *(f"a {word}" for word in new)])
        known.update(zip(new, (count - least for count in counts), strict=True))
        for number, head in zip(long, heads, strict=True):
            size = len(" ".join(head).encode("utf-8", "replace"))
            result[number] = size - sum(map(known.__getitem__, head)) >= SEAM - spare[number]
    return result


def _lengths(backend: Any, texts: Sequence[str]) -> list[int]:
    """Returns the numbers of tokens of texts, in which the names of special ones mean nothing."""
    before, backend.encode_special_tokens = backend.encode_special_tokens, True
    try:
        return [len(e) for e in backend.encode_batch_fast(texts, add_special_tokens=False)]
    finally:
        backend.encode_special_tokens = before


def _texts(tokenizer: Any, spans: list[list[Span]]) -> tuple[list[str], list[int]]:
    """Returns what is tokenised of each text span, and the tokens to take off its count: those of
    the newline that stands before some, as in ``encode``."""
    marks = encoding.marks_start(tokenizer)
    again = marks and encoding.marks_after_special(tokenizer)
    newline = len(tokenizer("\n", add_special_tokens=False)["input_ids"]) if marks else 0
    texts, less = [], []
    for row in spans:
        for before, span in zip([None, *row], row, strict=False):
            if not span.special:
                plain = not marks or before is None or (before.special and again)
                texts.append(span.text if plain else f"\n{span.text}")
                less.append(0 if plain else newline)
    return texts, less
