"""``answers.html``: all answers of a study, two systems or all side by side, in one file.

A page opened from disk may load nothing, so the data is in it: JSON blocks, each compressed by
gzip and written in base64, which the browser's ``DecompressionStream`` unpacks when they are
looked at. The page has no text of the data in its markup.

Scores, lengths and demands are few numbers and come whole, so that the page sorts and counts
without reading a text; texts come in blocks of ``BLOCK_BYTES``, of which it unpacks those it
shows. In a block all systems' answers to a prompt stand together: they are alike, so that they
compress to two thirds of what one block a system would take (texts of the replay).
"""

import base64
import gzip
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from bayling_study.core.files import write_text
from bayling_study.core.records import Prompt
from bayling_study.core.text.words import words
from bayling_study.shared.metrics.measures import meaning
from bayling_study.stages.report import answer_marks
from bayling_study.stages.report.answer_marks import Demand, Values, outcome
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.page import render_page
from bayling_study.stages.report.samples import shown

SCRIPTS = ("data", "choice", "charts", "ngrams", "rows", "page")
"""Parts of the page's script, ``answers_page/NAME.js``, in their order."""
LEVEL = 6  # effort of gzip; 9 takes nearly twice as long for 0.3 % less (texts of the replay)
BLOCK_BYTES = 250_000  # size of a block of texts before it is compressed
MET = ("satisfaction", "constraint-all")
"""Metrics that tell of a turn, or of a prompt's only one, whether its demand is met (100)."""


def write_answers(study: Study, path: Path) -> None:
    """Writes the page of answers; a suite whose answers cannot be shown is missing from it."""
    index: dict[str, Any] = {"suites": []}
    blocks: dict[str, object] = {"index": index}
    for suite in study.by_suite:
        with study.block(f"answers of {suite}"):
            if found := answer_suite(study, suite):
                about, own = found
                index["suites"].append(about)
                blocks |= own
    metrics = dict.fromkeys(metric for about in index["suites"] for metric in about["metrics"])
    index["lower"] = [metric for metric in metrics if meaning(metric).better == "lower"]
    with study.block("answers: the baseline as first choice"):
        index["baseline"] = study.baseline
    packed = {name: _packed(block) for name, block in blocks.items()}
    about = {"title": study.config.study.title, "blocks": packed}
    scripts = [f"answers_page/{name}.js" for name in SCRIPTS]
    styles = ["page.css", "answers_page/page.css"]
    write_text(path, render_page("answers_page/page.html", styles, scripts, **about))


def _packed(value: object) -> str:
    """Returns a value as JSON, compressed, in base64; the same value gives the same text."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), LEVEL, mtime=0)).decode("ascii")


def answer_suite(study: Study, suite: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Returns what the first view needs to know of a suite, and its blocks by name, or none where
    no system has an answer that could be shown (``StudyError`` if a file of segment scores is
    damaged, or a check of a demand unknown)."""
    prompts = study.prompts(suite)
    given = {name: study.answers(name, suite) for name in study.config.systems}
    systems = [name for name, answers in given.items() if answers]
    if not systems:
        return None
    values = answer_marks.segment_values(study, suite, prompts)
    wanted = [answer_marks.demands(prompt) for prompt in prompts]
    marks: Values = next((values[metric] for metric in MET if metric in values), {})
    met = {s: [v if isinstance(v, list) else [v] for v in own] for s, own in marks.items()}
    rows = [
        _row(prompt, wanted[place], {s: given[s].get(prompt.id) for s in systems},
             {s: met[s][place] for s in systems if s in met})
        for place, prompt in enumerate(prompts)
    ]  # fmt: skip
    texts = list(_portions(rows))
    blocks: dict[str, Any] = {f"rows {suite}": _index(prompts, wanted)}
    blocks |= {f"scores {suite} {metric}": found for metric, found in values.items()}
    blocks |= {f"texts {suite} {number}": block for number, block in enumerate(texts)}
    about = {"name": suite, "systems": systems, "metrics": [*values], "sizes": [*map(len, texts)]}
    shown_first = study.config.comparison.shown if study.config.comparison else []
    about["compared"] = [name for name in shown_first if name in systems]
    return about, blocks


def _index(prompts: Sequence[Prompt], wanted: Sequence[Sequence[Demand]]) -> dict[str, Any]:
    """Returns what prompts are sorted and filtered by, one list a property."""
    texts = [" ".join(prompt.references or prompt.turns) for prompt in prompts]
    found = [words(text.lower()) for text in texts]
    targets = [prompt.languages.get("target", "") for prompt in prompts]
    distinct = [
        {(target, word) for word in own} for target, own in zip(targets, found, strict=True)
    ]
    uses = Counter(chain.from_iterable(distinct))
    return {
        "id": [prompt.id for prompt in prompts],
        "item": [prompt.item for prompt in prompts],
        "turns": [len(prompt.turns) for prompt in prompts],
        "kinds": [[demand.kind for demand in own] for own in wanted],
        "words": [len(own) for own in found],
        "rare": [sum(uses[use] == 1 for use in own) for own in distinct],
    }


def _row(
    prompt: Prompt, wanted: Sequence[Demand], given: dict[str, Any], met: dict[str, Any]
) -> dict[str, Any]:
    """Returns the texts of a prompt: user, references and, by system, answers and reasons."""
    answers = {name: one["turns"] for name, one in given.items() if one}
    row: dict[str, Any] = {
        "user": [*map(shown, prompt.turns)],
        "references": [*map(shown, prompt.references)],
        "answers": {name: [*map(shown, turns)] for name, turns in answers.items()},
    }
    said = {name: _said(given[name]) for name in answers}
    if any(turn for own in said.values() for turn in own):
        row["said"] = said
    if wanted:
        row["reasons"] = {
            name: [outcome(wanted[turn], mark, turns, turn) for turn, mark in enumerate(met[name])]
            for name, turns in answers.items()
            if name in met
        }
    return row


def _said(answer: dict[str, Any]) -> list[list[tuple[str, str]]]:
    """Returns what a system said for each answer beside it: in earlier steps, and in whole where
    only a part is scored."""
    found = [[(one["step"], shown(one["text"])) for one in own] for own in answer.get("steps", [])]
    found = found or [[] for _ in answer["turns"]]
    for turn, text in enumerate(answer.get("whole", [])):
        found[turn] += [("said in whole", shown(text))] if text else []
    return found


def _portions(rows: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yields the rows in blocks of about the same size."""
    block: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        block.append(row)
        size += len(json.dumps(row, ensure_ascii=False).encode())
        if size >= BLOCK_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block
