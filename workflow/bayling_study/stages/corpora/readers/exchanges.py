"""Turns upstream dialogues into user and assistant turns in alternation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bayling_study.config.corpora import ConversationCorpus
from bayling_study.core.text.forms import storable
from bayling_study.shared.corpus_tables import Conversation, Message

HALVES = "half a character replaced"
"""Name of the repair of a text that UTF-8 cannot hold."""


@dataclass(frozen=True)
class Draft:
    """A conversation as read, with what had to be changed.

    Attributes:
        conversation: its ``messages`` may be empty, where nothing usable is left.
        changes: names of the repairs, for the report.
    """

    conversation: Conversation
    changes: tuple[str, ...] = ()


def draft(corpus: ConversationCorpus, file: str, row: int, turns: Iterable[Message]) -> Draft:
    """Makes the conversation of a file's row from its raw turns."""
    messages, changes = complete_exchanges(turns)
    whole = [message._replace(content=storable(message.content)) for message in messages]
    if whole != messages:
        messages, changes = whole, (*changes, HALVES)
    name = f"{corpus.source}/{file}/{row}"
    return Draft(
        Conversation(name, corpus.reader, corpus.source, [corpus.language], messages), changes
    )


def complete_exchanges(turns: Iterable[Message]) -> tuple[list[Message], tuple[str, ...]]:
    """Keeps the longest usable start of a dialogue.

    A system turn may come first. Assistant turns before the first user turn are
    left out (ShareGPT's long chats are split in the middle). The dialogue ends
    before an empty turn, a turn of an unknown role (empty ``role``) or a turn out
    of order, and after its last assistant turn.

    Returns:
        The messages, none if no exchange is complete, and the names of the repairs.
    """
    head: list[Message] = []
    body: list[Message] = []
    changes: list[str] = []
    for turn in turns:
        if turn.role == "system" and not (head or body) and turn.content:
            head.append(turn)
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
    if turn.role not in ("user", "assistant"):
        return "cut at an odd role"
    if not turn.content:
        return "cut at an empty turn"
    if body and body[-1].role == turn.role:
        return "cut at a turn out of order"
    return ""
