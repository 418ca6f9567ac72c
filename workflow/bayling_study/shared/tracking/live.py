"""Training curves in MLflow while training runs. Tracking must never stop or slow down training:
points are sent from a thread. A store that cannot be reached is reported once and tried ever more
rarely; the study's sync sends what is missing."""

import logging
import os
import threading
from pathlib import Path

from bayling_study.core.files import read_json
from bayling_study.shared.tracking.mlflow_store import Store
from bayling_study.shared.tracking.sending import send_points

log = logging.getLogger(__name__)

LONGEST_WAIT = 300.0  # most seconds between two attempts to reach a store that is down


class LiveRun:
    """Sends the new points of a run record, which the job itself writes, to MLflow every so many
    seconds."""

    def __init__(self, uri: str, study: Path, record: Path, seconds: float = 15.0) -> None:
        self._uri, self._study, self._record, self._seconds = uri, study, record, seconds
        self._sent, self._run, self._reached = 0, "", True
        self._store: Store | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="tracking", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread after one last transfer; waits for at most one interval."""
        self._stop.set()
        self._thread.join(self._seconds)

    def _loop(self) -> None:
        # MLflow's client would repeat a call for minutes; here the next interval does.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        wait = self._seconds
        while not self._stop.wait(wait):
            reached = self._try_push()
            wait = self._seconds if reached else min(2 * wait, max(LONGEST_WAIT, self._seconds))
        self._try_push()

    def _try_push(self) -> bool:
        """Returns whether all that is new was sent; says so when that changes."""
        before, self._reached = self._reached, True
        try:
            self.push()
        except Exception as error:  # whatever the store's client may raise
            self._reached = False
            if before:
                log.warning("no live tracking (%s); trying again, the sync sends the rest", error)
        if self._reached and not before:
            log.warning("live tracking works again")
        return self._reached

    def push(self) -> None:
        """Sends the points that are new since the last call."""
        if not self._record.exists():
            return
        record = read_json(self._record)
        if self._store is None:
            self._store = Store(self._uri, self._study)
            self._run = self._store.run_of(record)
        points = record["history"][self._sent :]
        send_points(self._store.client, self._run, points)
        self._sent += len(points)
