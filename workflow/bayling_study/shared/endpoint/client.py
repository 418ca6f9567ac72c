"""Asking a server many things at once, in order, without paying twice or too much."""

import logging
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue

from bayling_study.config.systems import EndpointSystem
from bayling_study.core.errors import StudyError
from bayling_study.core.seeds import generator
from bayling_study.shared.endpoint.spending import AnswerJournal, Pace, Spending
from bayling_study.shared.endpoint.types import ChatCompletion, ChatRequest, TryAgainError

log = logging.getLogger(__name__)

AHEAD = 4  # requests begun for each that may be in flight: one slow answer ahead stops nobody
LONGEST_BACKOFF = 60.0  # seconds between two tries, where the server asks for nothing
LONGEST_WAIT = 600.0  # seconds; no ``Retry-After`` is obeyed for longer


class Endpoint:
    """A server that answers requests, of which one process at a time may use the ``cache``.
    Messages name ``where``, the key of its section such as ``systems.judge``. Answers are cached
    for its ``identity``: the address, unless that changes. No key, or another process with the
    cache, is a ``StudyError``."""

    def __init__(
        self, settings: EndpointSystem, cache: Path, where: str = "endpoint", identity: str = ""
    ) -> None:
        # It imports openai, which takes half a second: many jobs that could ask ask nobody.
        from bayling_study.shared.endpoint.exchange import Connection

        self.settings = settings
        self.where = where
        self.identity = identity or settings.url
        key = key_of(settings, where)
        self.journal = AnswerJournal(cache)
        self._wire = Connection(settings.url, key, settings.timeout)
        self._pace = Pace(settings.requests_per_minute)
        self._spending = Spending(settings, self.journal, where)
        self._line = SimpleQueue[tuple[Future[ChatCompletion], str, ChatRequest] | None]()
        self._stop = threading.Event()
        for _ in range(settings.parallel):
            # A daemon: an interrupted job need not wait for a server that hangs.
            threading.Thread(target=self._work, daemon=True).start()

    @property
    def spent(self) -> dict[str, int]:
        """The requests and tokens spent, those of earlier runs of the job included."""
        return {"requests": self.journal.requests, "tokens": self.journal.tokens}

    def __enter__(self) -> "Endpoint":
        return self

    def __exit__(self, *error: object) -> None:
        """Stops what is under way and closes file and connections."""
        self._stop.set()
        for _ in range(self.settings.parallel):
            self._line.put(None)
        self.journal.close()
        self._wire.close()

    def complete(self, requests: Iterable[ChatRequest]) -> Iterator[ChatCompletion]:
        """Yields the answers in the order of the requests.

        Requests that the cache answers cost nothing; the others are begun in their order, so
        that with ``parallel: 1`` the server gets them in it. Answers are on disk before
        they are yielded, also those that come ahead of their turn.

        A spent budget, a request that the server refuses for good, or one that failed too often is
        a ``StudyError``. What was answered is in the cache; this object is done.
        """
        waiting: deque[Future[ChatCompletion]] = deque()
        under_way: dict[str, Future[ChatCompletion]] = {}
        try:
            for request in requests:
                key = request.key(self.identity, self.settings)
                if key not in under_way:
                    under_way[key] = Future()
                    if known := self.journal.find(key):
                        under_way[key].set_result(known)
                    else:
                        self._line.put((under_way[key], key, request))
                waiting.append(under_way[key])
                if len(waiting) >= AHEAD * self.settings.parallel:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except StudyError:
            self._stop.set()
            for future in waiting:  # what is in flight is paid for and shall reach the cache
                future.exception()
            raise

    def _work(self) -> None:
        """Answers the requests of the line, one after the other."""
        for future, key, request in iter(self._line.get, None):
            try:
                future.set_result(self._ask(key, request))
            except BaseException as error:
                future.set_exception(error)

    def _ask(self, key: str, request: ChatRequest) -> ChatCompletion:
        """Sends a request until it is answered."""
        for attempt in range(self.settings.retries + 1):
            self._wait(self._pace.reserve())
            with self._spending.allowed(request):
                try:
                    answer = self._wire.send(request.body(self.settings), request)
                except TryAgainError as error:
                    self.journal.failed(key, error.reason)
                    reason, wait = error.reason, error.wait
                else:
                    self.journal.answered(key, answer)
                    return answer
            if attempt < self.settings.retries:
                self._back_off(key, attempt, reason, wait)
        what = f"no answer after {self.settings.retries + 1} requests; the last time: {reason}"
        fix = "start the job again when the server works again; answers so far are kept"
        raise StudyError(what, where=f"{self.where} ({self.settings.url})", fix=fix)

    def _back_off(self, key: str, attempt: int, reason: str, asked: float | None) -> None:
        """Waits before the next try: as long as the server asks, or twice as long each time."""
        spread = 0.5 + generator(0, "endpoint", key, str(attempt)).random()
        wait = min(self.settings.backoff * 2**attempt, LONGEST_BACKOFF) * spread
        if asked is not None:
            wait = min(asked, LONGEST_WAIT)
            self._pace.hold(wait)
        log.info("%s: %s; again in %.1f s", self.where, reason, wait)
        self._wait(wait)

    def _wait(self, seconds: float) -> None:
        if self._stop.wait(seconds) if seconds > 0 else self._stop.is_set():
            raise StudyError("stopped", where=self.where)


def key_of(settings: EndpointSystem, where: str) -> str:
    """Returns the key, empty if none is needed (``StudyError`` if its variable holds none)."""
    if settings.key_env is None:
        return ""
    key = os.environ.get(settings.key_env, "").strip()
    if not key or not key.isascii() or not key.isprintable():
        what = f"the environment variable {settings.key_env} holds no key"
        fix = f"export {settings.key_env}=…   (or leave key_env out for a server without keys)"
        raise StudyError(what, where=f"{where}.key_env", fix=fix)
    return key
