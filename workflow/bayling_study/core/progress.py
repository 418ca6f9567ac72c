"""The one progress meter: a bar on a terminal, a line now and then in a log. Both say what is done
of how much, how fast, and how long the rest takes, which is reckoned from the mean rate since the
start. What an earlier attempt did counts as done and not for the rate."""

import os
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from threading import RLock
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

LINE_SECONDS = 15.0  # between two lines of a log; what takes less tells its end alone
BAR_SECONDS = 0.5


class Progress(tqdm):  # type: ignore[misc]
    """Counts what a job does and shows it.

    ``for row in Progress("reading", over=rows)`` counts by itself; in a ``with`` block
    ``update(count)`` counts. ``set_postfix_str(text, refresh=False)`` adds other facts.

    There is ``total`` to do, unknown if none is given and ``over`` has no length; ``done`` of it by
    an earlier attempt. The count's ``unit`` stands in the plural; ``B`` are bytes.
    """

    monitor_interval = 0  # tqdm's watching thread: jobs fork, and every update looks at the clock
    job = ""
    """What the process is at, such as ``generation tuned``: stands before each meter's name."""
    _lock = RLock()  # in place of tqdm's, which starts a process to watch its semaphore

    def __init__(
        self, what: str, total: int | None = None, unit: str = "rows", *,
        over: Iterable[Any] | None = None, done: int = 0,
    ) -> None:  # fmt: skip
        self._live = sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).columns > 0
        self._logs = ExitStack()
        super().__init__(
            over,
            desc=f"{self.job}: {what}" if self.job else what,
            total=total,
            unit=unit if unit == "B" else f" {unit}",
            unit_scale=unit == "B",
            initial=done,
            miniters=1,
            mininterval=BAR_SECONDS if self._live else LINE_SECONDS,
            delay=0 if self._live else LINE_SECONDS,
            smoothing=0,
            dynamic_ncols=True,
        )
        if self._live:  # what is logged goes above the bar
            self._logs.enter_context(logging_redirect_tqdm(tqdm_class=type(self)))

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Shows the present state."""
        if self._live:
            super().display(msg, pos)
        else:
            now = time.strftime("%Y-%m-%d %H:%M:%S")
            print(f"{now} {self.line()}", file=sys.stderr, flush=True)

    def line(self) -> str:
        """Returns the present state in words."""
        goal = ("B of {total_fmt}" if self.unit == "B" else " of {total_fmt}") if self.total else ""
        left = ", {remaining} left" if self.total and self.n < self.total else ""
        facts = self.format_dict | {
            "bar_format": f"{{desc}}: {{n_fmt}}{goal}{{unit}} in {{elapsed}}, "
            f"{{rate_noinv_fmt}}{{postfix}}{left}"
        }
        return " ".join(self.format_meter(**facts).split())

    def close(self) -> None:
        """Shows the last state, once."""
        if not self._live and not getattr(self, "disable", True):
            self.display()
            self.disable = True
        super().close()
        self._logs.close()
