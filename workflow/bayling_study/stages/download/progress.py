"""Progress of a transfer on stderr: size, rate and time left."""

from __future__ import annotations

import sys
import time

REPORT_SECONDS = 2.0
LOG_SECONDS = 15.0


class Progress:
    """Counts bytes and prints a line now and then.

    On a terminal the line is rewritten in place; in a log file it is printed
    rarely, so that logs stay short.

    Args:
        name: what is fetched.
        total: size in bytes, or none when the server does not say.
        done: bytes that an earlier attempt already brought.
    """

    def __init__(self, name: str, total: int | None, done: int = 0) -> None:
        self.name = name
        self.total = total
        self.done = done
        self._first = done
        self._start = time.monotonic()
        self._printed = self._start
        self._live = sys.stderr.isatty()

    def add(self, count: int) -> None:
        """Counts ``count`` more bytes."""
        self.done += count
        now = time.monotonic()
        if now - self._printed >= (REPORT_SECONDS if self._live else LOG_SECONDS):
            self._printed = now
            end = "\r" if self._live else "\n"
            print(self.line(now - self._start), end=end, file=sys.stderr, flush=True)

    def line(self, seconds: float) -> str:
        """Returns the progress after ``seconds`` of transfer as one line of text."""
        rate = (self.done - self._first) / max(seconds, 1e-6)
        text = f"{self.name}: {size(self.done)}"
        if self.total:
            text += f" of {size(self.total)} ({100 * self.done / self.total:.0f} %)"
        text += f", {size(rate)}/s"
        if self.total and rate > 0:
            text += f", {duration((self.total - self.done) / rate)} left"
        return text


def size(count: float) -> str:
    """Returns a byte count with a decimal unit: ``1.5 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration(seconds: float) -> str:
    """Returns a time as ``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
