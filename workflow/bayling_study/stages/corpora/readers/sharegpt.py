"""Reads dialogues in ShareGPT's form, with or without a preference pair.

Form: a JSON array of ``{"id", "conversations": [{"from", "value"}, …]}``. Roles are ``human`` and
``gpt``; ``user``, ``chatgpt``, ``bing``, ``bard`` and ``system`` occur. Preference files
(``dpo_*_demo.json``) end with a question and add ``chosen`` and ``rejected``: the chosen answer is
the last turn. Early revisions hold the page's HTML; a turn without text has ``null``. Newer sets
call the turns ``messages``, with ``role`` and ``content``. A row may state a ``system`` text.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bayling_study.config.corpora import ConversationCorpus
from bayling_study.core.errors import StudyError
from bayling_study.core.tables import beside
from bayling_study.shared.corpus_tables import Message
from bayling_study.stages.corpora.readers.exchanges import UNLEARNT, Draft, drafts, framed, unlearnt
from bayling_study.stages.corpora.readers.html_text import strip_html
from bayling_study.stages.corpora.readers.jsonitems import object_of, text_of
from bayling_study.stages.corpora.readers.odd import OddRow

ROLES: dict[str, str] = beside(__file__)


def read(download: Path, corpus: ConversationCorpus) -> Iterator[Draft | OddRow]:
    """Yields one conversation for each row (``StudyError`` if no turn of any has a known role). A
    row without a list of turns, or in which a turn lacks ``from`` or ``value``, is odd."""
    roles: set[str] = set()
    clean = strip_html if corpus.strip_html else str
    yield from drafts(download, corpus, partial(_turns, clean=clean, roles=roles))
    if roles and roles.isdisjoint(ROLES):
        what = f"no turn has a known role, only {', '.join(sorted(roles)[:5])}"
        fix = f"rename the roles; known are {', '.join(ROLES)}"
        raise StudyError(what, where=f"{corpus.source}/{corpus.path}", fix=fix)


def _turns(item: Any, where: str, clean: Callable[[str], str], roles: set[str]) -> list[Message]:
    """Returns the raw turns of a row, and adds the names of their roles to ``roles``."""
    # Parquet has every key in every row: null where JSON lines would leave it out.
    row = {key: value for key, value in object_of(item, where).items() if value is not None}
    turns = row.get("conversations", row.get("messages"))
    names = ("from", "value") if "conversations" in row else ("role", "content")
    if not isinstance(turns, list):
        raise StudyError("the key 'conversations' is missing or not a list", where=where)
    if "chosen" in row:
        turns = [*turns, row["chosen"]]
    messages = []
    for turn in turns:
        if not isinstance(turn, dict):
            raise StudyError("a turn is not a JSON object", where=where)
        name = text_of(turn, names[0], where).lower()
        roles.add(name)
        role = ROLES.get(name, "")
        empty = names[1] in turn and turn[names[1]] is None
        text = "" if empty else clean(text_of(turn, names[1], where))
        bad = role == "assistant" and unlearnt(turn)
        messages.append(UNLEARNT if bad else Message(role, text.strip()))
    return framed(row, messages, where)
