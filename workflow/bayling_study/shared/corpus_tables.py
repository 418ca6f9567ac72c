"""The two types that all readers produce, and their Parquet schemas."""

from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

PARALLEL_FILE = "parallel.parquet"
CONVERSATIONS_FILE = "conversations.parquet"
TERMS_FILE = "terms.parquet"
REPORT_FILE = "report.json"
ODD = "does not fit its format"  # reason in the report for which a reader left out a row

CONVERSATION_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("recipe", pa.string()),
        ("source", pa.string()),
        ("languages", pa.list_(pa.string())),
        ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
    ]
)


class ParallelSegment(NamedTuple):
    """An aligned pair: a text in the pivot language (a) and one in another (b), with their codes.
    ``id`` is unique in the corpora, ``SOURCE/LANGUAGE/DOCUMENT/KEY``, with the id of the upstream
    ``source``; ``document``, ``SOURCE/DOCUMENT``, is what the split must not tear apart; ``split``
    is ``train`` or ``test``, empty until it is decided."""

    id: str
    source: str
    lang_a: str
    lang_b: str
    text_a: str
    text_b: str
    document: str
    split: str = ""


class Term(NamedTuple):
    """A word or name in the pivot language (a) and in another one, as in ``ParallelSegment``."""

    source: str
    lang_a: str
    lang_b: str
    term_a: str
    term_b: str


PARALLEL_SCHEMA, TERM_SCHEMA = (
    pa.schema([(name, pa.string()) for name in row._fields]) for row in (ParallelSegment, Term)
)


class Message(NamedTuple):
    """One turn of a conversation: ``role`` is ``system``, ``user`` or ``assistant``."""

    role: str
    content: str


@dataclass(frozen=True)
class Conversation:
    """A dialogue: a user's turn (after a system turn, if any), an assistant's, and so on. ``id`` is
    unique in the corpora, ``SOURCE/FILE/NUMBER``; ``recipe`` tells where its form comes from, for
    upstream dialogues the reader's name; ``languages`` are codes."""

    id: str
    recipe: str
    source: str
    languages: list[str]
    messages: list[Message]
