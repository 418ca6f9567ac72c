"""Snakemake's logger plugin: shows a run in one line a job, and every word that is no chatter.

What is hidden here stands in Snakemake's own log file, which a plugin leaves as it is.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from typing import Any, TextIO

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from bayling_study.commands.running.run import Run

CHATTER = (
    "Assuming unrestricted shared filesystem", "Building DAG of jobs", "Using shell:",
    "Conda environments:", "Singularity containers:", "Select jobs to execute", "Execute ",
    "Group jobs:", "Complete log", "Job rate limit", "Touching output file", "DAG of jobs",
)  # fmt: skip
"""How Snakemake's messages begin that say nothing of this study; a new one of its is shown."""

HIDDEN = {
    LogEvent.SHELLCMD, LogEvent.JOB_STARTED, LogEvent.GROUP_INFO, LogEvent.PROGRESS,
    LogEvent.RULEGRAPH, LogEvent.RESOURCES_INFO, LogEvent.WORKFLOW_STARTED, LogEvent.RUN_INFO,
    LogEvent.JOB_INFO, LogEvent.JOB_FINISHED,
}  # fmt: skip
"""Events that are told in other words, or not at all."""

LIVE_SECONDS = 2.0
QUIET_SECONDS = 600.0
"""How long a log may say nothing while a job runs, so that one sees that it does."""


class LogHandler(LogHandlerBase):
    """Writes to the terminal or into a pipe in place of Snakemake's own handler.

    On a terminal the last line changes: what runs, for how long, how far it is.
    """

    def __post_init__(self) -> None:
        self.stream: TextIO = sys.stdout if self.common_settings.stdout else sys.stderr
        self.run = Run()
        self._live = self.stream.isatty()
        self._drawn = self._troubled = False
        self._said = time.monotonic()
        self._stop = threading.Event()
        self._writing = threading.RLock()
        self._watch = threading.Thread(target=self._keep_watch, name="lines", daemon=True)
        self._watch.start()

    writes_to_stream = True
    writes_to_file = False
    has_filter = False
    has_formatter = False
    needs_rulegraph = False

    def emit(self, record: logging.LogRecord) -> None:
        """Shows a record, or what it means for the run."""
        event = getattr(record, "event", None)
        try:
            line = self.run.take(event, vars(record))
        except Exception:  # a message that is not understood must not end the thread of messages
            self.handleError(record)
            line = self.format(record)
        if event in (LogEvent.JOB_ERROR, LogEvent.GROUP_ERROR):
            self._troubled = True
        if not line and self._matters(event, record):
            line = self.format(record)
        if line:
            self.say(line)

    def _matters(self, event: Any, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            return True
        if event in HIDDEN or record.levelno < logging.INFO:
            return False
        # After an error, "Trying to restart job" and the log's name are no chatter.
        return self._troubled or not record.getMessage().strip().startswith(CHATTER)

    def say(self, text: str) -> None:
        """Writes lines, above the one that changes."""
        with self._writing:
            self.stream.write(("\r\x1b[K" if self._drawn else "") + text + "\n")
            self.stream.flush()
            self._drawn, self._said = False, time.monotonic()

    def _keep_watch(self) -> None:
        while not self._stop.wait(LIVE_SECONDS):
            quiet = time.monotonic() - self._said > QUIET_SECONDS
            if not (self._live or quiet) or not (text := self.run.state()):
                continue
            if self._live:
                self._draw(text)
            else:
                self.say(text)

    def _draw(self, text: str) -> None:
        from shutil import get_terminal_size

        with self._writing:
            if not self._stop.is_set():
                self.stream.write(f"\r\x1b[K{text[: get_terminal_size().columns - 1]}")
                self.stream.flush()
                self._drawn = True

    def close(self) -> None:
        """Ends the watching thread and takes the changing line away."""
        with self._writing:
            self._stop.set()
            if self._drawn:
                self.stream.write("\r\x1b[K")
                self.stream.flush()
                self._drawn = False
        super().close()
