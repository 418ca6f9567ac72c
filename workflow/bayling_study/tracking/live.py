"""Training curves in MLflow while training runs.

Tracking must never stop or slow down training: points are sent from a thread,
and a store that cannot be reached is reported once; whatever is missing then
is sent when the study is synced.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from bayling_study.files import read_json
from bayling_study.tracking.mlflow_store import Store

log = logging.getLogger(__name__)


class LiveRun:
    """Sends the new points of one record to MLflow every few seconds.

    Args:
        uri: tracking URI.
        study: the study's results folder.
        record: the run record, which the job itself writes.
        seconds: time between two transfers.
    """

    def __init__(self, uri: str, study: Path, record: Path, seconds: float = 15.0) -> None:
        self._uri, self._study, self._record, self._seconds = uri, study, record, seconds
        self._sent = 0
        self._run = ""
        self._store: Store | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="tracking", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread after one last transfer; waits for at most one interval."""
        self._stop.set()
        self._thread.join(self._seconds)

    def _loop(self) -> None:
        while not self._stop.wait(self._seconds):
            if not self._try_push():
                return
        self._try_push()

    def _try_push(self) -> bool:
        """Returns False once the store failed; live tracking then ends for this job."""
        try:
            self.push()
        except Exception as error:  # whatever the store's client may raise
            log.warning("live tracking stopped (%s); the study's sync will send the rest", error)
            return False
        return True

    def push(self) -> None:
        """Sends the points that are new since the last call."""
        if not self._record.exists():
            return
        record = read_json(self._record)
        if self._store is None:
            self._store = Store(self._uri, self._study)
            self._run = self._store.run_of(record)
        points = record["history"][self._sent :]
        self._store.send_points(self._run, points)
        self._sent += len(points)
