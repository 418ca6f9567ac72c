"""Turns upstream dialogues into user and assistant turns in alternation."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bayling_study.config.corpora import ConversationCorpus
from bayling_study.core.text.forms import storable
from bayling_study.shared.corpus_tables import Conversation, Message
from bayling_study.stages.corpora.readers.jsonitems import optional_text, read_items
from bayling_study.stages.corpora.readers.locate import locate_all
from bayling_study.stages.corpora.readers.odd import OddRow, or_odd

HALVES = "half a character replaced"  # name of the repair of a text that UTF-8 cannot hold
UNLEARNT = Message("unlearnt", "")
"""Stands for an answer that its source excludes from the loss; no dialogue goes beyond it."""


class Draft(NamedTuple):
    """A conversation as read, with the names of its repairs for the report. Its ``messages`` are
    empty where nothing usable is left."""

    conversation: Conversation
    changes: tuple[str, ...]


def drafts(
    download: Path, corpus: ConversationCorpus, turns: Callable[[Any, str], list[Message]]
) -> Iterator[Draft | OddRow]:
    """Yields the conversation of each row of a corpus's files. ``turns`` makes the raw turns of a
    row and its place; what it refuses (``StudyError``) is odd."""
    for path in locate_all(download, corpus.path):
        for number, row in read_items(path):
            made = or_odd(partial(turns, row, f"{path}: row {number}"), corpus.language, row)
            name = f"{corpus.source}/{path.name}/{number}"
            if isinstance(made, OddRow):
                yield made
                continue
            messages, changes = complete_exchanges(made)
            whole = [message._replace(content=storable(message.content)) for message in messages]
            about = name, corpus.reader, corpus.source, [corpus.language]
            halves = (HALVES,) if whole != messages else ()
            yield Draft(Conversation(*about, whole), (*changes, *halves))


def framed(row: dict[str, Any], turns: list[Message], where: str) -> list[Message]:
    """Adds to a row's turns the system text that stands beside them. As in LLaMA-Factory a system
    turn goes before it. A row that is not to be learnt has no turns. A text that is none is refused
    (``StudyError``)."""
    if unlearnt(row):
        return [UNLEARNT]
    texts = [optional_text(row, key, where).strip() for key in ("system", "system_prompt")]
    first = [turn for turn in turns[:1] if turn.role == "system"]
    return [*first, *(Message("system", text) for text in texts if text), *turns[len(first) :]]


def unlearnt(item: Mapping[str, Any]) -> bool:
    """Tells whether a row or turn is marked as not to be learnt. The marks are those of KTO's data
    in LLaMA-Factory, of Axolotl and of OpenAI."""
    marks = [item.get(key) for key in ("label", "kto_tag", "train")]
    return any(mark is False for mark in marks) or item.get("weight") == 0


def complete_exchanges(turns: Iterable[Message]) -> tuple[list[Message], tuple[str, ...]]:
    """Keeps the longest usable start of a dialogue. Returns the messages, none if no exchange is
    complete, and the names of the repairs.

    A system turn may come first. Assistant turns before the first user turn are left out (ShareGPT
    splits long chats). The dialogue ends before an empty turn, an unknown (empty) ``role``, an
    answer not to be learnt or a turn out of order, and after its last assistant turn.
    """
    head: list[Message] = []
    body: list[Message] = []
    changes: list[str] = []
    for turn in turns:
        if turn.role == "system" and not body:
            if turn.content and not head:
                head.append(turn)
            elif turn.content not in ("", *(first.content for first in head)):
                changes.append("second system text left out")
        elif turn.role == "assistant" and not body:
            changes.append("leading answer left out")
        elif problem := _problem(turn, body):
            changes.append(problem)
            break
        else:
            body.append(turn)
    if body and body[-1].role == "user":
        changes.append("last question without answer")
        body.pop()
    return ([*head, *body] if body else []), tuple(dict.fromkeys(changes))


def _problem(turn: Message, body: list[Message]) -> str:
    """Tells why a dialogue must end before this turn, or returns an empty string."""
    if turn == UNLEARNT:
        return "cut at an answer that is not to be learnt"
    if turn.role not in ("user", "assistant"):
        return "cut at an odd role"
    if not turn.content:
        return "cut at an empty turn"
    if body and body[-1].role == turn.role:
        return "cut at a turn out of order"
    return ""
