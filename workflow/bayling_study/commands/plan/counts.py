"""How much a study has to do: as counted where it was, else as its configuration lets expect."""

from functools import cache
from pathlib import Path

from bayling_study.config.suites import (
    ONE_TURN,
    InstructionsSuite,
    InteractiveSuite,
    TranslationSuite,
)
from bayling_study.core.records import stream_prompts
from bayling_study.dag.chain import mixture_tokens
from bayling_study.dag.layout import Layout

FILLED = 0.68
"""Tokens of a conversation per token that its recipe may have, before they are counted: measured
with the embedded study."""

SHARED = 0.72
"""Of a mixture's tokens, those that training computes: a shared start stands once a sequence."""
SUPERVISED = 0.23


def mixture_of(layout: Layout, system: str) -> tuple[int, float]:
    """Returns the conversations and the tokens of a tuned system's mixture."""
    mixture = layout.mixture(system)
    tokens, counted = mixture_tokens(layout, system)
    if not counted:
        limits, most = mixture.recipe_max_tokens, mixture.max_tokens
        shares = mixture.shares.items()
        each = sum(share * min(limits.get(recipe, most), most) for recipe, share in shares)
        tokens = FILLED * mixture.conversations * each
    return mixture.conversations, tokens


def tokens_read(layout: Layout, system: str) -> float:
    """Returns the tokens that training reads in all epochs, which ``max_steps`` may end early."""
    count, tokens = mixture_of(layout, system)
    return tokens * layout.config.tuning_of(system).passes(count, tokens)


def prompts_of(layout: Layout, suite: str) -> int | None:
    """Returns the prompts of a suite; none where only its source tells them."""
    made = layout.prompts([suite])[0]
    if made.is_file():
        return _lines(made, made.stat().st_mtime)
    found = layout.config.suites[suite]
    if isinstance(found, TranslationSuite | InteractiveSuite):
        each = getattr(found, "segments", 0) or getattr(found, "conversations", 0)
        return len(found.directions) * int(each)
    if isinstance(found, InstructionsSuite) and found.conversations:
        return len(found.languages) * found.conversations
    return None


def answers_of(layout: Layout, suite: str) -> float | None:
    """Returns a suite's answers, one for each turn of a prompt; none where nobody knows."""
    made, found = layout.prompts([suite])[0], layout.config.suites[suite]
    if made.is_file() and not isinstance(found, ONE_TURN):
        return _turns(made, made.stat().st_mtime)
    count = prompts_of(layout, suite)
    if isinstance(found, InstructionsSuite) and count:
        return count * found.turns
    if count is None or not isinstance(found, InteractiveSuite):
        return count
    return count * sum(n * w for n, w in found.turns.items()) / sum(found.turns.values())


@cache
def _lines(path: Path, _: float) -> int:
    """Returns the lines of a file that stands as it is since that time."""
    return path.read_bytes().count(b"\n")


@cache
def _turns(path: Path, _: float) -> int:
    """Returns the turns of all its prompts."""
    return sum(len(prompt.turns) for prompt in stream_prompts(path))
