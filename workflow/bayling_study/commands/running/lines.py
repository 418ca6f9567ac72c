"""The words of a run: one line a job that ended, ``[12/24] generation tuned, 4:05; about …``."""

from __future__ import annotations

from collections.abc import Mapping

KEYS = ("system", "suite", "mixture", "source", "name")
"""Wildcards that tell a rule's jobs apart; others, such as a hash, are for paths."""


def name_of(wildcards: Mapping[str, str]) -> str:
    """Returns the system, suite, mixture or source that a job is for; nothing where there is one
    job of its rule."""
    return " ".join(str(wildcards[key]) for key in KEYS if key in wildcards)


def clock(seconds: float) -> str:
    """Returns a time as on a clock: ``4:05`` or ``2:04:05``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def to_go(seconds: float | None) -> str:
    """Returns what is left in words, no finer than it is known; nothing where it is not."""
    if seconds is None:
        return ""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute to go"
    if minutes < 90:
        return f"about {minutes} min to go"
    return f"about {minutes // 60} h {minutes % 60:02d} min to go"


def ended(done: int, total: int, job: str, seconds: float, left: float | None) -> str:
    """Returns the line of a job that has ended."""
    number = f"[{done:{len(str(total))}}/{total}]"
    rest = to_go(left) if done < total else ""
    return f"{number} {job}, {clock(seconds)}" + (f"; {rest}" if rest else "")
