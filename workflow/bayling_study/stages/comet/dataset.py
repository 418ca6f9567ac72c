"""Training and held-out rows: aligned segments, each damaged once in a known way."""

import csv
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_file, read_jsonl
from bayling_study.core.records import grouped
from bayling_study.core.seeds import generator
from bayling_study.stages.comet.cache import Triple
from bayling_study.stages.comet.degrade import Material, damage


class Degraded(NamedTuple):
    """A damaged translation with the score it deserves, how it came about, and its direction."""

    triple: Triple
    score: float
    kind: str
    direction: str


def read_rows(
    path: Path, train: int, held_out: int, seed: int
) -> tuple[list[Degraded], list[Degraded]]:
    """Makes the training and the held-out rows from the segments of ``comet_data`` (``StudyError``
    if too few); those that share their pivot sentence are on one side."""
    segments = list(read_jsonl(path))
    groups = sorted({segment["group"] for segment in segments})
    generator(seed, "comet", "held-out").shuffle(groups)
    share = held_out / (train + held_out)
    outside = set(groups[: max(1, round(share * len(groups)))])
    sides = [[s for s in segments if (s["group"] in outside) is held] for held in (False, True)]
    if min(map(len, sides)) < 2:
        raise StudyError(f"{len(segments)} segments are too few to train on", where=path)
    rows = _rows(sides[0], train, generator(seed, "comet", "train"))
    return rows, _rows(sides[1], held_out, generator(seed, "comet", "test"))


def _rows(segments: list[dict[str, Any]], count: int, chance: Random) -> list[Degraded]:
    """Damages ``count`` segments; where there are fewer, they come again with other damage."""
    donors = grouped(segments, _target)
    rows = []
    for number in range(count):
        segment = segments[number % len(segments)]
        source, reference = segment["source"], segment["reference"]
        donor = _donor(segment, donors[_target(segment)], chance)
        material = Material(source, reference, segment["foreign"], donor, segment["spaced"])
        text, score, kind = damage(material, chance)
        rows.append(Degraded(Triple(source, text, reference), score, kind, segment["direction"]))
    return rows


def _target(segment: dict[str, Any]) -> str:
    return str(segment["direction"]).split("-")[1]


def _donor(segment: dict[str, Any], others: list[dict[str, Any]], chance: Random) -> str:
    """Returns another reference of the language; a segment alone in it has only itself."""
    own = str(segment["reference"])
    drawn = (str(chance.choice(others)["reference"]) for _ in range(10))
    return next((donor for donor in drawn if donor != own), own)


def write_csv(path: Path, rows: Iterable[Degraded]) -> None:
    """Writes rows in the form that unbabel-comet reads its training data from."""
    with atomic_file(path) as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
        writer.writerow(["src", "mt", "ref", "score"])
        for row in rows:
            writer.writerow([*row.triple, f"{row.score:.4f}"])
