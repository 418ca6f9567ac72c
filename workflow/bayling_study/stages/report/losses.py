"""What did not fit and was cut or left out: of training conversations, prompts and questions."""

from collections.abc import Iterator
from typing import NamedTuple

from bayling_study.stages.report.blocks import NOTES, Table, number
from bayling_study.stages.report.collect import Study

NOTABLE_LOSS = 0.01
"""Share of segments or conversations that lost something from which a warning says so."""


class Loss(NamedTuple):
    """So many of a system's segments lost so many tokens (none: not counted, earlier versions)."""

    system: str
    where: str
    how: str
    cut: int
    of: int
    tokens: int | None


def losses(study: Study) -> Iterator[Loss]:
    """Yields what was counted, nothing lost included."""
    for system, audit in study.masks.items():
        cut, left_out = audit["truncated"], audit["left_out_as_too_long"]
        of = audit["conversations"] + left_out["count"]
        for how, part in (("cut at the end", cut), ("left out as too long", left_out)):
            yield Loss(system, "training set", how, part["count"], of, part.get("tokens"))
    for system, made in [*study.systems.items(), *study.examined.items()]:
        for suite, facts in made.get("suites", {}).items():
            tokens = facts.get("prompt_tokens_cut")
            if tokens is not None or facts.get("prompts_cut"):
                counts = (facts["prompts_cut"], facts["turns"], tokens)
                yield Loss(system, suite, "cut at the front", *counts)


def loss_table(study: Study) -> Table:
    """Returns all that was counted, one row for each system and suite."""
    rows = [
        [*loss[:3], *map(number, loss[3:5]), _share(loss), number(loss.tokens)]
        for loss in losses(study)
    ]
    columns = ["system", "of", "what", "segments", "of all", "share", "tokens lost"]
    return Table("losses", "Cut or left out", columns, rows, NOTES["losses"])


def notable(study: Study) -> Iterator[tuple[str, str]]:
    """Warns of training sets and suites that lost more than ``NOTABLE_LOSS`` of their segments."""
    for loss in losses(study):
        if loss.cut > NOTABLE_LOSS * loss.of:
            lost = "" if loss.tokens is None else f", {loss.tokens:,} tokens lost"
            what = f"{loss.cut:,} of {loss.of:,} ({_share(loss)}) {loss.how}{lost}"
            why = f"more than {NOTABLE_LOSS:.0%} were not learnt or asked in full"
            yield f"{loss.system}, {loss.where}: {what}", why


def _share(loss: Loss) -> str:
    return f"{100 * loss.cut / max(1, loss.of):.1f} %"
