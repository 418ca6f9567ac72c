"""Lengths of many conversations at once, without keeping their token ids. ``encode`` calls the
tokenizer for each span; here all spans of a batch go to it in one call, which for millions of
conversations saves most of the time. A test compares the results."""

import operator
from collections.abc import Iterator, Sequence
from typing import Any

from bayling_study.config.systems import TemplateName
from bayling_study.shared.templates import encoding
from bayling_study.shared.templates.spans import Message, Span, check_messages


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
    before, backend.encode_special_tokens = backend.encode_special_tokens, True
    try:
        lengths = [len(e) for e in backend.encode_batch_fast(texts, add_special_tokens=False)]
    finally:
        backend.encode_special_tokens = before
    lead = template != "foundation" and encoding.adds_bos(tokenizer)
    counts = map(operator.sub, lengths, less)
    return [_sums(row, counts, int(lead)) for row in spans]


def exceeds(tokenizer: Any, template: TemplateName, messages: Sequence[Message], most: int) -> bool:
    """Tells whether a conversation has more tokens than ``most``. Its longest spans are counted, no
    more than it takes: no token of the others stands for less than a byte. Checks as ``encode``."""
    check_messages(messages, last="assistant")
    spans = encoding.spans_of(template, messages, tokenizer)
    sizes = [len(span.text.encode("utf-8", "replace")) + 1 for span in spans]
    total = sum(sizes) + 1
    for number in sorted(range(len(spans)), key=sizes.__getitem__, reverse=True):
        if total <= most:
            return False
        before = spans[number - 1] if number else None
        total += len(encoding.one_span_ids(tokenizer, spans[number], before)) - sizes[number]
    return total - 1 + (template != "foundation" and encoding.adds_bos(tokenizer)) > most


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


def _sums(spans: list[Span], counts: Iterator[int], lead: int) -> tuple[int, int]:
    total, supervised = lead, 0
    for span in spans:
        count = 1 if span.special else next(counts)
        total += count
        supervised += count * span.supervised
    return total, supervised
