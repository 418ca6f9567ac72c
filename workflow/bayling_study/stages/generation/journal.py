"""Finished answers on disk, so that a killed job loses only those that it was writing. One row log
a suite (``rowlog``): a header with the key of all that decides the answers, then rows of some each.
A log with another key is started over."""

from pathlib import Path
from typing import NamedTuple

from bayling_study.core.rowlog import RowLog


class Entry(NamedTuple):
    """One answered turn of the prompt ``id``; its ``text`` is cleaned up as the suite asks. ``cut``
    of the prompt's tokens were dropped to fit the context. ``reasoning``, no part of ``text``, is
    what was thought before the answer; ``whole`` all that was said, where ``text`` is a part."""

    id: str
    text: str
    tokens: int
    finish: str
    cut: int = 0
    reasoning: str = ""
    whole: str = ""


class TurnJournal:
    """The answers of one system to one suite: in ``turns``, for each call, by prompt id."""

    def __init__(self, path: Path, key: str) -> None:
        self.turns: dict[int, dict[str, Entry]] = {}
        self._log = RowLog(path)
        if not self._log.rows or self._log.rows[0].get("key") != key:
            self._log.clear()
            self._log.append({"key": key})
        for row in self._log.rows[1:]:
            self._take(row["turn"], [Entry(**entry) for entry in row["entries"]])

    def answers(self, turn: int) -> dict[str, Entry]:
        """Returns the answers of a turn (from 0) by prompt id; add them by ``append`` only."""
        return self.turns.setdefault(turn, {})

    def append(self, turn: int, entries: list[Entry]) -> None:
        """Adds answers; they are on disk when this returns."""
        self._log.append({"turn": turn, "entries": [entry._asdict() for entry in entries]})
        self._take(turn, entries)

    def close(self) -> None:
        """Closes the file, which stays on disk."""
        self._log.close()

    def _take(self, turn: int, entries: list[Entry]) -> None:
        self.answers(turn).update({entry.id: entry for entry in entries})
