"""From upstream dialogues to ``conversations.parquet``: drop what is unusable or repeated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from bayling_study.config.corpora import CorporaSection
from bayling_study.corpora.readers import CONVERSATIONS
from bayling_study.corpora.readers.exchanges import Draft
from bayling_study.corpora.tables import conversation_row, table_writer
from bayling_study.corpora.tally import Tally
from bayling_study.corpora.types import CONVERSATION_SCHEMA, CONVERSATIONS_FILE, Conversation


def build(section: CorporaSection, downloads: Mapping[str, Path], out: Path) -> dict[str, Any]:
    """Writes ``conversations.parquet`` into a folder and returns its part of the report.

    Raises:
        StudyError: an upstream file is broken.
    """
    tally = Tally(section.cleaning.samples)
    seen: set[bytes] = set()
    repaired: Counter[str] = Counter()
    with table_writer(out / CONVERSATIONS_FILE, CONVERSATION_SCHEMA) as writer:
        for corpus in section.conversations:
            group = f"{corpus.source}/{corpus.path}"
            for draft in CONVERSATIONS[corpus.reader](downloads[corpus.source], corpus):
                tally.read(group)
                repaired.update(draft.changes)
                if reason := _reason(draft, seen):
                    tally.reject(group, reason, draft.conversation.id)
                else:
                    writer.add(conversation_row(draft.conversation))
    return {**tally.report(), "repaired": dict(sorted(repaired.items()))}


def _reason(draft: Draft, seen: set[bytes]) -> str:
    """Returns why a conversation is left out, or an empty string, and remembers it."""
    if not draft.conversation.messages:
        return "no complete exchange"
    key = _digest(draft.conversation)
    if key in seen:
        return "duplicate"
    seen.add(key)
    return ""


def _digest(conversation: Conversation) -> bytes:
    text = "\0".join(f"{message.role}\0{message.content}" for message in conversation.messages)
    return blake2b(text.encode(), digest_size=8).digest()
