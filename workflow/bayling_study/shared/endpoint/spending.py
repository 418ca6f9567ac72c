"""The budget of a job: how many requests and tokens it may still spend."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bayling_study.config.systems import EndpointSystem
from bayling_study.core.errors import StudyError
from bayling_study.shared.endpoint.journal import AnswerJournal
from bayling_study.shared.endpoint.types import ChatRequest


class Spending:
    """Lets a request out only if the budget can bear the most that it can cost.

    What requests in flight can cost is set aside. A request that does not fit
    beside them waits until they are answered, for most cost far less.
    """

    def __init__(self, settings: EndpointSystem, journal: AnswerJournal, where: str) -> None:
        self._settings = settings
        self._journal = journal
        self._where = where
        self._requests = self._tokens = 0  # set aside
        self._change = threading.Condition()

    @contextmanager
    def allowed(self, request: ChatRequest) -> Iterator[None]:
        """Sets the cost of a request aside while it is in flight.

        Raises:
            StudyError: the budget cannot bear it.
        """
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
        spent = {"request_budget": self._journal.requests, "token_budget": self._journal.tokens}
        aside = {"request_budget": self._requests, "token_budget": self._tokens}
        cost = {"request_budget": 1, "token_budget": request.most_tokens}
        for name, used in spent.items():
            budget = getattr(self._settings, name)
            if budget is not None and used + aside[name] + cost[name] > budget:
                return self._message(name, used, cost[name], budget)
        return None

    def _message(self, name: str, used: int, cost: int, budget: int) -> StudyError:
        unit = "requests" if name == "request_budget" else "tokens"
        return StudyError(
            f"the budget is spent: {used:,} of {budget:,} {unit} are used and the next request "
            f"can take {cost:,}",
            where=f"{self._where}.{name}",
            fix=f"a larger {name}; answers so far are kept and cost nothing again",
        )
