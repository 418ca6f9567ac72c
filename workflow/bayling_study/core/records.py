"""The rows that stages hand to each other: prompts, hypotheses and scores, in JSON-lines files. The
fields are the contract between stages, which never import each other. Standard library only."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, read_jsonl, write_json, write_jsonl

Row = TypeVar("Row")
Key = TypeVar("Key")

OPTIONAL = ("reasoning", "whole", "steps")
"""Fields of a hypothesis that are written only where they say something."""
ROUNDING = 1e-9  # difference of two numbers, relative and absolute, that binary rounding may make


@dataclass(frozen=True)
class Prompt:
    """One test item.

    Attributes:
        id: unique in its suite, ``ITEM/NUMBER``.
        suite: name of the suite in the config.
        item: what scores are grouped by: a direction or a task.
        languages: ``{"source": "zh", "target": "en"}``; of the answer alone: ``target``.
        turns: the user's turns in order; a turn sees the system's earlier answers.
        references: the expected answer of each turn; empty where there is none.
        meta: what a scorer needs beyond that (``source_text``, ``constraints``, ``demands`` …).
    """

    id: str
    suite: str
    item: str
    languages: dict[str, str]
    turns: list[str]
    references: list[str]
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Hypothesis:
    """A system's answer to one prompt.

    Attributes:
        id: the prompt's id.
        turns: one answer for each of the prompt's turns.
        tokens: number of tokens generated for each turn, in all its steps (0 where unknown).
        finish: why each turn ended: ``stop``, ``length`` or ``unknown``.
        provenance: hash of how it was made (system, template, backend, decoding, prompt file),
            which the system's ``system.json`` spells out under the same hash.
        reasoning: what the system thought before each answer; written where it did.
        whole: all that it said in each turn, where only a part is the answer (``answering``).
        steps: for each turn the earlier calls: ``step``, ``text``, ``tokens``, ``finish`` and more.
    """

    id: str
    turns: list[str]
    tokens: list[int]
    finish: list[str]
    provenance: str = ""
    reasoning: list[str] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)
    steps: list[list[dict[str, Any]]] = field(default_factory=list)


@dataclass(frozen=True)
class Score:
    """A number with all that is needed to trust it.

    Attributes:
        item: a direction or task, or ``all`` for an aggregate.
        value: the score, in the metric's usual unit (BLEU, chrF and rates 0 to 100).
        low, high: bounds of the confidence interval, or none; ``method`` is how it was computed.
        n: number of segments, or of demands and conversations judged.
        signature: everything that decides the value (metric version and options).
        note: a remark for the reader, such as the number of empty hypotheses.
        chance: whether guessing would do as well: the interval reaches down to that.
    """

    suite: str
    item: str
    system: str
    metric: str
    value: float
    low: float | None
    high: float | None
    n: int
    signature: str
    method: str = ""
    note: str = ""
    chance: bool = False


def read_prompts(path: Path) -> list[Prompt]:
    """Reads a prompt set (``StudyError`` if a row lacks a field or repeats an id)."""
    return list(_unique(_rows(path, Prompt), path))


def stream_prompts(path: Path) -> Iterator[Prompt]:
    """Yields a set's prompts, ids unchecked (``StudyError`` if a row lacks a field)."""
    return _rows(path, Prompt)


def write_prompts(path: Path, prompts: Iterable[Prompt]) -> int:
    """Writes a prompt set atomically; returns the number of prompts."""
    return write_jsonl(path, (asdict(prompt) for prompt in prompts))


def read_hypotheses(path: Path, prompts: list[Prompt]) -> list[Hypothesis]:
    """Reads a system's hypotheses in their prompts' order (``StudyError`` if they do not match)."""
    found = {row.id: row for row in _unique(_rows(path, Hypothesis), path)}
    known = {prompt.id for prompt in prompts}
    if unknown := [name for name in found if name not in known]:
        raise StudyError(f"{len(unknown)} unknown id(s), first {unknown[0]!r}", where=path)
    for prompt in prompts:
        if prompt.id not in found:
            raise StudyError(f"no hypothesis for prompt {prompt.id!r}", where=path)
        if len(found[prompt.id].turns) != len(prompt.turns):
            raise StudyError(f"wrong number of turns for {prompt.id!r}", where=path)
    return [found[prompt.id] for prompt in prompts]


