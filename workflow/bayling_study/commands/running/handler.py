"""Snakemake's logger plugin: shows a run in one line a job, and every word that is no chatter. What
is hidden here stands in Snakemake's own log file, which a plugin leaves as it is."""

import logging
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import TextIO

from snakemake.logging import logger
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from bayling_study.commands.running.run import Run
from bayling_study.core.tables import beside

CHATTER = tuple(beside(__file__))
"""How Snakemake's messages begin that say nothing of this study; a new one of its is shown."""
TROUBLE = (LogEvent.JOB_ERROR, LogEvent.GROUP_ERROR, LogEvent.ERROR)
ERASE = "\r\x1b[K"
LIVE_SECONDS = 2.0
QUIET_SECONDS = 600.0
"""How long a log may say nothing while a job runs, so that one sees that it does."""


class LogHandler(LogHandlerBase):
    """Writes to the terminal or into a pipe in place of Snakemake's own handler. On a terminal the
    last line changes: what runs, for how long, how far it is."""

    writes_to_stream = True
    writes_to_file = has_filter = has_formatter = False
    needs_rulegraph = True

    def __post_init__(self) -> None:
        self.stream: TextIO = sys.stdout if self.common_settings.stdout else sys.stderr
        self.run = Run()
        self._drawn = self._troubled = False
        self._said = time.monotonic()
        self._stop = threading.Event()
        self._writing = threading.RLock()
        threading.Thread(target=self._keep_watch, name="lines", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Shows a record, or what it means for the run."""
        event = getattr(record, "event", None)
        try:
            line = self.run.take(event, vars(record))
        except Exception:  # a message that is not understood must not end the thread of messages
            self.handleError(record)
            line = self.format(record)
        self._troubled |= event in TROUBLE or record.levelno >= logging.ERROR
        if event is LogEvent.RUN_INFO:
            line += "".join(f"\nSnakemake's own words: {path}" for path in log_files())
        elif not line and self._matters(record, event):
            line = self.format(record)
        if line:
            self.say(line)

    def _matters(self, record: logging.LogRecord, event: object) -> bool:
        if record.levelno >= logging.WARNING or event in TROUBLE:
            return True
        known = CHATTER if self._troubled else (*CHATTER, "Complete log")
        chatter = record.getMessage().strip().startswith(known)
        return event is None and record.levelno == logging.INFO and not chatter

    def say(self, text: str, end: str = "\n") -> None:
        """Writes lines above the one that changes, or with another ``end`` the one that does."""
        with self._writing:
            if not self._stop.is_set() or end:
                self.stream.write(f"{ERASE if self._drawn else ''}{text}{end}")
                self.stream.flush()
                self._drawn, self._said = not end, time.monotonic()

    def _keep_watch(self) -> None:
        while not self._stop.wait(LIVE_SECONDS):
            live, quiet = self.stream.isatty(), time.monotonic() - self._said > QUIET_SECONDS
            text = self.run.state() if live or quiet else ""
            if text and live:
                self.say(text[: shutil.get_terminal_size().columns - 1], end="")
            elif text:
                self.say(text)

    def close(self) -> None:
        """Ends the watching thread and takes the changing line away."""
        with self._writing:
            if self._drawn:
                self.say("", end="")
            self._stop.set()
        super().close()


def log_files() -> list[str]:
    """Returns the files that Snakemake writes everything into."""
    files = (handler for handler in logger.handlers if isinstance(handler, logging.FileHandler))
    paths = (Path(file.baseFilename) for file in files)
    return [str(p.relative_to(Path.cwd()) if p.is_relative_to(Path.cwd()) else p) for p in paths]
