"""What every backend that asks a system does alike: turns, clean-up, collection.

All first turns of a suite are answered before any second turn, so that batches
stay full; turn k sees the system's own earlier answers.
"""

from collections.abc import Mapping

from bayling_study.config.suites import Decoding, Suite
from bayling_study.core.errors import StudyError
from bayling_study.core.records import Hypothesis, Prompt
from bayling_study.shared.templates import Message
from bayling_study.stages.generation.journal import Entry

ONE_LINE_KINDS = frozenset({"translation", "interactive", "wmt22", "file", "flores", "constrained"})
"""Suites whose answers are translations: newlines become spaces, as in the authors' script."""

Turns = Mapping[int, Mapping[str, Entry]]
"""For each turn, prompt id to its answer."""


def decoding_of(suite: Suite) -> Decoding:
    """Returns how a suite's answers are decoded (``StudyError`` if it is scored by likelihood)."""
    decoding = getattr(suite, "decoding", None)
    if not isinstance(decoding, Decoding):
        raise StudyError(f"suites of kind {suite.kind} have no answers to generate")
    return decoding


def clean_up_rule(suite: Suite) -> str:
    """Names what is done to an answer's text after decoding."""
    return "newlines to spaces, strip" if suite.kind in ONE_LINE_KINDS else "strip"


def clean_up(text: str, rule: str) -> str:
    """Applies a rule of ``clean_up_rule`` to an answer."""
    return (text.replace("\n", " ") if rule.startswith("newlines") else text).strip()


def number_of_turns(prompts: list[Prompt]) -> int:
    """Returns the most turns that a prompt has."""
    return max((len(prompt.turns) for prompt in prompts), default=0)


def conversation(prompt: Prompt, turns: Turns, turn: int) -> list[Message]:
    """Returns what the system is shown to answer a turn: the turns before it, with all it said."""
    messages: list[Message] = []
    for earlier in range(turn):
        messages.append({"role": "user", "content": prompt.turns[earlier]})
        said = turns[earlier][prompt.id]
        messages.append({"role": "assistant", "content": said.whole or said.text})
    messages.append({"role": "user", "content": prompt.turns[turn]})
    return messages


def collect(prompts: list[Prompt], turns: Turns) -> list[Hypothesis]:
    """Puts the turns of every prompt together, in prompt order."""
    found = []
    for prompt in prompts:
        entries = [turns[turn][prompt.id] for turn in range(len(prompt.turns))]
        texts, tokens = [e.text for e in entries], [e.tokens for e in entries]
        finish, thoughts = [e.finish for e in entries], [e.reasoning for e in entries]
        reasoning = thoughts if any(thoughts) else []
        whole = [e.whole for e in entries] if any(e.whole for e in entries) else []
        found.append(Hypothesis(prompt.id, texts, tokens, finish, reasoning=reasoning, whole=whole))
    return found
