"""Reading the rows of released test sets, of which a copy may be partial."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_jsonl
from bayling_study.core.records import by_item
from bayling_study.core.seeds import generator
from bayling_study.shared.sources.fetched import read_segments
from bayling_study.stages.prompts import Prompts

log = logging.getLogger(__name__)


def is_present(suite: str, item: str, *paths: Path) -> bool:
    """Tells whether all files of an item exist, and says so if they do not."""
    missing = next((path for path in paths if not path.exists()), None)
    if missing is not None:
        log.warning("%s: %s is absent (no %s)", suite, item, missing)
    return missing is None


def item_rows(suite: str, item: str, path: Path) -> list[tuple[str, Any]]:
    """Returns the rows of an item's JSON-lines file, each with its place ``FILE:LINE``; an absent
    file gives none and a message (``StudyError`` if it is empty or has a line that is not JSON)."""
    if not is_present(suite, item, path):
        return []
    rows = [(f"{path}:{number}", row) for number, row in enumerate(read_jsonl(path), start=1)]
    if not rows:
        raise StudyError("the file is empty", where=path)
    return rows


def aligned_lines(
    source: Path, reference: Path, read: Callable[[Path], list[str]] = read_segments
) -> list[tuple[str, str]]:
    """Returns the pairs of source and reference segments of two files of lines (a ``StudyError``
    names the first line that one of them has too many)."""
    left, right = read(source), read(reference)
    if len(left) != len(right):
        what = f"{len(right)} lines, but {source.name} has {len(left)}"
        raise StudyError(what, where=f"{reference}:{min(len(left), len(right)) + 1}")
    return list(zip(left, right, strict=True))


def chosen(size: int, limit: int | None, seed: int, suite: str, item: str) -> list[int]:
    """Returns the numbers of an item's questions asked, ascending; all of them without a limit."""
    if limit is None or limit >= size:
        return list(range(size))
    return sorted(generator(seed, "suites", suite, item).sample(range(size), limit))


def limited(prompts: Prompts, limit: int | None, seed: int) -> Prompts:
    """Returns at most so many prompts of each item, drawn with the seed, in their order. Those of
    an item that is cut say in ``meta.of`` how many it has, by which released outputs of the whole
    item are still told from others."""
    for item, found in by_item(prompts).items():
        places = chosen(len(found), limit, seed, found[0].suite, item)
        cut = {"of": len(found)} if len(places) < len(found) else {}
        yield from (replace(found[place], meta=found[place].meta | cut) for place in places)
