"""When the next request may go, and whether the budget of requests and tokens bears it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bayling_study.config.systems import EndpointSystem
from bayling_study.core.errors import StudyError
from bayling_study.shared.endpoint.journal import AnswerJournal
from bayling_study.shared.endpoint.types import ChatRequest


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
