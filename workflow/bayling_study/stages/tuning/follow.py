"""What the stage program does with the first worker's reports: the run record and MLflow."""

import logging
from typing import Any

from bayling_study.shared.tracking.record import RunRecord

log = logging.getLogger(__name__)


class Reports:
    """Carries reports into the run record and, given a tracking URI, to a live MLflow run.
    ``flush_seconds`` is the time between two transfers."""

    def __init__(self, run: RunRecord, uri: str | None, flush_seconds: float) -> None:
        self.run = run
        self.finished = False
        self._points: dict[int, dict[str, Any]] = {}
        self._live: Any = None
        if uri is not None:
            try:
                from bayling_study.shared.tracking.live import LiveRun

                study = run.path.resolve().parents[2]  # the record is STUDY/runs/STAGE/NAME.json
                self._live = LiveRun(uri, study, run.path, flush_seconds)
            except Exception as error:  # training must start whatever tracking does
                log.warning("no live tracking: %r", error)

    def handle(self, event: dict[str, Any]) -> None:
        """Takes one report. Those of earlier attempts come first and end with a new ``started``."""
        kind = event["event"]
        self.finished = kind == "finished"
        if kind == "step":
            self._points[event["step"]] = {key: event[key] for key in ("step", "time", "values")}
            self._rewrite()
        elif kind == "started":
            self._points = {s: p for s, p in self._points.items() if s <= event["step"]}
            self._rewrite()
            if event["step"]:
                self.run.parameters({"resumed_from_step": event["step"]})
        elif kind in ("memory", "totals"):
            self.run.metrics(event["values"])
        elif kind == "note":
            log.warning("%s", event["text"])

    def close(self) -> None:
        """Writes the last state everywhere."""
        last = self._points.get(max(self._points, default=0))
        if last:
            self.run.metrics({**last["values"], "steps": last["step"]})
        self.run.flush()
        if self._live is not None:
            self._live.close()

    def _rewrite(self) -> None:
        """Sets the curve: a step that was done again after a kill replaces its first value."""
        self.run.data["history"] = [self._points[step] for step in sorted(self._points)]
        self.run.metrics({})  # writes the record if it is due
