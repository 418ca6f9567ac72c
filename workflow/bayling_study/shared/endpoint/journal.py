"""Every answer of an endpoint on disk, and what was spent on them.

A row log (``rowlog``) with ``{"key": …, "answer": {…}}`` for an answer and ``{"key": …,
"failed": REASON}`` for a request that brought none. What the rows spent counts for the budget,
so a job that is started again has the rest of its budget and not a new one.
"""

import threading
from dataclasses import asdict
from pathlib import Path

from bayling_study.core.rowlog import RowLog
from bayling_study.shared.endpoint.types import ChatCompletion


class AnswerJournal:
    """The answers to one job's requests, safe to use from several threads; ``requests`` counts all,
    failed and earlier ones too, ``tokens`` those of questions and answers together."""

    def __init__(self, path: Path) -> None:
        self._log = RowLog(path)
        self._lock = threading.Lock()
        self._answers: dict[str, ChatCompletion] = {}
        self.requests = self.tokens = 0
        for row in self._log.rows:
            self._count(row["key"], ChatCompletion(**row["answer"]) if "answer" in row else None)
        self._log.rows.clear()

    def find(self, key: str) -> ChatCompletion | None:
        """Returns the answer to a request, if there is one."""
        return self._answers.get(key)

    def answered(self, key: str, answer: ChatCompletion) -> None:
        """Adds an answer; it is on disk when this returns."""
        with self._lock:
            self._log.append({"key": key, "answer": asdict(answer)})
            self._count(key, answer)

    def failed(self, key: str, reason: str) -> None:
        """Adds a request that brought no answer."""
        with self._lock:
            self._log.append({"key": key, "failed": reason})
            self._count(key, None)

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._log.close()

    def _count(self, key: str, answer: ChatCompletion | None) -> None:
        self.requests += 1
        if answer is not None:
            self._answers[key] = answer
            self.tokens += answer.tokens + answer.prompt_tokens