def items_present(outputs: Path, suite: str, prompts: list[Prompt]) -> set[str]:
    """Returns the items of a suite that a system has answers to, given all its prompts: what its
    ``system.json`` declares, or else the items with a hypothesis (``StudyError`` if none). Every
    item is whole: ``read_hypotheses`` refuses others."""
    declaration = outputs / "system.json"
    if declaration.exists():
        return set(read_json(declaration)["items"].get(suite, []))
    path = outputs / f"{suite}.jsonl"
    items = {prompt.id: prompt.item for prompt in prompts}
    rows = [row.get("id") for row in read_jsonl(path) if isinstance(row, dict)]
    if not rows:
        raise StudyError("the file is empty", where=path)
    return {items[name] for name in rows if name in items}


def check_owner(outputs: Path, system: str) -> None:
    """Refuses (``StudyError``) answers whose ``system.json`` names another system."""
    declaration = outputs / "system.json"
    owner = read_json(declaration).get("system", system) if declaration.exists() else system
    if owner != system:
        what = f"the answers are of the system {owner!r}, not of {system!r}"
        fix = f"the folder of {system}, or --system {owner}"
        raise StudyError(what, where=declaration, fix=fix)


def by_item(prompts: Iterable[Prompt]) -> dict[str, list[Prompt]]:
    """Returns prompts by item, in their order."""
    return grouped(prompts, lambda prompt: prompt.item)


def grouped(rows: Iterable[Row], key: Callable[[Row], Key]) -> dict[Key, list[Row]]:
    """Returns rows by their key, keys and rows in the order of ``rows``."""
    groups: dict[Key, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def write_hypotheses(path: Path, hypotheses: Iterable[Hypothesis]) -> int:
    """Writes hypotheses atomically; returns their number."""
    rows = (asdict(hypothesis).items() for hypothesis in hypotheses)
    written = ({key: value for key, value in row if value or key not in OPTIONAL} for row in rows)
    return write_jsonl(path, written)


def around(value: float, low: float, high: float) -> dict[str, float]:
    """Returns an interval as ``low`` and ``high``, stretched where it misses its value by rounding,
    as of a single segment; what truly misses it (the bootstrap of BLEU has a bias) stays."""
    near = partial(math.isclose, value, rel_tol=ROUNDING, abs_tol=ROUNDING)
    bounds = {"low": min(low, value) if near(low) else low}
    return bounds | {"high": max(high, value) if near(high) else high}


def write_scores(path: Path, scores: list[Score]) -> None:
    """Writes scores, intervals ``around`` values; nothing if one is not finite (``StudyError``)."""
    rows = []
    for score in scores:
        for number in (score.value, score.low, score.high):
            if number is not None and not math.isfinite(number):
                raise StudyError(f"{score.metric} of {score.item} is {number}", where=path)
        rows.append(asdict(score))
        if score.low is not None and score.high is not None:
            rows[-1] |= around(score.value, score.low, score.high)
    write_json(path, {"schema": 1, "scores": rows})


def read_scores(path: Path) -> list[Score]:
    """Reads a score file."""
    return [Score(**row) for row in read_json(path)["scores"]]


def _rows(path: Path, kind: type[Row]) -> Iterator[Row]:
    names = set(kind.__dataclass_fields__)  # type: ignore[attr-defined]
    needed = names - {"provenance", *OPTIONAL}
    for number, row in enumerate(read_jsonl(path), start=1):
        if not isinstance(row, dict) or not needed <= set(row) <= names:
            what = f"a {kind.__name__} row has the fields {sorted(needed)}"
            raise StudyError(what, where=f"{path}:{number}")
        yield kind(**row)


def _unique(rows: Iterable[Any], path: Path) -> Iterator[Any]:
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        if row.id in seen:
            raise StudyError(f"the id {row.id!r} is duplicated", where=f"{path}:{number}")
        seen.add(row.id)
        yield row
