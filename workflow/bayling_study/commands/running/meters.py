"""What a running job's own meters tell, from the lines of ``core.progress`` in its log."""

import re
import time
from pathlib import Path
from typing import NamedTuple

CLOCK = r"(?:(\d+):)?(\d+):(\d+)"
LINE = re.compile(
    rf"(\d{{4}}-\d\d-\d\d [\d:]{{8}}) (?:.+: )?(.+: (\d+) of (\d+) \S+ in {CLOCK},.*)$"
)
LEFT = re.compile(rf"{CLOCK} left$")
TAIL = 1 << 20  # bytes of a log that are read, its last


class Meter(NamedTuple):
    """The meters of a log: what all have done of all that they count, in how many seconds, and the
    seconds that the last one still needed at ``time`` (Unix), as its ``words`` say."""

    done: int
    total: int
    seconds: float
    left: float
    time: float
    words: str

    def told(self, whole: float, now: float) -> tuple[float, float]:
        """Returns which share of a job is done and the seconds that the rest takes from now.
        ``whole`` is what all its meters will count; where that is not more than what they count so
        far, the last one's own words hold."""
        whole, left = max(whole, self.total), self.left
        if whole > self.total:
            left = (whole - self.done) * self.seconds / max(self.done, 1)
        return self.done / max(whole, 1), max(0.0, left - (now - self.time))


def read_meter(log: Path) -> Meter | None:
    """Returns what the meters of a log say; none where it has none that count to an end."""
    if not log.is_file():
        return None
    with open(log, "rb") as stream:
        stream.seek(max(0, log.stat().st_size - TAIL))
        lines = stream.read().decode(errors="replace").splitlines()
    matched = [line for line in map(LINE.match, lines) if line]
    if not matched:
        return None
    found, last = {line[2].rpartition(": ")[0]: line for line in matched}, matched[-1]
    left = LEFT.search(last[0])
    return Meter(
        sum(int(line[3]) for line in found.values()),
        sum(int(line[4]) for line in found.values()),
        sum(_seconds(*line.groups("0")[4:]) for line in found.values()),
        _seconds(*left.groups("0")) if left else 0.0,
        time.mktime(time.strptime(last[1], "%Y-%m-%d %H:%M:%S")),
        last[2],
    )


def _seconds(hours: str, minutes: str, rest: str) -> float:
    return 3600.0 * int(hours) + 60 * int(minutes) + int(rest)
