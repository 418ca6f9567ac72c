"""The audit of a training set: what is in it, how long it is, what was left out and why."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable
from typing import Any

from bayling_study.interactive.dialogue import Rejections
from bayling_study.synthesis.mixture import Made, Measured

BINS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096)
"""Upper bounds of the length histogram, in tokens; the last bin is open."""


def audit(made: Made) -> dict[str, Any]:
    """Returns the audit as plain values."""
    rows = made.conversations
    items = [row.instruction for row in rows]
    real, trained = sum(row.tokens for row in rows), sum(row.trained for row in rows)
    return {
        "conversations": len(rows),
        "wanted": made.wanted,
        "by_recipe": _count(item.recipe for item in items),
        "by_direction": _count(item.direction or "none" for item in items),
        "by_recipe_and_direction": _count(
            f"{item.recipe}/{item.direction or 'none'}" for item in items
        ),
        "by_source": _count(item.source for item in items),
        "by_language": _count(code for item in items for code in item.languages),
        "by_instruction_language": _count(i.instruction for i in items if i.instruction),
        "by_demand": _count(kind for item in items for kind in item.demands),
        "by_turns": _count(str(len(_turns(row))) for row in rows),
        "tokens": {
            "real": real,
            "trained": trained,
            "trained_share": round(trained / real, 4) if real else 0.0,
            "truncated": 0,
            "by_recipe": _tokens_by_recipe(rows),
            "histogram": histogram(row.tokens for row in rows),
        },
        "segments": _segments(made),
        "rejected": {stage: _rejected(found) for stage, found in made.rejections.items()},
        "duplicates": sum(
            count
            for reason, count in made.rejections["mixture"].counts.items()
            if reason.endswith(": duplicate")
        ),
    }


def histogram(lengths: Iterable[int]) -> list[dict[str, int | None]]:
    """Returns the bins as ``{"to", "count"}``; ``to`` is the last length in it, or none."""
    counts = Counter(next((end for end in BINS if length <= end), None) for length in lengths)
    ends = [end for end in BINS if counts[end]]
    rows: list[dict[str, int | None]] = [{"to": end, "count": counts[end]} for end in ends]
    return [*rows, {"to": None, "count": counts[None]}] if counts[None] else rows


def _tokens_by_recipe(rows: list[Measured]) -> dict[str, dict[str, float]]:
    result = {}
    for name in sorted({row.instruction.recipe for row in rows}):
        own = [row for row in rows if row.instruction.recipe == name]
        lengths = [row.tokens for row in own]
        trained = sum(row.trained for row in own)
        result[name] = {
            "real": sum(lengths),
            "trained": trained,
            "trained_share": round(trained / sum(lengths), 4),
            "median": statistics.median(lengths),
            "longest": max(lengths),
        }
    return result


def _segments(made: Made) -> dict[str, float]:
    uses = [count for count in made.uses.values() if count]
    return {
        "training_rows": made.rows,
        "used": len(uses),
        "draws": sum(uses),
        "most_draws_of_one": max(uses, default=0),
    }


def _rejected(found: Rejections) -> list[dict[str, Any]]:
    return [
        {"reason": reason, "count": count, "samples": found.samples.get(reason, [])}
        for reason, count in sorted(found.counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def _turns(row: Measured) -> list[dict[str, str]]:
    return [message for message in row.instruction.messages if message["role"] == "user"]


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))
