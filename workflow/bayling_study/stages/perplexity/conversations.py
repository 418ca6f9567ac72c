"""Held-out conversations: the suites' prompts answered by their references.

Only conversations with a reference for every user turn count; of them a seeded
draw is taken over all suites together. An earlier turn is answered by its
reference (teacher forcing), so that both systems read the same text.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayling_study.config.systems import TemplateName
from bayling_study.core.errors import StudyError
from bayling_study.core.records import Prompt, read_prompts
from bayling_study.core.seeds import generator
from bayling_study.shared import templates


@dataclass(frozen=True)
class ConversationTokens:
    """Prompt ``SUITE/ID`` as tokens; the mask is true for answers and the ends of answers."""

    name: str
    ids: list[int]
    mask: list[bool]


def draw(folder: Path, suites: Iterable[str], count: int, seed: int) -> list[Prompt]:
    """Draws at most ``count`` fully referenced prompts of ``FOLDER/SUITE.jsonl``, in their order.

    Raises:
        StudyError: no prompt has a reference for each of its turns.
    """
    referenced = [
        prompt
        for suite in suites
        for prompt in read_prompts(folder / f"{suite}.jsonl")
        if len(prompt.references) == len(prompt.turns) and all(map(str.strip, prompt.references))
    ]
    if not referenced:
        raise StudyError("no prompt has a reference for each of its turns", where=folder)
    positions = range(len(referenced))
    chosen = generator(seed, "perplexity").sample(positions, min(count, len(referenced)))
    return [referenced[position] for position in sorted(chosen)]


def encode(
    prompts: Iterable[Prompt], tokenizer: Any, template: TemplateName, context: int
) -> list[ConversationTokens]:
    """Tokenises prompts with their references as training would.

    Conversations longer than ``context`` are left out: cut, they would be others.

    Raises:
        StudyError: none fits.
    """
    fitting = []
    for prompt in prompts:
        messages: list[templates.Message] = []
        for turn, reference in zip(prompt.turns, prompt.references, strict=True):
            messages.append({"role": "user", "content": turn})
            messages.append({"role": "assistant", "content": reference})
        ids, mask = templates.encode(tokenizer, template, messages)
        if len(ids) <= context:
            fitting.append(ConversationTokens(f"{prompt.suite}/{prompt.id}", ids, mask))
    if not fitting:
        raise StudyError(f"no held-out conversation fits into {context} tokens")
    return fitting
