"""What a running job's own meter tells, from the lines of ``core.progress`` in its log."""

import re
import time
from dataclasses import dataclass
from pathlib import Path

LINE = re.compile(r"(?P<time>\d{4}-\d\d-\d\d [\d:]{8}) (?:(?P<job>[^:]+): )?(?P<what>[^:]+): (?P<state>.+)$")
COUNT = re.compile(r"(\d+) of (\d+) \S+ in (?:(\d+):)?(\d+):(\d+)")
LEFT = re.compile(r"(?:(\d+):)?(\d+):(\d+) left$")
TAIL = 1 << 20
"""Bytes of a log that are read, its last."""


@dataclass(frozen=True)
class Meter:
    """The meters of a log: what all have done of all that they count, in how many seconds.

    ``left`` are the seconds that the last one still needed at ``time`` (Unix), as its ``words`` say.
    """

    done: int
    total: int
    seconds: float
    left: float
    time: float
    words: str


def read_meter(log: Path) -> Meter | None:
    """Returns what the meters of a log say; none where it has none that count to an end."""
    if not log.is_file():
        return None
    with open(log, "rb") as stream:
        stream.seek(max(0, log.stat().st_size - TAIL))
        text = stream.read().decode(errors="replace")
    counts: dict[str, tuple[int, int, float]] = {}
    left = when = 0.0
    words = ""
    for found in map(LINE.match, text.splitlines()):
        if found and (count := COUNT.match(found["state"])):
            counts[found["what"]] = int(count[1]), int(count[2]), _seconds(*count.groups("0")[2:])
            rest = LEFT.search(found["state"])
            left = _seconds(*rest.groups("0")) if rest else 0.0
            when = time.mktime(time.strptime(found["time"], "%Y-%m-%d %H:%M:%S"))
            words = f"{found['what']}: {found['state']}"
    if not counts:
        return None
    done, total, spent = map(sum, zip(*counts.values(), strict=True))
    return Meter(int(done), int(total), spent, left, when, words)


def _seconds(hours: str, minutes: str, rest: str) -> float:
    return 3600.0 * int(hours) + 60 * int(minutes) + int(rest)


def told(meter: Meter, whole: float, now: float) -> tuple[float, float]:
    """Returns which share of a job is done and the seconds that the rest takes.

    Args:
        meter: what its meters say.
        whole: what all its meters will count; where that is not more than what they count so
            far, the last one's own words hold.
        now: the present (Unix).
    """
    whole, left = max(whole, meter.total), meter.left
    if whole > meter.total:
        left = (whole - meter.done) * meter.seconds / max(meter.done, 1)
    return (meter.done / whole if whole else 0.0), max(0.0, left - (now - meter.time))
