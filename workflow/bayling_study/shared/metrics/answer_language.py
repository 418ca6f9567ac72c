"""Whether an answer of a conversation is in the language that its demand asks for.

A script alone flatters: a German text that comes back as it is passes as English. An answer
is not in its language when it copies the user's text, or when the identifiers of
``identification`` find another one. Both are controlled by the reference, which is right by
definition: what is found of it too (a product name, a text too odd to identify) counts
against no answer. On short texts identifiers err; there both must vote against.
"""

from collections.abc import Sequence

from bayling_study.shared.interactive.checks import matched_share
from bayling_study.shared.metrics.identification import SHORT, is_off, letters, votes

COPIED = 0.8
"""Share of an answer's words, in order, that make it a copy; ``KEPT`` of demands is alike."""


def in_language(answer: str, reference: str, language: str, given: Sequence[str]) -> bool:
    """Tells whether a system's answer is in a language and no copy of what the user wrote.

    The reference is the control. A language that no identifier knows is not judged. ``given`` are
    the user's texts, the source among them.
    """
    if any(_copied(answer, text) and not _copied(reference, text) for text in given):
        return False
    found = votes([answer, reference], language)
    off = is_off(found)
    return not off[0] or bool(off[1]) or (letters(answer) < SHORT and not found[0, [1, 3]].all())


def _copied(text: str, given: str) -> bool:
    return matched_share(text, given, of="one") >= COPIED
