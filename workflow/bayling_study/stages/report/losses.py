"""What did not fit and was cut or left out: of training conversations, prompts and questions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bayling_study.stages.report.blocks import Table, number, table_row
from bayling_study.stages.report.collect import Study

NOTABLE_LOSS = 0.01
"""Share of segments or conversations that lost something from which a warning says so."""
FRONT, END, OUT = "cut at the front", "cut at the end", "left out as too long"
NOTE = (
    "Segments: prompts, questions or training conversations. Answers of published systems and of "
    "endpoints were cut, if at all, where this study cannot see it."
)


@dataclass(frozen=True)
class Loss:
    """So many of a system's segments or conversations lost so many tokens.

    Attributes:
        tokens: none where it was not counted, as in results of earlier versions.
    """

    system: str
    where: str
    how: str
    count: int
    of: int
    tokens: int | None


def losses(study: Study) -> Iterator[Loss]:
    """Yields what was counted, nothing lost included."""
    for system, audit in study.masks.items():
        of = audit["conversations"] + audit["left_out_as_too_long"]["count"]
        for key, how in (("truncated", END), ("left_out_as_too_long", OUT)):
            tokens = audit[key].get("tokens")
            yield Loss(system, "training set", how, audit[key]["count"], of, tokens)
    for answers in (study.systems, study.examined):
        for system, made in answers.items():
            for suite, facts in made.get("suites", {}).items():
                if "prompt_tokens_cut" in facts or facts.get("prompts_cut"):
                    cut, tokens = facts["prompts_cut"], facts.get("prompt_tokens_cut")
                    yield Loss(system, suite, FRONT, cut, facts["turns"], tokens)


def loss_table(study: Study) -> Table:
    """Returns all that was counted, one row for each system and suite."""
    rows = [
        table_row(
            *(loss.system, loss.where, loss.how, number(loss.count), number(loss.of)),
            *(number(100 * loss.count / max(1, loss.of), 1, " %"), number(loss.tokens)),
        )
        for loss in losses(study)
    ]
    columns = ["system", "of", "what", "segments", "of all", "share", "tokens lost"]
    return Table("losses", "Cut or left out", columns, rows, NOTE)


def notable(study: Study) -> Iterator[tuple[str, str]]:
    """Warns of training sets and suites that lost more than ``NOTABLE_LOSS`` of their segments."""
    for loss in losses(study):
        if loss.count > NOTABLE_LOSS * loss.of:
            share = f"{loss.count:,} of {loss.of:,} ({100 * loss.count / loss.of:.1f} %)"
            lost = "" if loss.tokens is None else f", {loss.tokens:,} tokens lost"
            what = f"{loss.system}, {loss.where}: {share} {loss.how}{lost}"
            yield what, f"more than {100 * NOTABLE_LOSS:g} % were not learnt or asked in full"
