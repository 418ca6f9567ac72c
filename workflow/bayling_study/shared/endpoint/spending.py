"""Every answer of an endpoint on disk, what was spent on them, and when the next request may go. A
row log (``rowlog``) with ``{"key": …, "answer": {…}}`` for an answer and ``{"key": …, "failed":
REASON}`` for a request that brought none. What the rows spent counts for the budget, so a job that
is started again has the rest of its budget and not a new one."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from bayling_study.config.systems import EndpointSystem
from bayling_study.core.errors import StudyError
from bayling_study.core.rowlog import RowLog
from bayling_study.shared.endpoint.types import ChatCompletion, ChatRequest


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


class Pace:
    """Spaces requests to so many per minute (none: no limit), and holds all for a pause."""

    def __init__(self, per_minute: float | None) -> None:
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._next = time.monotonic()
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Takes the next moment at which a request may be sent; returns the seconds until then."""
        with self._lock:
            now = time.monotonic()
            moment = max(now, self._next)
            self._next = moment + self._interval
            return moment - now

    def hold(self, seconds: float) -> None:
        """Lets no request out for a while; those that wait already are not held."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


class Spending:
    """Lets a request out only if the budget can bear the most that it can cost, beside those in
    flight; else it waits until they are answered, for most cost far less."""

    def __init__(self, settings: EndpointSystem, journal: AnswerJournal, where: str) -> None:
        self._settings = settings
        self._journal = journal
        self._where = where
        self._requests = self._tokens = 0  # set aside
        self._change = threading.Condition()

    @contextmanager
    def allowed(self, request: ChatRequest) -> Iterator[None]:
        """Sets a request's cost aside while it is in flight (``StudyError`` beyond the budget)."""
        with self._change:
            while problem := self._exceeded(request):
                if not self._requests:
                    raise problem
                self._change.wait()
            self._requests += 1
            self._tokens += request.most_tokens
        try:
            yield
        finally:
            with self._change:
                self._requests -= 1
                self._tokens -= request.most_tokens
                self._change.notify_all()

    def _exceeded(self, request: ChatRequest) -> StudyError | None:
        journal = self._journal
        for unit, used, aside, cost in (
            ("request", journal.requests, self._requests, 1),
            ("token", journal.tokens, self._tokens, request.most_tokens),
        ):
            name = f"{unit}_budget"
            budget = getattr(self._settings, name)
            if budget is not None and used + aside + cost > budget:
                what = f"the budget is spent: {used:,} of {budget:,} {unit}s are used and the next"
                fix = f"a larger {name}; answers so far are kept and cost nothing again"
                where = f"{self._where}.{name}"
                return StudyError(f"{what} request can take {cost:,}", where=where, fix=fix)
        return None
