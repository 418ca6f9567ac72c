"""Prompts and hypotheses as the segments that COMET scores. Only suites of single-turn prompts with
a source sentence (``meta["source_text"]``) and a reference can be scored, without items in a
language that COMET does not know (``meta["comet"]`` is false). Texts are stripped, as by
``comet-score``, and brought to NFC, but for released outputs."""

from pathlib import Path
from typing import NamedTuple

from bayling_study.core import records
from bayling_study.core.records import Prompt
from bayling_study.shared.metrics.one_form import is_released, nfc
from bayling_study.stages.comet.cache import Triple


class Scorable(NamedTuple):
    """A hypothesis with all that its score needs: the ``item`` (a direction) that it counts for,
    and whether one of its texts was ``changed`` to be in NFC."""

    id: str
    item: str
    triple: Triple
    changed: bool = False


def scorable(prompts: list[Prompt]) -> bool:
    """Says whether every prompt has one turn, a source sentence and a reference."""
    return bool(prompts) and all(
        len(prompt.turns) == 1 and prompt.references and "source_text" in prompt.meta
        for prompt in prompts
    )


def is_covered(prompt: Prompt) -> bool:
    """Says whether COMET's encoder knows the prompt's languages, as far as the suite tells."""
    return bool(prompt.meta.get("comet", True))


def read_segments(prompts: list[Prompt], outputs: Path, suite: str) -> list[Scorable]:
    """Reads a system's hypotheses for the items that it has (``StudyError`` if they do not fit)."""
    records.check_owner(outputs, outputs.name)
    present = records.items_present(outputs, suite, prompts)
    asked = [prompt for prompt in prompts if prompt.item in present]
    found = records.read_hypotheses(outputs / f"{suite}.jsonl", asked) if asked else []
    released = is_released(outputs)
    segments = []
    for prompt, row in zip(asked, found, strict=True):
        if is_covered(prompt):
            texts = prompt.meta["source_text"], row.turns[-1], prompt.references[-1]
            form = texts if released else tuple(map(nfc, texts))
            triple = Triple(*(text.strip() for text in form))
            segments.append(Scorable(prompt.id, prompt.item, triple, form != texts))
    return segments


def read_suites(folder: Path, suites: list[str]) -> dict[str, list[Prompt]]:
    """Returns the prompts of those suites that COMET can score."""
    found = {suite: records.read_prompts(folder / f"{suite}.jsonl") for suite in suites}
    return {suite: prompts for suite, prompts in found.items() if scorable(prompts)}
