"""The parts of a templated conversation, and the check that messages are well formed. A text span
is tokenised as plain text: a ``</s>`` or ``<|im_end|>`` that a user typed ends nothing. A special
span is one token of the vocabulary. Spans end where an answer starts and ends, the only two places
where training and generation must agree."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from bayling_study.core.errors import StudyError

Message = Mapping[str, str]
"""One message: ``{"role": "system" | "user" | "assistant", "content": text}``."""

EOS = "\0eos"  # name of the special span that stands for the tokenizer's own end-of-sequence token


@dataclass(frozen=True)
class Span:
    """A run of text, or one special token by its name (``EOS`` for the tokenizer's own); the loss
    counts the tokens of what is ``supervised``."""

    text: str
    special: bool = False
    supervised: bool = False


def merge_text(spans: Iterable[Span]) -> list[Span]:
    """Joins neighbouring text of one kind, so that it is tokenised in one go as models expect."""
    merged: list[Span] = []
    for (special, supervised), run in groupby(spans, lambda span: (span.special, span.supervised)):
        if special:
            merged += run
        else:
            merged.append(Span("".join(span.text for span in run), supervised=supervised))
    return merged


def split_system(messages: Sequence[Message], default: str) -> tuple[str, Sequence[Message]]:
    """Returns the system text and the turns; a leading system message replaces the default."""
    if messages and messages[0]["role"] == "system":
        return messages[0]["content"], messages[1:]
    return default, messages


def check_messages(messages: Sequence[Message], last: str) -> None:
    """Refuses (``StudyError``) what does not alternate from a user to the role ``last``."""
    _, turns = split_system(messages, "")
    for number, message in enumerate(turns):
        expected = "user" if number % 2 == 0 else "assistant"
        if message["role"] != expected:
            what = f"turn {number + 1} has the role {message['role']!r}, expected {expected!r}"
            fix = "user and assistant alternate, the user starts"
            raise StudyError(what, where="conversation", fix=fix)
    if not turns or turns[-1]["role"] != last:
        end = turns[-1]["role"] if turns else "nothing"
        raise StudyError(f"the conversation ends with {end!r}, expected {last!r}")
