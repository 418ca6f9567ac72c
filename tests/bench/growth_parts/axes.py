"""What grows, and how a point of it is measured: through the programs that a study runs.

Each measurement takes a place and a size, makes up what its stage reads, and returns what was
done, counted in what the stage wrote, with the cost of each stage that was measured.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import reduce
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import scoring_speed
import synthesis_speed
from growth_parts.place import CORES, Place
from growth_parts.points import Cost
from growth_parts.training import parameters, tokens

from bayling_study.core.records import Prompt, write_prompts

Measured = tuple[float, dict[str, Cost]]
"""The work, and the cost of each stage."""
LANGUAGES = 100
INSTRUCTIONS = 3_200_000
"""BayLing 2's: the aligned text of a mixture is as much larger or smaller as the mixture."""
DIRECTIONS = 4
"""Of the release's 14, with 2,000 segments each: all of them would only take longer."""
RESAMPLED = 4
"""Systems, so few that a thousand resamples are enough for the stage, which else adds some."""


def conversations(place: Place, size: float) -> Measured:
    """Synthesis of a mixture of BayLing 2's shape, in two workers as ``synthesis_speed.py``."""
    count = place.scaled(size, 1000)
    corpora, prompts = place.folder / "corpora", place.folder / "suite.jsonl"
    corpora.mkdir()
    pairs = max(100, round(synthesis_speed.PAIRS * count / INSTRUCTIONS))
    synthesis_speed.write_corpora(corpora, count, LANGUAGES, pairs)
    tests = enumerate(synthesis_speed.held_out(place.scaled(synthesis_speed.TESTS, 20)))
    write_prompts(prompts, [Prompt(f"t{n}", "made", "zh-en", {}, [t], [t]) for n, t in tests])
    mixture = synthesis_speed.mixture(count).model_dump(mode="json")
    place.settings(synthesis={"mixtures": {"made": mixture}})
    out = place.folder / "synthesis"
    named = ("--mixture", "made", "--corpora", corpora, "--tokenizer", place.tokenizer)
    paths = ("--prompts", prompts, "--workers", CORES, "--out", out)
    cost = place.run(place.stage("synthesis", *named, *paths))
    audit = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    return audit["conversations"], {"synthesis": cost}


def systems(place: Place, size: float) -> Measured:
    """Scoring, tests and report of a suite that so many systems answered."""
    names = _write_suite(place, int(size), 1000)
    scored = (place.run(scoring_speed.scoring(place.folder, name)) for name in names)
    costs = {"scoring": reduce(Cost.then, scored)}
    costs["significance"] = place.run(scoring_speed.significance(place.folder, names))
    out = ("--study", place.folder, "--out", place.folder / "report")
    costs["report"] = place.run(place.stage("report", *out))
    return len(names), costs


def resamples(place: Place, size: float) -> Measured:
    """The paired tests with so many resamples; the statistics that they add up are cached."""
    names = _write_suite(place, RESAMPLED, 1)
    place.run(scoring_speed.significance(place.folder, names))  # fills the cache
    settings = json.loads((place.folder / "settings.json").read_text(encoding="utf-8"))
    settings["scoring"]["bootstrap"]["samples"] = place.scaled(size)
    (place.folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    cost = place.run(scoring_speed.significance(place.folder, names))
    path = place.folder / "significance" / "comparisons.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["comparisons"]
    return max(row["samples"] for row in rows), {"significance": cost}


def _write_suite(place: Place, count: int, samples: int) -> list[str]:
    """Writes a suite, the answers of so many systems and the settings; returns their names."""
    names = [f"system-{number}" for number in range(1, count + 1)]
    chosen = scoring_speed.DIRECTIONS[:DIRECTIONS]
    segments = place.scaled(scoring_speed.SEGMENTS, 20)
    scoring_speed.write_study(place.folder, names, chosen, samples, segments)
    path = place.folder / "settings.json"
    settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    known = {name: {"kind": "foundation", "source": "made"} for name in names}
    path.write_text(json.dumps({**settings, "systems": known}), encoding="utf-8")
    return names


def languages(place: Place, size: float) -> Measured:
    """Corpora of so many languages aligned to English, as many rows of each."""
    download = place.folder / "download"
    (download / "files").mkdir(parents=True)
    (download / "manifest.json").write_text("{}", encoding="utf-8")
    text, codes = (
        synthesis_speed.Text(random.Random(1)),
        synthesis_speed.target_languages(int(size)),
    )
    rows = synthesis_speed.aligned(text, codes, place.scaled(synthesis_speed.PAIRS, 100))
    for code, own in groupby(rows, itemgetter("lang_b")):
        lines = "".join(f"{row['text_a']}\t{row['text_b']}\n" for row in own)
        (download / "files" / f"{code}.tsv").write_text(lines, encoding="utf-8")
    corpus = {"source": "made", "reader": "tsv", "path": "{language}.tsv", "languages": codes}
    cleaning = {"max_foreign_share": 1}  # made-up words are of no language
    parallel = [{**corpus, "role": "train"}]  # as in BayLing 2's study, whose tests are others
    place.settings(corpora={"parallel": parallel, "cleaning": cleaning})
    out = place.folder / "corpora"
    cost = place.run(place.stage("corpora", "--download", f"made={download}", "--out", out))
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    kept = [counts["train"] for counts in report["parallel"]["segments"].values()]
    return sum(map(bool, kept)), {"corpora": cost}


class Axis(NamedTuple):
    """What grows: its unit, the sizes that are measured and the way to measure one."""

    unit: str
    sizes: tuple[float, ...]
    measure: Callable[[Place, float], Measured]
    needs_tokenizer: bool = False


AXES = {
    "systems": Axis("systems", (2, 8, 32), systems),
    "resamples": Axis("resamples", (1000, 3000, 10_000), resamples),
    "languages": Axis("languages", (10, 32, 100), languages),
    "conversations": Axis("conversations", (1e5, 1e6, 3.2e6, 1e7), conversations, True),
    "tokens": Axis("tokens", (1, 4, 16), tokens),
    "parameters": Axis("parameters", (135, 360), parameters),
}
"""The axes, those that take longest last."""
