"""A small scored study of dialogues on disk: a gain, a loss, a draw, and one both half meet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bayling_study.config.model import StudyConfig
from bayling_study.core.files import write_json
from bayling_study.core.records import Hypothesis, Prompt, write_hypotheses, write_prompts
from bayling_study.shared.metrics.answers import options_of, plan_of, read_answers
from bayling_study.shared.score_files import write_suite
from bayling_study.stages.report.collect import Study
from bayling_study.stages.scoring.results import score_suite

SUITE = "talks"
GOOD = ["The red house is very old.", "The red castle is very old."]
COPY = ["Das rote Haus ist sehr alt.", "The red house is very old. <b>bold</b>"]
LONGER = "The red castle is very old and has a door."
ANSWERS = {
    "foundation": [COPY, GOOD, COPY, [*GOOD, "The red castle."]],
    "tuned": [GOOD, COPY, COPY, [*GOOD, LONGER]],
}
"""The answers of each system to the four dialogues, of which the last has three turns."""


def config(published: Path) -> StudyConfig:
    """Returns the study's configuration."""
    model = {"kind": "foundation", "source": "model", "template": "foundation"}
    tuned = {"kind": "tuned", "base": "foundation", "mixture": "default", "template": "bayling"}
    suite = {"kind": "interactive", "directions": ["de-en"], "conversations": 4}
    return StudyConfig.model_validate(
        {
            "study": {"name": "talks", "title": "A study of <talks>"},
            "systems": {"foundation": model, "tuned": tuned},
            "suites": {SUITE: suite},
            "report": {"published": str(published)},
        }
    )


def prompts() -> list[Prompt]:
    """Returns the dialogues: translate, replace a word and, in the last, say more."""
    user = ["Translate: Das rote Haus ist sehr alt.", "Write castle, not house.", "Say more."]
    swap = {"type": "keeps", "of": "both", "least": 0.8, "replace": [["house", "castle"]]}
    asked: list[tuple[str, list[dict[str, Any]]]] = [
        ("translate", [{"type": "script", "script": "Latn"}]),
        ("replace-words", [{"type": "contains", "text": "castle"}, swap]),
        ("fuller", [{"type": "longer"}]),
    ]
    found = []
    for number, answers in enumerate(ANSWERS["tuned"]):
        turns = len(answers)
        demands = [{"kind": k, "checks": c, "target": "en"} for k, c in asked[:turns]]
        languages = {"source": "de", "target": "en"}
        meta = {"source_text": "Das rote Haus ist sehr alt.", "demands": demands}
        right = [*GOOD, LONGER][:turns]
        found.append(
            Prompt(f"de-en/{number}", SUITE, "de-en", languages, user[:turns], right, meta)
        )
    return found


def make(folder: Path) -> Study:
    """Writes the study into a folder, scored by the scoring stage, and returns its reader."""
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "published.tsv"
    heading = "suite\titem\tsystem\tmetric\tvalue\tdecimals\tkind\tsource\tnote\n"
    table.write_text(heading, encoding="utf-8")
    made, asked = config(table), prompts()
    write_prompts(folder / f"prompts/{SUITE}.jsonl", asked)
    for system, answers in ANSWERS.items():
        rows = [
            Hypothesis(prompt.id, turns, [1] * len(turns), ["stop"] * len(turns))
            for prompt, turns in zip(asked, answers, strict=True)
        ]
        outputs = folder / "generation" / system
        write_hypotheses(outputs / f"{SUITE}.jsonl", rows)
        items = read_answers(asked, outputs, system, SUITE)
        scores, segments = score_suite(
            items, made.suites[SUITE], options_of(made, None), plan_of(made), {}
        )
        write_suite(folder / "scoring" / system, SUITE, scores, segments)
    method = {"tests": ["paired bootstrap"], "samples": 100, "level": 0.05, "significant": "below"}
    comparisons = {"method": method | {"baseline": "foundation"}, "comparisons": []}
    write_json(folder / "significance/comparisons.json", comparisons)
    return Study(folder, made)
